//! The protocols of `regent` as pure step functions `(record, observation, now) → step`
//! (PROTOCOLS.md).
//!
//! ```text
//! record        what regent/record/{path} says          observation  what a driver saw, fresh
//! step          Persist | Do(Effect) | Wait | Done | Conflict | Held, and the one entry point
//! handover  generate  derived   how a secret enters the authority (§4)
//! rotation/     create, set, test, promote, await, revoke, close (§5)
//! policy        drift and change of the rotation policy (§5)
//! hmac          the only form in which a value is compared outside the authority (§1.8)
//! ledger        hash-chained events (§8)
//! invariants/   the guarantees as predicates over a snapshot (§4, §5, §10)
//! ```
//!
//! **Architecture invariant `protocol-no-io`:** no socket, file, clock or randomness: time, run
//! ids and everything seen are arguments, so that the code which runs is the code which is
//! explored.

pub mod derived;
pub mod generate;
pub mod handover;
pub mod hmac;
mod introduce;
pub mod invariants;
pub mod ledger;
pub mod observation;
pub mod policy;
pub mod reason;
pub mod record;
pub mod rotation;
pub mod step;

#[cfg(test)]
mod explore;
#[cfg(test)]
mod fixture;

pub use hmac::{HmacKey, secret_hmac};
pub use observation::Observation;
pub use reason::Reason;
pub use record::Record;
pub use step::{Effect, Needs, Protocol, Step, needs, step};
