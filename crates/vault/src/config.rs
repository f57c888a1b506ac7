//! Where an authority is, and which certificates are trusted there.

use std::path::PathBuf;
use std::time::Duration;

/// Where an authority answers.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://HOST:PORT`, or `http://` on a loopback address.
    pub address: String,
    /// CA certificates trusted for https, PEM. Beside those of [`Config::ca_file`] no others are.
    pub ca_pem: Option<Vec<u8>>,
    /// A file of CA certificates, read again while the client is in use: it may come late, and a renewed CA needs
    /// no new client.
    pub ca_file: Option<PathBuf>,
    /// Longest that one request may take, answer included.
    pub deadline: Duration,
}
