//! What the transport loop reports: a condition, when the serving certificate expires, and what was issued.

use jiff::Timestamp;
use regent_api::condition::Verdict;

use super::certificate::Certificate;
use super::plan::{Needed, Observed, Rest};

/// What is known of the certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::warden) struct TransportReport {
    /// Condition `Transport`; `None` where it is none of regent's business.
    pub(in crate::warden) verdict: Option<Verdict>,
    /// When the serving certificate expires.
    pub(in crate::warden) expires: Option<Timestamp>,
    /// What is in force and was issued here.
    pub(in crate::warden) issued: Vec<Issued>,
}

/// A certificate, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::warden) struct Issued {
    /// SHA-256 of it: the same certificate is one event, however often it is told.
    pub(in crate::warden) fingerprint: String,
    /// What it is for and until when.
    pub(in crate::warden) detail: String,
}

impl TransportReport {
    /// From what was seen when there was nothing left to do.
    pub(super) fn of(observed: &Observed, rest: &Rest) -> Self {
        match &observed.needed {
            Needed::Nothing => Self::default(),
            Needed::Own(secret) => {
                let message = format!(
                    "served with Secret {secret}, which a person keeps, as ConfigMap \
                     regent-authority-ca for those who trust it"
                );
                Self { verdict: Some(Verdict::yes("OwnCertificate", message)), ..Self::default() }
            }
            Needed::Ours => {
                let ca = observed.ca.iter().map(|c| ("CA", c));
                let staged = observed.staged.iter().map(|c| ("next CA", c));
                let leaf = observed.leaf.iter().map(|c| ("serving certificate", c));
                Self {
                    verdict: Some(Verdict::yes("Served", until(observed))),
                    expires: rest.expires,
                    issued: ca.chain(staged).chain(leaf).map(|(what, c)| issued(what, c)).collect(),
                }
            }
        }
    }
}

fn until(observed: &Observed) -> String {
    let date = |c: &Option<Certificate>| {
        c.as_ref().map_or("unknown".to_owned(), |c| c.until.strftime("%F").to_string())
    };
    let next = if observed.staged.is_some() { "; its successor is published" } else { "" };
    format!(
        "serving certificate until {}, CA until {}{next}",
        date(&observed.leaf),
        date(&observed.ca)
    )
}

fn issued(what: &str, certificate: &Certificate) -> Issued {
    let detail = format!("{what} until {}", certificate.until);
    Issued { fingerprint: certificate.fingerprint(), detail }
}
