path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "secret/data/runtime/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/runtime/*" {
  capabilities = ["list", "patch", "read"]
}
path "secret/destroy/runtime/*" {
  capabilities = ["update"]
}
path "secret/metadata/platform-data/*" {
  capabilities = ["list", "read"]
}
path "secret/metadata/platform-config/*" {
  capabilities = ["list", "read"]
}
path "secret/config" {
  capabilities = ["read"]
}
path "regent/data/record/*" {
  capabilities = ["create", "read", "update"]
}
path "regent/metadata/record/*" {
  capabilities = ["list", "read"]
}
path "regent/data/pending/*" {
  capabilities = ["create", "read"]
}
path "regent/metadata/pending/*" {
  capabilities = ["delete", "list", "read"]
}
path "regent/data/keys/hmac" {
  capabilities = ["create", "read"]
}
path "regent/metadata/ledger/*" {
  capabilities = ["list", "read"]
}
path "regent/data/ledger/orchestrator/*" {
  capabilities = ["create", "read"]
}
