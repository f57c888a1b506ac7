path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "sys/mounts" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}
path "sys/policies/acl/*" {
  capabilities = ["read"]
}
path "auth/kubernetes/config" {
  capabilities = ["read"]
}
path "sys/policies/acl" {
  capabilities = ["list"]
}
path "sys/audit" {
  capabilities = ["read", "sudo"]
}
path "auth/kubernetes/role" {
  capabilities = ["list"]
}
path "auth/kubernetes/role/*" {
  capabilities = ["read", "list"]
}
path "secret/config" {
  capabilities = ["read"]
}
path "regent/config" {
  capabilities = ["read"]
}
path "regent/metadata/ledger/*" {
  capabilities = ["list", "read"]
}
path "regent/data/ledger/warden/*" {
  capabilities = ["create", "read"]
}
