//! Private halves: age identities and identity files.

use std::fmt;

use age::secrecy::ExposeSecret;
use regent_types::Sensitive;

use super::{IDENTITIES_MAX, IDENTITY_FILE_BYTES_MAX};
use crate::Error;

/// A fresh key pair.
#[derive(Debug)]
pub struct NewIdentity {
    /// The private key, `AGE-SECRET-KEY-1…`.
    pub identity: Sensitive<String>,
    /// The public key that belongs to it, `age1…`.
    pub recipient: String,
}

/// Makes a fresh X25519 key pair from the operating system's randomness.
#[must_use]
pub fn generate() -> NewIdentity {
    let identity = age::x25519::Identity::generate();
    let text = identity.to_string();
    NewIdentity {
        identity: Sensitive::new(text.expose_secret().to_owned()),
        recipient: identity.to_public().to_string(),
    }
}

/// The text of an identity file with these identities, as `age-keygen` writes it: for each its
/// comment, `# public key: age1…`, and the key. Line breaks in a comment become blanks.
#[must_use]
pub fn identity_file_text(identities: &[(&str, &NewIdentity)]) -> Sensitive<String> {
    // Sized up front, so that growing leaves no copy of a key behind.
    let bytes: usize = identities.iter().map(|(comment, _)| comment.len() + 256).sum();
    let mut text = String::with_capacity(bytes);
    for (comment, new) in identities {
        for line in comment.lines().filter(|line| !line.trim().is_empty()) {
            text.push_str("# ");
            text.push_str(line.trim());
            text.push('\n');
        }
        text.push_str("# public key: ");
        text.push_str(&new.recipient);
        text.push('\n');
        text.push_str(new.identity.expose());
        text.push('\n');
    }
    Sensitive::new(text)
}

#[derive(Clone)]
pub(crate) struct HeldIdentity {
    pub(crate) identity: age::x25519::Identity,
    pub(crate) recipient: String,
}

/// The identities at hand. `Debug` shows their recipients only.
#[derive(Clone, Default)]
pub struct Identities {
    held: Vec<HeldIdentity>,
}

impl Identities {
    /// Reads an age identity file: blank lines, `#` comments and `AGE-SECRET-KEY-1…` lines. The
    /// same identity twice counts once.
    ///
    /// # Errors
    /// `BadIdentity` with the line's number (never its text), `NoIdentity`, `TooLarge`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > IDENTITY_FILE_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "the identity file",
                limit: IDENTITY_FILE_BYTES_MAX,
            });
        }
        let mut held: Vec<HeldIdentity> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity: age::x25519::Identity =
                line.parse().map_err(|_| Error::BadIdentity { line: index + 1 })?;
            let recipient = identity.to_public().to_string();
            if held.iter().any(|other| other.recipient == recipient) {
                continue;
            }
            if held.len() == IDENTITIES_MAX {
                return Err(Error::TooLarge { what: "the identity file", limit: IDENTITIES_MAX });
            }
            held.push(HeldIdentity { identity, recipient });
        }
        if held.is_empty() {
            return Err(Error::NoIdentity);
        }
        Ok(Self { held })
    }

    /// The recipients of these identities, in the file's order.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        self.held.iter().map(|held| held.recipient.clone()).collect()
    }

    /// How many identities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none (after [`Self::only`] or [`Self::without`]).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Each identity on its own, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = Self> + '_ {
        self.held.iter().map(|held| Self { held: vec![held.clone()] })
    }

    /// Those whose recipient is listed.
    #[must_use]
    pub fn only<S: AsRef<str>>(&self, recipients: &[S]) -> Self {
        self.subset(|recipient| recipients.iter().any(|one| one.as_ref() == recipient))
    }

    /// Those whose recipient is not listed.
    #[must_use]
    pub fn without<S: AsRef<str>>(&self, recipients: &[S]) -> Self {
        self.subset(|recipient| !recipients.iter().any(|one| one.as_ref() == recipient))
    }

    fn subset(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self { held: self.held.iter().filter(|held| keep(&held.recipient)).cloned().collect() }
    }

    pub(crate) fn held(&self) -> &[HeldIdentity] {
        &self.held
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.recipients()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_file_reads_back_with_its_recipients() {
        let (a, b) = (generate(), generate());
        let text = identity_file_text(&[("alice\n2026", &a), ("", &b)]);
        let read = Identities::parse(&text.expose().replace('\n', "\r\n")).unwrap();
        assert_eq!(read.recipients(), [a.recipient.clone(), b.recipient.clone()]);
        assert_eq!(read.only(&[&b.recipient]).recipients(), std::slice::from_ref(&b.recipient));
        assert_eq!(read.without(&[&b.recipient]).recipients(), [a.recipient]);
        assert_eq!(read.iter().map(|one| one.len()).collect::<Vec<_>>(), [1, 1]);
        assert!(text.expose().starts_with("# alice\n# 2026\n# public key: age1"));
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_never_shown() {
        let planted = "AGE-SECRET-KEY-1PLANTEDVALUE";
        let error = Identities::parse(&format!("# x\n\n{planted}\n")).unwrap_err();
        assert_eq!(error, Error::BadIdentity { line: 3 });
        assert!(!format!("{error} {error:?}").contains("PLANTED"));
        assert_eq!(Identities::parse("# only a comment\n").unwrap_err(), Error::NoIdentity);
        let large = "#".repeat(IDENTITY_FILE_BYTES_MAX + 1);
        assert!(matches!(Identities::parse(&large), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn debug_shows_recipients_only() {
        let new = generate();
        let read = Identities::parse(new.identity.expose()).unwrap();
        let shown = format!("{read:?} {new:?}");
        assert!(shown.contains(&new.recipient) && !shown.contains("SECRET"));
    }
}
