path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "secret/data/runtime/*" {
  capabilities = ["read"]
}
path "secret/metadata/runtime/*" {
  capabilities = ["list", "read"]
}
path "secret/data/platform-data/*" {
  capabilities = ["read"]
}
path "secret/metadata/platform-data/*" {
  capabilities = ["list", "read"]
}
path "secret/data/platform-config/*" {
  capabilities = ["read"]
}
path "secret/metadata/platform-config/*" {
  capabilities = ["list", "read"]
}
