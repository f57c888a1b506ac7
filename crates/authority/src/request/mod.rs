//! The request model: what every layer above storage speaks of.
//!
//! ```text
//! http ─ Request (whole path, token) ─▶ pipeline ─ Call (path below the mount, Caller) ─▶ engine
//!                                                                              Reply ◀─┘
//! ```
//!
//! It knows no HTTP and nothing that answers: policies, audit, stores and engines import it, it
//! imports errors and wiped JSON alone.

mod call;
mod caller;
pub(crate) mod duration;
pub(crate) mod fields;
mod operation;
pub(crate) mod schema;
mod weak;

pub(crate) use self::call::{Call, Request};
pub(crate) use self::caller::Caller;
pub(crate) use self::operation::Operation;
