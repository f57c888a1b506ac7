//! Private halves: age identities and identity files.

use std::fmt;

use age::secrecy::ExposeSecret;
use regent_types::Sensitive;

use super::lines::{Entry, entries};
use super::{IDENTITIES_MAX, IDENTITY_FILE_BYTES_MAX, SKIPPED_MAX};
use crate::Error;
use crate::skipped::Skipped;

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
    skipped: Vec<Skipped>,
}

impl Identities {
    /// Reads an age identity file: blank lines, `#` comments and `AGE-SECRET-KEY-1…` lines. The
    /// same identity twice counts once. Anything else is passed over and named by
    /// [`Self::skipped`]: the identities beside it are as good as before.
    ///
    /// # Errors
    /// `NoIdentity`; `NoUsableIdentity` with what was passed over (never its text); `TooLarge`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > IDENTITY_FILE_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "the identity file",
                limit: IDENTITY_FILE_BYTES_MAX,
            });
        }
        let mut all = Self::default();
        for entry in entries(text) {
            match entry {
                Entry::Skipped(skipped) if all.skipped.len() < SKIPPED_MAX => {
                    all.skipped.push(skipped);
                }
                Entry::Skipped(_) => {}
                Entry::Identity(identity) => all.hold(identity)?,
            }
        }
        match (all.held.is_empty(), all.skipped.is_empty()) {
            (false, _) => Ok(all),
            (true, true) => Err(Error::NoIdentity),
            (true, false) => Err(Error::NoUsableIdentity { skipped: all.skipped }),
        }
    }

    fn hold(&mut self, identity: age::x25519::Identity) -> Result<(), Error> {
        let recipient = identity.to_public().to_string();
        if self.held.iter().any(|other| other.recipient == recipient) {
            return Ok(());
        }
        if self.held.len() == IDENTITIES_MAX {
            return Err(Error::TooLarge { what: "the identity file", limit: IDENTITIES_MAX });
        }
        self.held.push(HeldIdentity { identity, recipient });
        Ok(())
    }

    /// These and those of `other` that are not among them.
    ///
    /// # Errors
    /// `TooLarge` beyond [`IDENTITIES_MAX`].
    pub fn join(mut self, other: Self) -> Result<Self, Error> {
        for held in other.held {
            self.hold(held.identity)?;
        }
        self.skipped.extend(other.skipped);
        self.skipped.truncate(SKIPPED_MAX);
        Ok(self)
    }

    /// What the identity file holds beside these, in its order; at most [`SKIPPED_MAX`].
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// That none of these opened what was sealed to `expected`.
    pub(crate) fn none_fits(&self, expected: Vec<String>) -> Error {
        let skipped = self.skipped.clone();
        Error::WrongIdentity { expected, held: self.recipients(), skipped }
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
        self.held.iter().map(|held| Self { held: vec![held.clone()], skipped: Vec::new() })
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
        let held = self.held.iter().filter(|held| keep(&held.recipient)).cloned().collect();
        Self { held, skipped: self.skipped.clone() }
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
    fn a_file_without_an_identity_is_refused_and_never_shown() {
        let planted = "AGE-SECRET-KEY-1PLANTEDVALUE";
        let error = Identities::parse(&format!("# x\n\n{planted}\n")).unwrap_err();
        let skipped = vec![Skipped { line: 3, what: "a damaged age identity" }];
        assert_eq!(error, Error::NoUsableIdentity { skipped });
        assert!(error.to_string().ends_with(": line 3 is a damaged age identity"), "{error}");
        assert!(!format!("{error} {error:?}").contains("PLANTED"));
        assert_eq!(Identities::parse("# only a comment\n").unwrap_err(), Error::NoIdentity);
        let large = "#".repeat(IDENTITY_FILE_BYTES_MAX + 1);
        assert!(matches!(Identities::parse(&large), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn g05_what_is_no_identity_of_ours_is_passed_over_and_named() {
        let (a, b) = (generate(), generate());
        let (first, second) = (a.identity.expose(), b.identity.expose());
        let pem =
            |name: &str| format!("-----BEGIN {name}-----\nPLANTED\n{second}\n-----END {name}-----");
        let cases = [
            (
                "AGE-SECRET-KEY-PQ-1PLANTED".to_owned(),
                "a post-quantum identity, which regent does not read",
            ),
            (
                "AGE-PLUGIN-YUBIKEY-1PLANTED".to_owned(),
                "the identity of an age plugin, which regent does not run",
            ),
            (pem("OPENSSH PRIVATE KEY"), "an SSH private key, which regent does not read"),
            (pem("RSA PRIVATE KEY"), "an SSH private key, which regent does not read"),
            (pem("AGE ENCRYPTED FILE"), "an identity under a passphrase: decrypt it first"),
            (pem("CERTIFICATE"), "a PEM block"),
            ("ssh-ed25519 PLANTED me@host".to_owned(), "an SSH public key"),
            (b.recipient.clone(), "a recipient and not an identity"),
            (format!("{second}PLANTED"), "a damaged age identity"),
            (format!("{second} {second}"), "a damaged age identity"),
            ("PLANTED".to_owned(), "nothing that regent knows"),
        ];
        for (line, what) in cases {
            for text in [format!("{line}\n{first}\n"), format!("# c\n{first}\n{line}\n# end")] {
                let read = Identities::parse(&text).unwrap();
                let at = if text.starts_with('#') { 3 } else { 1 };
                assert_eq!(read.recipients(), std::slice::from_ref(&a.recipient), "{what}");
                assert_eq!(read.skipped(), [Skipped { line: at, what }]);
                assert!(!format!("{read:?} {:?}", read.skipped()).contains("PLANTED"));
            }
        }
    }

    #[test]
    fn g05_an_identity_with_something_around_it_is_read() {
        let a = generate();
        let key = a.identity.expose();
        for text in [
            format!("\u{feff}{key}\r\n"),
            format!("\u{feff}# comment\n{key}"),
            format!("{key} # laptop"),
            format!("  {key}\t# laptop\n"),
        ] {
            let read = Identities::parse(&text).unwrap();
            assert_eq!(read.recipients(), std::slice::from_ref(&a.recipient), "{text:?}");
            assert!(read.skipped().is_empty());
        }
    }

    #[test]
    fn g05_what_was_passed_over_is_said_where_nothing_opens() {
        let (mine, other) = (generate(), generate());
        let text = format!("AGE-PLUGIN-YUBIKEY-1X\n{}\n", mine.identity.expose());
        let read = Identities::parse(&text).unwrap();
        let armored = crate::keys::encrypt_to(&[&other.recipient], b"x").unwrap();
        let error = crate::keys::decrypt(&read, &armored).unwrap_err();
        let told =
            "(not tried: line 1 is the identity of an age plugin, which regent does not run)";
        assert!(error.to_string().contains(told), "{error}");
        assert!(regent_types::Explain::advice(&error).found.contains(told));
    }

    #[test]
    fn files_are_joined_and_their_limits_hold() {
        let (a, b) = (generate(), generate());
        let parse = |text: &str| Identities::parse(text).unwrap();
        let (one, two) = (parse(a.identity.expose()), parse(b.identity.expose()));
        let both = one.clone().join(two).unwrap().join(one).unwrap();
        assert_eq!(both.recipients(), [a.recipient, b.recipient]);
        let noise = format!("{}{}", "x\n".repeat(1000), a.identity.expose());
        assert_eq!(parse(&noise).skipped().len(), SKIPPED_MAX);
        let many = |n: usize| (0..n).map(|_| format!("{}\n", generate().identity.expose()));
        assert_eq!(parse(&many(IDENTITIES_MAX).collect::<String>()).len(), IDENTITIES_MAX);
        let more = Identities::parse(&many(IDENTITIES_MAX + 1).collect::<String>());
        assert!(matches!(more, Err(Error::TooLarge { .. })));
    }

    #[test]
    fn debug_shows_recipients_only() {
        let new = generate();
        let read = Identities::parse(new.identity.expose()).unwrap();
        let shown = format!("{read:?} {new:?}");
        assert!(shown.contains(&new.recipient) && !shown.contains("SECRET"));
    }
}
