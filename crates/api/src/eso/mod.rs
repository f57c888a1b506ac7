//! Kinds of External Secrets Operator, served natively for the Vault provider. Field names, defaults and printer
//! columns are ESO 2.9's; fields that regent does not act on are kept as they are and reported, never ignored.

pub mod external_secret;
pub mod push_secret;
pub mod secret_store;
