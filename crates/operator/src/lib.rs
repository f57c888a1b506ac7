//! The reconcile kit: what every component is made with, so that a controller is `reconcile(object, context) -> Action`
//! and its wiring.
//!
//! ```text
//! context            identity, API server, authority, signal to stop
//! object_watch       watches and controllers that survive a broken watch    watch_error  what broke them, in words
//! watch_one          one object by its name                                 cache_sync   waiting for a first listing
//! backoff            growing pauses, object by object                       startup      waiting before the work begins
//! guarded            a panic is the failure of one object
//! api_error          what the API server refused, and its category          error        why a reconcile ended early
//! write              field manager, conditions, status writes               changed_only what says something new
//! events             Kubernetes Events, with series and bounds
//! wiped_secret       a Secret whose values are wiped                        admission    policies in force before the start
//! lease/             leader election                                        crd_check/   definitions as this release knows them
//! ledger             the writer of a hash chain                             ledger_heads where it ends, for all to see
//! published_head     where it was last said to end
//! trusted_authority  where a token may be shown                             circuit      how many wait for one server
//! ```
//!
//! Nothing here knows a component.

pub mod admission;
pub mod api_error;
pub mod backoff;
pub mod cache_sync;
pub mod changed_only;
pub mod circuit;
pub mod context;
pub mod crd_check;
pub mod error;
pub mod events;
pub mod guarded;
pub mod lease;
pub mod ledger;
pub mod ledger_heads;
pub mod object_watch;
pub mod published_head;
pub mod startup;
pub mod store_index;
pub mod trusted_authority;
pub mod watch_error;
pub mod watch_one;
pub mod wiped_secret;
pub mod write;

pub use context::{Context, Endpoints, Shutdown};
