//! What stands between the data file and whoever holds it: the key-encryption key and its shares.
//!
//! ```text
//! shares (threshold of n) ── Shamir ──▶ KEK ── unwraps ──▶ root key ──▶ keyring (barrier/)
//!   each holder's share sealed to the holder's age recipient, kept at `seal/shares` (ciphertext)
//! ```
//!
//! Three records, readable while sealed: `seal/config` (who, how many), `seal/shares`,
//! `seal/root-key`. The wrapped root key has the config's hash as associated data: who changes a
//! recipient in the data file gets an authority that no longer unseals, not one that seals its next
//! shares to a stranger.

mod config;
mod gf256;
mod kek;
pub(crate) mod shamir;
mod share_collection;
mod shares;

pub(crate) use self::config::{CONFIG_KEY, Holder, SealConfig};
pub(crate) use self::kek::{Kek, ROOT_KEY, unwrap_root, wrap_root};
pub(crate) use self::share_collection::{ShareCollection, decode_share};
pub(crate) use self::shares::{SHARES_KEY, SealedShare, seal_shares};
