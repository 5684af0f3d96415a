node = "w"

cluster "shop" {
  key_file = "/etc/holdfast/shop.key"

  member "a" {
    link "lan" { address = "192.0.2.1" }
    link "sync" { address = "198.51.100.1" }
  }
  member "b" {
    votes = 1
    link "lan" { address = "192.0.2.2" }
    link "sync" { address = "198.51.100.2" }
  }
  member "w" {
    witness = true
    link "lan" { address = "192.0.2.3" }
    link "sync" { address = "198.51.100.3" }
  }

  multicast "sync" { address = "239.192.0.1" }
}

group "orders" {
  stateful = true
}
