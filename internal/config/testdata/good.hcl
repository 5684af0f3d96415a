node = "fw1"

cluster "edge" {
  key_file = "/etc/holdfast/edge.key"

  member "fw2" {
    link "sync" { address = "198.51.100.2" }
    link "lan" { address = "192.0.2.3" }
  }
  member "fw1" {
    priority = 150
    link "sync" { address = "198.51.100.1" }
    link "lan" { address = "192.0.2.2" }
  }
}

firewall {
  address "192.0.2.1/24" { interface = "eth0" }
  address "2001:db8:1::1/64" { interface = "eth1" }
  ignore = ["203.0.113.0/24"]
}
