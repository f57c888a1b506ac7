//! What an authority is started with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::reviewer::TokenReviewer;

/// Where the authority keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// One file, made with mode 0600 if absent. Locked while open.
    File(PathBuf),
    /// In memory: gone when the authority is.
    Memory,
}

/// Where the audit log goes. It is on from the first request; a request that it does not take is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audit {
    /// JSON lines appended to this file, made with mode 0600 if absent.
    File(PathBuf),
    /// JSON lines on standard output, for whoever collects a container's.
    Stdout,
    /// The newest lines, in memory: see [`crate::Authority::audit_lines`].
    Memory,
}

/// Tells the time. Tests bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The operating system's clock: not monotonic, follows corrections.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// A clock of one's own.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What an authority is started with.
#[derive(Clone)]
pub struct Options {
    /// Where the data lies; a file is locked as long as the authority is open.
    pub storage: Storage,
    /// Where each request is noted before it is answered.
    pub audit: Audit,
    /// Asks Kubernetes who a token belongs to.
    pub reviewer: Arc<dyn TokenReviewer>,
    /// Version said in health and status. Clients gate features on it: it names the Vault API
    /// level.
    pub version: String,
    /// Source of all times: of leases, versions, audit lines.
    pub clock: Clock,
    /// Where and how often snapshots are taken; `None`: nowhere.
    pub snapshots: Option<SnapshotOptions>,
}

/// Where and how often snapshots are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Directory that they lie in, outside the authority's own volume. It must be there.
    pub directory: PathBuf,
    /// Folder for restores on trial, made when it is needed: room for one more data file. What is in it is removed.
    pub scratch: PathBuf,
    /// From the beginning of one to the beginning of the next.
    pub interval: Duration,
    /// How many good ones of the schedule stay.
    pub keep: usize,
}

impl Options {
    /// Options with the default version and the system's clock.
    pub fn new(storage: Storage, audit: Audit, reviewer: Arc<dyn TokenReviewer>) -> Self {
        let version = concat!("1.15.0+regent.", env!("CARGO_PKG_VERSION")).to_owned();
        Self { storage, audit, reviewer, version, clock: Clock::system(), snapshots: None }
    }
}
