//! The authority's configuration as a comparison: the one table in
//! `regent_install::access::authority` against what was read. Pure.
//!
//! ```text
//!   desired   what RuntimeAuthority and the cluster say        judge   what tokens are judged by
//!   live      what was read, what would change it              login   whose the login mount is
//!   changes   what differs, in the order in which it can be changed
//!   join      whether another installation's authority may be joined
//! ```

mod changes;
mod desired;
mod join;
mod judge;
mod live;
mod login;

pub(super) use changes::{audited, changes, reads};
pub(super) use desired::DesiredConfig;
pub(super) use join::joinable;
pub(super) use live::{Change, Conflict, Live};
