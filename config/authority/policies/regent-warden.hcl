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
path "sys/audit" {
  capabilities = ["read", "sudo"]
}
path "auth/kubernetes/role/*" {
  capabilities = ["read"]
}
path "secret/config" {
  capabilities = ["read"]
}
path "regent/config" {
  capabilities = ["read"]
}
path "sys/regent/snapshots" {
  capabilities = ["read"]
}
path "regent/metadata/ledger/*" {
  capabilities = ["list"]
}
path "regent/data/ledger/warden/*" {
  capabilities = ["create", "read"]
}
