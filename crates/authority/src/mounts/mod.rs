//! What answers where: the mount table.
//!
//! Persisted as one record at `core/mounts`; each mount's storage lies under `mount/{uuid}/`, and a
//! uuid is never reused. A removed mount first leaves the table (nothing answers any more), then
//! its records go, in bounded batches; what a crash left over is removed with the next one.

mod mount;
mod table;

pub(crate) use self::mount::{LEASE_TTL_DEFAULT_S, Mount, MountKind};
pub(crate) use self::table::{Mounted, Mounts};
