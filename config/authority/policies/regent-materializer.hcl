path "secret/data/runtime/*" {
  capabilities = ["read"]
}
path "secret/data/platform-data/*" {
  capabilities = ["read"]
}
path "secret/data/platform-config/*" {
  capabilities = ["read"]
}
