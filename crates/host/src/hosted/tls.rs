//! The serving certificate: awaited, read, and read anew while it is in use.
//!
//! A look is two small reads, so that it sees whatever way the files change (a kubelet swaps a symbolic link). A pair
//! that cannot be served is reported once and refused; the one in use stays. Connections that are open go on under
//! the certificate that they began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use regent_types::Sensitive;
use regent_vault::read_if_there;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at while they are in use; a 30-day certificate is renewed ten days before its end.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// First pause while they are awaited, doubled up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_millis(250);
/// Longest pause while they are awaited.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest file read: a chain of certificates is a few KiB.
const FILE_LEN_MAX: u64 = 256 * 1024;

/// SHA-256 over both files.
type Digest = [u8; 32];

/// The pair in use.
pub struct Certificates {
    folder: PathBuf,
    config: RustlsConfig,
    in_use: Digest,
    /// The last one that was reported and refused.
    refused: Option<Digest>,
}

/// What reading the files again came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reload {
    /// As before, or not there: what is in use stays.
    Same,
    /// New connections see the new one.
    Renewed,
    /// There is another pair, and it cannot be served.
    Refused,
}

/// What lies in the folder.
enum CertificateFiles {
    Absent,
    Broken(Option<Digest>, String),
    Good(Digest, Arc<rustls::ServerConfig>),
}

impl Certificates {
    /// Waits until `folder` holds a pair that can be served.
    pub async fn wait(folder: &Path) -> Self {
        let (mut pause, mut told) = (WAIT_MIN, None);
        loop {
            let problem = match find(folder) {
                CertificateFiles::Good(in_use, config) => {
                    let config = RustlsConfig::from_config(config);
                    return Self { folder: folder.to_owned(), config, in_use, refused: None };
                }
                CertificateFiles::Absent => "tls.crt and tls.key are not there yet".to_owned(),
                CertificateFiles::Broken(_, problem) => problem,
            };
            if told.as_ref() != Some(&problem) {
                tracing::warn!(folder = %folder.display(), problem, "waits for a certificate to serve with");
                told = Some(problem);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(WAIT_MAX);
        }
    }

    /// What the server is configured with; it follows every renewal.
    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Looks at the files for as long as it is polled.
    pub async fn keep(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.reload();
        }
    }

    /// Looks at the files once.
    pub fn reload(&mut self) -> Reload {
        match find(&self.folder) {
            CertificateFiles::Good(digest, config) if digest != self.in_use => {
                self.config.reload_from_config(config);
                (self.in_use, self.refused) = (digest, None);
                tracing::info!(folder = %self.folder.display(), "serves with a new certificate");
                Reload::Renewed
            }
            CertificateFiles::Broken(digest, problem) => {
                if digest.is_none() || self.refused != digest {
                    let folder = self.folder.display();
                    tracing::error!(%folder, problem, "a new certificate was refused; the old one stays");
                }
                self.refused = digest;
                Reload::Refused
            }
            CertificateFiles::Good(..) | CertificateFiles::Absent => Reload::Same,
        }
    }
}

fn find(folder: &Path) -> CertificateFiles {
    let read = |name: &str| read_if_there(&folder.join(name), FILE_LEN_MAX);
    let (certificate, key) = match (read("tls.crt"), read("tls.key")) {
        (Ok(Some(certificate)), Ok(Some(key))) => (certificate, Sensitive::new(key)),
        (Err(problem), _) | (_, Err(problem)) => return CertificateFiles::Broken(None, problem),
        _ => return CertificateFiles::Absent,
    };
    let mut both = ring::digest::Context::new(&ring::digest::SHA256);
    both.update(&(certificate.len() as u64).to_be_bytes());
    both.update(&certificate);
    both.update(key.expose());
    let mut digest = [0; 32];
    digest.copy_from_slice(both.finish().as_ref());
    match configured(&certificate, &key) {
        Ok(config) => CertificateFiles::Good(digest, Arc::new(config)),
        Err(problem) => CertificateFiles::Broken(Some(digest), problem),
    }
}

/// A server with this chain and key, if they belong together.
fn configured(chain: &[u8], key: &Sensitive<Vec<u8>>) -> Result<rustls::ServerConfig, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|e| format!("tls.crt: {e}"))?;
    // Its error may quote what it read.
    let key = PrivateKeyDer::from_pem_slice(key.expose())
        .map_err(|_| "tls.key: no private key in PEM".to_owned())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| format!("tls.crt and tls.key: {e}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
