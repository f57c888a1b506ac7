//! The contract with clients of Vault and OpenBao, a file for each kind of fault that was found in it.

mod fields;
mod key_rotation;
mod logins;
mod numbers;
mod removal;
mod snapshot;
mod snapshots;
mod token_roles;
mod tuning;
mod weak;
mod wrapping;
