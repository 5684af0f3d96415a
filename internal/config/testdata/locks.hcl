node = "a"

cluster "shop" {
  key_file = "/etc/holdfast/shop.key"

  member "a" {
    link "lan" { address = "192.0.2.1" }
  }
  member "b" {
    link "lan" { address = "192.0.2.2" }
  }
  member "c" {
    link "lan" { address = "192.0.2.3" }
  }
}

group "locks" {
  locks {
    style  = "voted"
    voters = 3
    order  = "loose"
    data   = "/var/lib/holdfast/locks"
  }
}
