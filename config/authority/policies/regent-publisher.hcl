path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "secret/data/platform-data/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/platform-data/*" {
  capabilities = ["patch", "read"]
}
path "secret/data/platform-config/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/platform-config/*" {
  capabilities = ["patch", "read"]
}
path "regent/metadata/ledger/*" {
  capabilities = ["list", "read"]
}
path "regent/data/ledger/publisher/*" {
  capabilities = ["create", "read"]
}
