//! Makes keys and certificates: ECDSA P-256, names of the authority only.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use regent_types::Sensitive;
use zeroize::Zeroizing;

use crate::warden::Error;

/// Every name that the authority answers to.
pub(super) const NAMES: [&str; 7] = [
    "regent-authority.regent-system.svc",
    "regent-authority.regent-system.svc.cluster.local",
    "regent-authority.regent-system",
    "regent-authority",
    "localhost",
    "127.0.0.1",
    "::1",
];
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
/// Life of the CA: ten years, leap days left out.
const CA_LIFE_S: u64 = 3_650 * DAY_S;
/// Life of the serving certificate.
const SERVING_LIFE_S: u64 = 30 * DAY_S;
/// Valid from this long ago, for clocks that are behind.
const BACKDATED_S: u64 = HOUR_S;

/// A certificate and its key, both PEM.
pub(super) struct Made {
    pub(super) certificate: String,
    pub(super) key: Sensitive<Vec<u8>>,
}

pub(super) fn authority(now: Timestamp) -> Result<Made, Error> {
    let make = || {
        let key = KeyPair::generate()?;
        let certificate = lasting(ca()?, now, CA_LIFE_S).self_signed(&key)?;
        Ok(Made { certificate: certificate.pem(), key: sensitive(&key) })
    };
    make().map_err(failed("a CA"))
}

/// A serving certificate, signed with the CA key `key`.
pub(super) fn serving(key: &Sensitive<Vec<u8>>, now: Timestamp) -> Result<Made, Error> {
    for_names(key, &NAMES, now)
}

/// A serving certificate for `names`. Of other names than [`NAMES`] nobody accepts it: the CA is constrained.
pub(super) fn for_names(
    key: &Sensitive<Vec<u8>>,
    names: &[&str],
    now: Timestamp,
) -> Result<Made, Error> {
    let make = || {
        let text = std::str::from_utf8(key.expose()).unwrap_or_default();
        // Of the issuer's certificate only its name and key are used, and the name is constant.
        let issuer = Issuer::new(ca()?, KeyPair::from_pem(text)?);
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = named("regent-authority");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = lasting(params, now, SERVING_LIFE_S).signed_by(&key, &issuer)?;
        Ok(Made { certificate: certificate.pem(), key: sensitive(&key) })
    };
    make().map_err(failed("a serving certificate"))
}

/// The CA's certificate but for its life: it may sign for [`NAMES`], and no further CA.
fn ca() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named("regent authority CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let permitted = NAMES.iter().map(|name| match name.parse() {
        Ok(IpAddr::V4(ip)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(ip.octets(), 32))
        }
        Ok(IpAddr::V6(ip)) => subnet(ip),
        Err(_) => GeneralSubtree::DnsName((*name).to_owned()),
    });
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted.collect(),
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn subnet(ip: Ipv6Addr) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(ip.octets(), 128))
}

fn named(common: &str) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn lasting(mut params: CertificateParams, now: Timestamp, life_s: u64) -> CertificateParams {
    let from_s = u64::try_from(now.as_second()).unwrap_or_default().saturating_sub(BACKDATED_S);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(from_s);
    params.not_after = epoch + Duration::from_secs(from_s + life_s);
    params
}

fn sensitive(key: &KeyPair) -> Sensitive<Vec<u8>> {
    let text = Zeroizing::new(key.serialize_pem());
    Sensitive::new(text.as_bytes().to_vec())
}

fn failed(what: &'static str) -> impl FnOnce(rcgen::Error) -> Error {
    // Its errors name what could not be made or read, never a key.
    move |error| Error::Certificate { what, detail: error.to_string() }
}
