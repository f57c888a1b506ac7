//! A certificate as far as a decision rests on it: its bytes and its life.

use base64::Engine;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Certificates read from one text; a bundle holds at most a handful.
const READ_MAX: usize = 16;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Certificate {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) der: Vec<u8>,
}

impl Certificate {
    /// Those in a PEM text, in order; what cannot be read is left out and so counts as absent.
    pub(super) fn read(pem: &str) -> Vec<Self> {
        let mut all = Vec::new();
        for part in pem.split(BEGIN).skip(1).take(READ_MAX) {
            let Some((body, _)) = part.split_once(END) else { continue };
            let body: String = body.split_whitespace().collect();
            let der = base64::engine::general_purpose::STANDARD.decode(body).ok();
            all.extend(der.and_then(Self::of_der));
        }
        all
    }

    fn of_der(der: Vec<u8>) -> Option<Self> {
        let (from, until) = life(&der)?;
        Some(Self { from, until, der })
    }

    pub(super) fn pem(&self) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(&self.der);
        let mut pem = format!("{BEGIN}\n");
        for (at, character) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str(&format!("\n{END}\n"));
        pem
    }

    pub(super) fn fingerprint(&self) -> String {
        Sha256::digest(&self.der).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Whether it is valid by the clock.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// When it is to be renewed: at two thirds of its life.
    pub(super) fn due(&self) -> Timestamp {
        let life = self.until.duration_since(self.from);
        let third = SignedDuration::from_secs(life.as_secs() / 3);
        self.until.checked_sub(third).unwrap_or(self.from)
    }
}

/// notBefore and notAfter (RFC 5280, 4.1): version, serial, signature and issuer come before them.
fn life(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate, _) = element(der).filter(|e| e.0 == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|e| e.0 == SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|e| e.0 == SEQUENCE)?;
    let (kind, from, rest) = element(validity)?;
    let from = time(kind, from)?;
    let (kind, until, _) = element(rest)?;
    Some((from, time(kind, until)?))
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Tag, content and what follows of the first element of DER.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn time(tag: u8, content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let text = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // RFC 5280, 4.1.2.5.1: from 50 on it is the last century.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => return None,
    };
    if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (date, clock) = text.split_at(8);
    let date = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    format!("{date}T{}:{}:{}Z", &clock[..2], &clock[2..4], &clock[4..]).parse().ok()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn times_of_both_kinds_are_read_and_others_refused() {
        let read = |tag, text: &str| time(tag, text.as_bytes()).map(|t| t.to_string());
        assert_eq!(read(UTC_TIME, "260102030405Z").as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(read(UTC_TIME, "500102030405Z").as_deref(), Some("1950-01-02T03:04:05Z"));
        assert_eq!(
            read(GENERALIZED_TIME, "20600102030405Z").as_deref(),
            Some("2060-01-02T03:04:05Z")
        );
        for bad in ["", "2601020304Z", "260102030405", "26010203040xZ", "261302030405Z"] {
            assert_eq!(read(UTC_TIME, bad), None, "{bad}");
        }
    }

    #[test]
    fn cut_off_bytes_are_no_certificate() {
        assert!(
            Certificate::read("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")
                .is_empty()
        );
        assert!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
        assert!(element(&[0x30]).is_none() && element(&[]).is_none());
    }
}
