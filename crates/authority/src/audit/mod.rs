//! The audit log: one JSON line before an effect, one after it, no value in either.
//!
//! ```text
//! Subject (who, what) ─ Entries + Data          ─▶ line ─▶ Device ─▶ Sink
//!                               + Result<Reply> ─▶ line ─▶ Device ─▶ Sink   not taken: 500
//! ```
//!
//! Strings and numbers in data, tokens and accessors appear as HMAC-SHA-256 under a key that only
//! the barrier holds, so that equal values can be matched and none can be read. Map keys, paths,
//! policies stay clear. While sealed there is no such key: those entries carry no data at all.
//!
//! A device that hangs refuses requests within [`device::DEADLINE`]; it holds up nothing else.

mod device;
mod entry;
mod sink;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{ApiError, InternalCause};
use crate::options::Audit;
use device::{Device, DeviceError};
pub(crate) use entry::{Entries, Salt, Subject};
use sink::Sink;

pub(crate) struct AuditLog {
    device: Device,
    /// Type and place, as `sys/audit` names them.
    place: (&'static str, String),
    /// Whether the last line was refused.
    fails: AtomicBool,
}

impl AuditLog {
    /// Opens the device. Fails if its file cannot be opened for appending.
    pub(crate) fn open(audit: &Audit) -> std::io::Result<Self> {
        let place = match audit {
            Audit::File(path) => ("file", path.display().to_string()),
            Audit::Stdout => ("file", "stdout".to_owned()),
            Audit::Memory => ("memory", String::new()),
        };
        Self::over(Sink::open(audit)?, place)
    }

    fn over(sink: Sink, place: (&'static str, String)) -> std::io::Result<Self> {
        Ok(Self { device: Device::new(sink)?, place, fails: AtomicBool::new(false) })
    }

    /// What `sys/audit` says of it.
    pub(crate) fn describe(&self) -> (&'static str, String) {
        self.place.clone()
    }

    /// Whether the last line that was to be written was taken.
    pub(crate) fn is_taking(&self) -> bool {
        !self.fails.load(Ordering::Relaxed)
    }

    /// Returns when all that is pending of `entries` is written. If it is not, what it says must not
    /// happen, or its answer must not leave (500).
    pub(crate) async fn append(&self, entries: &mut Entries<'_>) -> Result<(), ApiError> {
        let result = self.device.append(entries.take()).await;
        let failed_before = self.fails.swap(result.is_err(), Ordering::Relaxed);
        result.map_err(|error| {
            // Told once, not by every stranger who asks meanwhile.
            if !failed_before {
                tell(&error);
            }
            ApiError::Internal(InternalCause::Audit)
        })
    }

    /// Opens the log's file anew, as after it was moved away. Says whether it could be; if not, the
    /// old one stays in use.
    pub(crate) async fn reopen(&self) -> bool {
        self.device.reopen().await.inspect_err(tell).is_ok()
    }

    /// The newest lines of a memory device.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.device.lines()
    }
}

fn tell(error: &DeviceError) {
    tracing::error!(
        component = "authority",
        error = error as &dyn std::error::Error,
        "the audit log takes no entries; requests are refused until it does"
    );
}
