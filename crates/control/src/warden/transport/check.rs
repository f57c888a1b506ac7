//! Whether a key belongs to a certificate, and whether clients accept what is served. No IO.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regent_types::Sensitive;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::issue::NAMES;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Whether `key`, PEM, is the key of `certificate`.
pub(super) fn belongs(certificate: &Certificate, key: &Sensitive<Vec<u8>>) -> bool {
    let Ok(key) = PrivateKeyDer::from_pem_slice(key.expose()) else { return false };
    let chain = vec![CertificateDer::from(certificate.der.clone())];
    CertifiedKey::from_der(chain, key, &provider()).is_ok()
}

/// Whether a client that trusts `anchors` accepts `leaf` now, under every name of the authority.
pub(super) fn accepted(leaf: &Certificate, anchors: &[Certificate], now: Timestamp) -> bool {
    accepted_as(&NAMES, leaf, anchors, now)
}

fn accepted_as(
    names: &[&str],
    leaf: &Certificate,
    anchors: &[Certificate],
    now: Timestamp,
) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    let (_added, _unfit) = roots
        .add_parsable_certificates(anchors.iter().map(|a| CertificateDer::from(a.der.clone())));
    // Fails where there are no roots: then nobody accepts anything.
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let Ok(verifier) = verifier else { return false };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(now.as_second()).unwrap_or_default(),
    ));
    let leaf = CertificateDer::from(leaf.der.as_slice());
    names.iter().all(|name| {
        let name = ServerName::try_from(*name);
        name.is_ok_and(|name| verifier.verify_server_cert(&leaf, &[], &name, &[], now).is_ok())
    })
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::warden::transport::issue::{authority, for_names};

    /// C7-1: whoever steals the CA key can play the authority and nobody else.
    #[test]
    fn the_ca_vouches_for_no_other_name() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let ca = authority(now).unwrap();
        let anchor = Certificate::read(&ca.certificate);
        let accepted = |name: &str| {
            let made = for_names(&ca.key, &[name], now).unwrap();
            let leaf = Certificate::read(&made.certificate).remove(0);
            assert!(belongs(&leaf, &made.key) && !belongs(&leaf, &ca.key));
            accepted_as(&[name], &leaf, &anchor, now)
        };
        assert!(NAMES.iter().all(|name| accepted(name)));
        for other in ["kubernetes.default.svc", "regent-system.svc", "example.com", "10.0.0.1"] {
            assert!(!accepted(other), "{other}");
        }
    }
}
