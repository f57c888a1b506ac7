//! Why the sandbox could not start.

use std::net::SocketAddr;

use regent_types::{Advice, Explain};

/// Why the sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken.
    #[error("port {} is in use", addr.port())]
    PortInUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The listener failed for another reason.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate could not be made.
    #[error("cannot make {what}: {detail}")]
    Crypto {
        /// What was to be made: a key, certificate or token.
        what: &'static str,
        /// What the library said.
        detail: String,
    },
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::PortInUse { .. } => "PortInUse",
            Self::Listen { .. } => "CannotListen",
            Self::Crypto { .. } => "CryptoFailed",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::PortInUse { addr } => Advice::new(
                "a free loopback port",
                format!("{addr} is taken by another process"),
                "name another port, or 0 for a free one",
            ),
            Self::Listen { addr, source } => Advice::new(
                "a free loopback port",
                format!("{addr}: {source}"),
                "name another port",
            ),
            Self::Crypto { what, detail } => Advice::new(
                format!("{what} from the system's randomness"),
                detail.clone(),
                "try again",
            ),
        }
    }
}
