package census

import (
	"maps"
	"slices"
)

// eachService makes a metric with one value for each service.
func eachService(name, help, kind string, value func(*Service) float64) metric {
	return metric{name, help, kind, []string{"service"}, func(s *Status, send func(float64, ...string)) {
		for i := range s.Groups {
			if v := s.Groups[i].Service; v != nil {
				send(value(v), s.Groups[i].Name)
			}
		}
	}}
}

// eachCopy makes a metric with one value for each other member's copy of each service.
func eachCopy(name, help string, value func(*Service, *Copy) (float64, bool)) metric {
	return metric{name, help, gauge, []string{"service", "member"}, func(s *Status, send func(float64, ...string)) {
		for i := range s.Groups {
			v := s.Groups[i].Service
			for k := 0; v != nil && k < len(v.Copy); k++ {
				if n, is := value(v, &v.Copy[k]); is {
					send(n, s.Groups[i].Name, v.Copy[k].Name)
				}
			}
		}
	}}
}

// onDisk makes a metric of services that are kept on disks.
func onDisk(name, help, kind string, value func(*Disk) float64) metric {
	return metric{name, help, kind, []string{"service"}, func(s *Status, send func(float64, ...string)) {
		for i := range s.Groups {
			if v := s.Groups[i].Service; v != nil && v.Disk != nil {
				send(value(v.Disk), s.Groups[i].Name)
			}
		}
	}}
}

func serviceMetrics() []metric {
	return []metric{
		eachService("holdfast_service_serving", "1 while this member serves clients.", gauge, func(v *Service) float64 { return truth(v.Role == Serving) }),
		eachService("holdfast_service_stopped", "1 when replicas differ and nothing is executed any more.", gauge, func(v *Service) float64 { return truth(v.Role == ServiceOff) }),
		eachService("holdfast_service_executed", "Index of the last command that was executed here.", gauge, func(v *Service) float64 { return float64(v.Index) }),
		eachService("holdfast_service_copies", "Members that are proven to have the state as this one has it, this one included.", gauge, func(v *Service) float64 { return float64(v.Copies) }),
		eachService("holdfast_service_sessions", "Clients' sessions.", gauge, func(v *Service) float64 { return float64(v.Sessions) }),
		eachService("holdfast_service_kept_bytes", "Bytes of answers that are kept for sessions.", gauge, func(v *Service) float64 { return float64(v.Kept) }),
		eachService("holdfast_service_held_answers", "Answers that wait for disks.", gauge, func(v *Service) float64 { return float64(v.Held) }),
		eachCopy("holdfast_service_copy_proven", "1 where a member's copy is proven equal up to the last command.", func(_ *Service, c *Copy) (float64, bool) { return truth(c.Proof == Proven), c.Proof != Untold }),
		eachCopy("holdfast_service_copy_diverged", "1 where a member's copy is proven to be another.", func(_ *Service, c *Copy) (float64, bool) { return truth(c.Proof == Diverged), c.Proof != Untold }),
		eachCopy("holdfast_service_copy_behind", "Commands that were executed here and that a member of the view has not told of.", func(_ *Service, c *Copy) (float64, bool) {
			return float64(c.Behind), c.Proof == Proven || c.Proof == Behind
		}),
		eachCopy("holdfast_service_copy_behind_seconds", "Since when a member's copy is not proven.", func(_ *Service, c *Copy) (float64, bool) {
			return c.BehindMS / 1000, c.Proof == Proven || c.Proof == Behind
		}),
		eachCopy("holdfast_service_disk_behind", "Commands that were executed here and are not synced to the disk of a member of the view.", func(v *Service, c *Copy) (float64, bool) {
			return float64(v.Index - min(v.Index, c.Saved)), c.HasDisk && c.Proof != Away
		}),
		onDisk("holdfast_service_log_saved", "Index of the last command that is synced to this member's disk.", gauge, func(d *Disk) float64 { return float64(d.Saved) }),
		onDisk("holdfast_service_log_bytes_total", "Bytes written to the log since the start.", counter, func(d *Disk) float64 { return float64(d.Bytes) }),
		onDisk("holdfast_service_log_commits_total", "Writes to the log that were synced together.", counter, func(d *Disk) float64 { return float64(d.Commits) }),
		onDisk("holdfast_service_log_snapshots_total", "Snapshots since the start.", counter, func(d *Disk) float64 { return float64(d.Snapshots) }),
		onDisk("holdfast_service_log_segments", "Files that the log has.", gauge, func(d *Disk) float64 { return float64(d.Segments) }),
		onDisk("holdfast_service_log_pending_bytes", "Bytes that wait to be written.", gauge, func(d *Disk) float64 { return float64(d.Pending) }),
	}
}

// jobMetrics are of services that take calls that run long.
func jobMetrics() []metric {
	return []metric{
		{"holdfast_service_jobs", "Calls that run long, now, at this member.", gauge, []string{"service"}, func(s *Status, send func(float64, ...string)) {
			for i := range s.Groups {
				if v := s.Groups[i].Service; v != nil && v.Jobs != nil {
					send(float64(v.Jobs.Running), s.Groups[i].Name)
				}
			}
		}},
		{"holdfast_service_jobs_stopped_total", "Such calls that were stopped, by why.", counter, []string{"service", "reason"}, func(s *Status, send func(float64, ...string)) {
			for i := range s.Groups {
				v := s.Groups[i].Service
				if v == nil || v.Jobs == nil {
					continue
				}
				for _, why := range slices.Sorted(maps.Keys(v.Jobs.Stopped)) {
					send(float64(v.Jobs.Stopped[why]), s.Groups[i].Name, why)
				}
			}
		}},
	}
}
