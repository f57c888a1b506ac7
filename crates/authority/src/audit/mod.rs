//! The audit log: one JSON line before an effect, one after it, no value in either.
//!
//! ```text
//! Subject (who, what) + Data ── entry::request  ─▶ line ─▶ Device
//! Subject + Result<Reply>    ── entry::response ─▶ line ─▶ Device   a line not taken: 500
//! ```
//!
//! Strings and numbers in data, tokens and accessors appear as HMAC-SHA-256 under a key that only
//! the barrier holds, so that equal values can be matched and none can be read. Map keys, paths,
//! policies stay clear. While sealed there is no such key: those entries carry no data at all.

mod device;
mod entry;

use crate::error::{ApiError, InternalCause};
use crate::options::Audit;
use crate::reply::Reply;
use crate::wipe::Data;
use device::Device;
pub(crate) use entry::{Salt, Subject};

pub(crate) struct AuditLog {
    device: Device,
}

impl AuditLog {
    /// Opens the device. Fails if its file cannot be opened for appending.
    pub(crate) fn open(audit: &Audit) -> std::io::Result<Self> {
        Ok(Self { device: Device::open(audit)? })
    }

    /// What `sys/audit` says of it.
    pub(crate) fn describe(&self) -> (&'static str, String) {
        self.device.describe()
    }

    /// Notes a request before its effect; `data` is left out while there is no salt.
    pub(crate) fn request(
        &self,
        salt: Option<&Salt>,
        subject: &Subject<'_>,
        data: &Data,
        error: Option<&ApiError>,
    ) -> Result<(), ApiError> {
        self.append(&entry::request(salt, subject, data, error))
    }

    /// Notes how it went. If the line is not taken, the answer must not leave (500).
    pub(crate) fn response(
        &self,
        salt: Option<&Salt>,
        subject: &Subject<'_>,
        result: &Result<Reply, ApiError>,
    ) -> Result<(), ApiError> {
        self.append(&entry::response(salt, subject, result))
    }

    /// The newest lines of a memory device.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.device.lines()
    }

    fn append(&self, entry: &serde_json::Value) -> Result<(), ApiError> {
        self.device.append(&format!("{entry}\n")).map_err(|error| {
            tracing::error!(
                component = "authority",
                error = &error as &dyn std::error::Error,
                "audit entry not written"
            );
            ApiError::Internal(InternalCause::Audit)
        })
    }
}
