//! The certificates under which the sandbox is reached.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use regent_types::Sensitive;

use crate::Error;

/// The cluster's certificate authority and its serving certificate.
pub(crate) struct CertificateAuthority {
    pub(crate) ca_pem: String,
    /// The serving certificate and the one that signed it, DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// The key of the serving certificate, PKCS #8.
    pub(crate) key: Sensitive<Vec<u8>>,
}

impl CertificateAuthority {
    pub(crate) fn new() -> Result<Self, Error> {
        let fail = |e: rcgen::Error| Error::Crypto { what: "a certificate", detail: e.to_string() };
        let mut ca = CertificateParams::new(Vec::new()).map_err(fail)?;
        ca.distinguished_name.push(DnType::CommonName, "regent-sandbox-ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca_key = KeyPair::generate().map_err(fail)?;
        let ca_cert = ca.self_signed(&ca_key).map_err(fail)?;
        let issuer = Issuer::new(ca, ca_key);
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let serving = CertificateParams::new(names).map_err(fail)?;
        let key = KeyPair::generate().map_err(fail)?;
        let certificate = serving.signed_by(&key, &issuer).map_err(fail)?;
        Ok(Self {
            ca_pem: ca_cert.pem(),
            chain: vec![certificate.der().to_vec(), ca_cert.der().to_vec()],
            key: Sensitive::new(key.serialize_der()),
        })
    }
}
