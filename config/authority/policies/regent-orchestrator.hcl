path "secret/data/runtime/*" {
  capabilities = ["create", "read", "update"]
}
path "secret/metadata/runtime/*" {
  capabilities = ["patch", "read"]
}
path "secret/destroy/runtime/*" {
  capabilities = ["update"]
}
path "secret/metadata/platform-data/*" {
  capabilities = ["read"]
}
path "secret/metadata/platform-config/*" {
  capabilities = ["read"]
}
path "secret/config" {
  capabilities = ["read"]
}
path "regent/data/record/*" {
  capabilities = ["create", "read", "update"]
}
path "regent/data/pending/*" {
  capabilities = ["create", "read"]
}
path "regent/metadata/pending/*" {
  capabilities = ["delete", "read"]
}
path "regent/data/keys/hmac" {
  capabilities = ["create", "read"]
}
path "regent/metadata/ledger/*" {
  capabilities = ["list"]
}
path "regent/data/ledger/orchestrator/*" {
  capabilities = ["create", "read"]
}
