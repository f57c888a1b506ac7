//! The token store: whose token it is, how long it lives, how trees of tokens end.
//!
//! ```text
//! id/{HMAC of the token}        the record; the token itself is stored nowhere
//! accessor/{accessor}           → HMAC
//! child/{parent}/{child}        what ends with its parent
//! expiry/{unix seconds}/{HMAC}  what to remove, oldest first
//! wrapped/{HMAC}                the answer that a wrapping token stands for
//! ```
//!
//! A token is good only while it and every ancestor are: **ending a token is one commit on its own
//! record**, whatever its tree holds. What is dead is removed afterwards, leaves first, by whoever
//! comes by (`revocation.rs`), so a crash in between revives nothing. Issuing costs one commit.
//!
//! It stands below the engines: the pipeline authenticates with it and initialization makes the
//! first root token with it; `engines/token` is its API. Source: OpenBao
//! `internal/vault/token_store.go`.

mod kind;
mod known;
mod record;
mod revocation;
mod spec;
mod store;
#[cfg(test)]
mod tests;
mod wrapping;

pub(crate) use self::record::TokenRecord;
pub(crate) use self::spec::TokenSpec;
pub(crate) use self::store::{TokenStore, auth_reply};
