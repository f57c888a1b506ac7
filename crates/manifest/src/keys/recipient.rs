//! Public halves: age X25519 recipients.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// An age X25519 recipient, `age1…`, in its canonical spelling.
#[derive(Clone)]
pub struct Recipient {
    key: age::x25519::Recipient,
    text: String,
}

impl Recipient {
    /// Parses `age1…`.
    ///
    /// # Errors
    /// `BadRecipient`; the text is shown only if it looks public (someone may paste a private key).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let key: age::x25519::Recipient =
            text.parse().map_err(|_| Error::BadRecipient { shown: show(text) })?;
        Ok(Self { text: key.to_string(), key })
    }

    /// The public key as text, `age1…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn key(&self) -> &age::x25519::Recipient {
        &self.key
    }
}

fn show(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 80;
    let public = text.starts_with("age1") && text.is_ascii() && text.len() <= SHOWN_BYTES_MAX;
    if public { text.to_owned() } else { "(text not shown)".to_owned() }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_given_as_recipient_is_refused_without_being_shown() {
        let new = crate::keys::generate();
        let error = Recipient::parse(new.identity.expose()).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("SECRET-KEY"));
        assert_eq!(Recipient::parse(&new.recipient).unwrap().as_str(), new.recipient);
    }
}
