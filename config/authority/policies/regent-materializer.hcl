path "secret/data/runtime/*" {
  capabilities = ["read"]
}
path "secret/metadata/runtime/*" {
  capabilities = ["read"]
}
path "secret/data/platform-data/*" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/*" {
  capabilities = ["read"]
}
path "secret/data/platform-config/*" {
  capabilities = ["read"]
}
path "secret/metadata/platform-config/*" {
  capabilities = ["read"]
}
