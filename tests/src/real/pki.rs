//! Keys and certificates of one control plane; they live as long as it does.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::Error;
use super::options::Controllers;

/// A certificate and its key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Everything that one control plane identifies itself and others with.
pub(super) struct Pki {
    pub(super) ca_pem: String,
    pub(super) serving: Pair,
    pub(super) admin: Pair,
    pub(super) controllers: Pair,
    pub(super) accounts_key: String,
    pub(super) accounts_public: String,
}

impl Pki {
    pub(super) fn make(controllers: Controllers) -> Result<Self, Error> {
        make(controllers)
            .map_err(|e| Error::Crypto { what: "a certificate", detail: e.to_string() })
    }
}

fn make(controllers: Controllers) -> Result<Pki, rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "regent-tests-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let names = ["localhost", "127.0.0.1", "kubernetes.default.svc"].map(str::to_owned);
    let mut serving = CertificateParams::new(names)?;
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Alone, the controller manager needs every right that its controllers' accounts would have.
    let group = match controllers {
        Controllers::OwnAccounts => None,
        Controllers::OneIdentity => Some("system:masters"),
    };
    let accounts = KeyPair::generate()?;
    Ok(Pki {
        ca_pem,
        serving: signed(&serving, &issuer)?,
        admin: client("kubernetes-admin", Some("system:masters"), &issuer)?,
        controllers: client("system:kube-controller-manager", group, &issuer)?,
        accounts_key: accounts.serialize_pem(),
        accounts_public: accounts.public_key_pem(),
    })
}

/// A client certificate: the common name is the user, the organization its group.
fn client(
    user: &str,
    group: Option<&str>,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Pair, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(&params, issuer)
}

fn signed(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}
