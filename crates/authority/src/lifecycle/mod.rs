//! The authority's life: nothing yet → initialized and sealed → unsealed → sealed again.
//!
//! ```text
//! init ─ one commit ─▶ sealed ─ threshold shares ─▶ unsealed ─ seal, close ─▶ sealed
//!                        └─── recover: possession of shares, new key, new shares ──▶ unsealed
//! ```
//!
//! One transition at a time (`Core::transition`). [`Unsealed`] is what unsealing loads: mount table,
//! audit salt; everything else is loaded when it is asked for. No task runs in the background:
//! upkeep rides on requests.

mod core;
mod generate_root;
mod init;
mod recover;
mod restored;
mod root_attempt;
mod rotate;
mod seal_cache;
mod state;
mod strangers;
mod throttle;
mod transition;
mod turns;
mod unseal;
mod unsealed;
mod upkeep;

pub(crate) use self::core::Core;
pub(crate) use self::generate_root::RootStatus;
pub(crate) use self::turns::{Kind, Turn};
pub(crate) use self::unsealed::{Services, Unsealed};
pub(crate) use self::upkeep::KEY_AGE_MAX;
