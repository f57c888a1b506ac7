//! The authority as its users hold it: opened, served, closed.

use std::sync::Arc;

use crate::http;
use crate::lifecycle::Core;
use crate::open_error::OpenError;
use crate::options::{Options, Storage};
use crate::storage::Backend;

/// An embedded runtime authority. It has one data file and serves through [`Authority::router`].
pub struct Authority {
    pub(crate) core: Arc<Core>,
}

impl Authority {
    /// Opens (or makes) the data file and the audit log. The authority is sealed, or not
    /// initialized yet.
    ///
    /// # Errors
    /// [`OpenError`] says what stood in the way: locked, foreign, damaged or unreadable files.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let backend = match &options.storage {
            Storage::File(path) => Backend::File(path.clone()),
            Storage::Memory => Backend::Memory,
        };
        Self::open_backend(options, backend)
    }

    pub(crate) fn open_backend(options: Options, backend: Backend) -> Result<Self, OpenError> {
        Ok(Self { core: Arc::new(Core::open(options, backend)?) })
    }

    /// The Vault API below `/v1/`. Serve it with
    /// `into_make_service_with_connect_info::<SocketAddr>()` so that the audit log knows where
    /// requests come from.
    pub fn router(&self) -> axum::Router {
        http::router(self.core.clone())
    }

    #[cfg(test)]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Opens the audit log's file anew, as after a log rotation moved it away. Says whether it could
    /// be; if not, the log goes on in the old one.
    pub async fn reopen_audit(&self) -> bool {
        self.core.audit.reopen().await
    }

    /// Takes snapshots as [`Options::snapshots`] says, for ever; ends at once where it says nothing. Dropping it gives up
    /// what is under way, and must come before [`Authority::close`].
    pub fn keep_snapshots(&self) -> impl Future<Output = ()> + Send + 'static {
        let snapshots = self.core.snapshots.clone();
        async move {
            if let Some(snapshots) = snapshots {
                snapshots.keep().await;
            }
        }
    }

    /// The newest lines of an [`crate::Audit::Memory`] log; empty for a file.
    #[must_use]
    pub fn audit_lines(&self) -> Vec<String> {
        self.core.audit.lines()
    }

    /// Seals, commits what is queued and closes the data file; its lock is free when this returns.
    /// Routers of this authority answer 500 or 503 from then on.
    pub async fn close(self) {
        self.core.seal().await;
        self.core.store.close().await;
    }
}
