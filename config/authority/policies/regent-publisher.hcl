path "secret/data/platform-data/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/platform-data/*" {
  capabilities = ["patch"]
}
path "secret/delete/platform-data/*" {
  capabilities = ["update"]
}
path "secret/data/platform-config/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/platform-config/*" {
  capabilities = ["patch"]
}
path "secret/delete/platform-config/*" {
  capabilities = ["update"]
}
path "regent/metadata/ledger/*" {
  capabilities = ["list"]
}
path "regent/data/ledger/publisher/*" {
  capabilities = ["create", "read"]
}
