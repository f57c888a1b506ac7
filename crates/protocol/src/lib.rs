//! The protocols of `regent` as pure step functions `(record, observation, now) → step`
//! (PROTOCOLS.md).
//!
//! ```text
//! session       holds a record while a protocol is followed; drivers use this alone
//! knowledge     what it knows after its own deeds    freshness  what it looks at before an effect
//! protocol      which protocol, its needs, its step  policy     drift and change of the rotation policy
//! handover  generate  derived   how a secret enters the authority (§4); introduce: what they share
//! rotation/     create, set, test, promote, await, revoke, close (§5)
//! adopt         a secret that was there before       decide     what people decide
//! step          Persist | Do(Effect) | End(Outcome)  outcome    Done | Covered | Waiting | Blocked | Failed
//! stored        what lies at a record's place, understood or left alone
//! record        what regent/record/{path} says       observation, needs  what is known, and must be
//! hmac          the only form in which a value is compared outside the authority (§1.8)
//! ledger        hash-chained events (§8)             reason     why, as one closed list
//! invariants/   the guarantees as predicates over a snapshot (§4, §5, §10)
//! ```
//!
//! Imports point down this list only.
//!
//! **Architecture invariant `protocol-no-io`:** no socket, file, clock or randomness: time, run
//! ids and everything seen are arguments, so that the code which runs is the code which is
//! explored.

pub mod adopt;
pub mod decide;
pub mod derived;
pub mod freshness;
pub mod generate;
pub mod handover;
pub mod hmac;
mod introduce;
pub mod invariants;
mod knowledge;
pub mod ledger;
pub mod needs;
pub mod observation;
pub mod outcome;
pub mod policy;
mod protocol;
pub mod reason;
pub mod record;
pub mod rotation;
pub mod session;
pub mod step;
mod stored;

#[cfg(test)]
mod explore;
#[cfg(test)]
mod fixture;

pub use decide::Decision;
pub use hmac::{HmacKey, secret_hmac};
pub use needs::Needs;
pub use observation::Observation;
pub use outcome::{Decider, Outcome};
pub use policy::is_as_recorded;
pub use protocol::{Protocol, needs, step};
pub use reason::Reason;
pub use record::Record;
pub use session::{Next, Session};
pub use step::{Answer, Effect, Step};
pub use stored::{NotUnderstood, Stored};
