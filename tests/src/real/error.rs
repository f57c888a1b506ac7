//! Why a real control plane could not be started.

use std::path::PathBuf;
use std::time::Duration;

use regent_types::{Advice, Explain};

/// Why a real control plane could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The binaries were not built: the worlds that need them are to be skipped.
    #[error("{} is not there", path.display())]
    Absent {
        /// What was looked for.
        path: PathBuf,
    },
    /// A file, folder or process could not be made.
    #[error("cannot make {what}")]
    Io {
        /// What was to be made.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key, certificate or configuration could not be made.
    #[error("cannot make {what}: {detail}")]
    Crypto {
        /// What was to be made.
        what: &'static str,
        /// What the library said.
        detail: String,
    },
    /// No client could be made.
    #[error("cannot make a client")]
    Client {
        /// What the kube client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A process ended that should run.
    #[error("{what} ended by itself: {log}")]
    Ended {
        /// Name of the process.
        what: &'static str,
        /// The end of its log.
        log: String,
    },
    /// It did not become ready in time.
    #[error("the control plane is not ready after {} s: {found}", limit.as_secs())]
    NotReady {
        /// What was seen last.
        found: String,
        /// How long was waited.
        limit: Duration,
    },
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Absent { .. } => "ToolsAbsent",
            Self::Io { .. } => "CannotStart",
            Self::Crypto { .. } => "CryptoFailed",
            Self::Client { .. } => "NoClient",
            Self::Ended { .. } => "ProcessEnded",
            Self::NotReady { .. } => "NotReady",
        }
    }

    fn advice(&self) -> Advice {
        let found = self.to_string();
        match self {
            Self::Absent { .. } => Advice::new(
                "the binaries of a real control plane",
                found,
                "run `cargo xtask tools`, or name their folder in REGENT_TOOLS_BIN",
            ),
            Self::Io { what, source } => {
                Advice::new(*what, source.to_string(), "make room or rights for it, and try again")
            }
            Self::Crypto { what, detail } => {
                Advice::new(*what, detail.clone(), "report this: it does not depend on the machine")
            }
            Self::Client { source } => Advice::new(
                "a client of the control plane's own configuration",
                source.to_string(),
                "report this: it does not depend on the machine",
            ),
            Self::Ended { what, log } => Advice::new(
                format!("{what} running"),
                format!("it ended: {log}"),
                "read its log, quoted here",
            ),
            Self::NotReady { limit, .. } => Advice::new(
                format!("a ready control plane within {} s", limit.as_secs()),
                found,
                "look whether the machine is overloaded, then try again",
            ),
        }
    }
}
