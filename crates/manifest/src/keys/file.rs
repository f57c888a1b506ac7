//! ASCII-armored age files, <https://c2sp.org/age>.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use regent_types::Sensitive;
use zeroize::Zeroizing;

use super::{Identities, PLAINTEXT_BYTES_MAX, RECIPIENTS_MAX, Recipient};
use crate::Error;

/// Encrypts `plaintext` to all `recipients` as one armored age file, each of whom can open it.
///
/// # Errors
/// `NoRecipients`, `BadRecipient`, `TooLarge`.
pub fn encrypt_to(recipients: &[&str], plaintext: &[u8]) -> Result<String, Error> {
    if recipients.len() > RECIPIENTS_MAX {
        return Err(Error::TooLarge { what: "the list of recipients", limit: RECIPIENTS_MAX });
    }
    if plaintext.len() > PLAINTEXT_BYTES_MAX {
        return Err(Error::TooLarge { what: "the plaintext", limit: PLAINTEXT_BYTES_MAX });
    }
    let parsed: Vec<Recipient> =
        recipients.iter().map(|text| Recipient::parse(text)).collect::<Result<_, _>>()?;
    let keys = parsed.iter().map(|recipient| recipient.key() as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(keys).map_err(|_| Error::NoRecipients)?;
    // Only writing to memory can fail here, and it does not; the error is mapped all the same.
    write_armored(encryptor, plaintext).map_err(|_| Error::BadAgeFile { what: "writing it failed" })
}

fn write_armored(encryptor: age::Encryptor, plaintext: &[u8]) -> std::io::Result<String> {
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armored)?;
    writer.write_all(plaintext)?;
    let bytes = writer.finish()?.finish()?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// Opens an armored age file with whichever of `identities` fits.
///
/// # Errors
/// `WrongIdentity` if none fits, `BadAgeFile` if it was damaged or altered, `TooLarge`.
pub fn decrypt(identities: &Identities, armored: &str) -> Result<Sensitive<Vec<u8>>, Error> {
    // Armor and header cost less than twice the plaintext; more is no file of ours.
    if armored.len() > 2 * PLAINTEXT_BYTES_MAX {
        return Err(Error::TooLarge { what: "the age file", limit: 2 * PLAINTEXT_BYTES_MAX });
    }
    match unwrap_limited(identities, armored, PLAINTEXT_BYTES_MAX) {
        Ok(mut plaintext) => Ok(Sensitive::new(std::mem::take(&mut *plaintext))),
        Err(Refused::NoMatch) => Err(identities.none_fits(Vec::new())),
        Err(Refused::Damaged(what)) => Err(Error::BadAgeFile { what }),
        Err(Refused::TooLarge) => {
            Err(Error::TooLarge { what: "the plaintext", limit: PLAINTEXT_BYTES_MAX })
        }
    }
}

/// Why an age file did not open.
#[derive(Debug)]
pub(crate) enum Refused {
    NoMatch,
    Damaged(&'static str),
    TooLarge,
}

/// Opens an armored age file of at most `limit` bytes of plaintext.
pub(crate) fn unwrap_limited(
    identities: &Identities,
    armored: &str,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let refused = |error: age::DecryptError| match error {
        age::DecryptError::NoMatchingKeys => Refused::NoMatch,
        age::DecryptError::InvalidMac | age::DecryptError::InvalidHeader => {
            Refused::Damaged("its header was altered")
        }
        age::DecryptError::UnknownFormat => Refused::Damaged("its format is unknown"),
        _ => Refused::Damaged("it cannot be read"),
    };
    let reader = ArmoredReader::new(armored.as_bytes());
    let decryptor = age::Decryptor::new_buffered(reader).map_err(refused)?;
    let keys = identities.held().iter().map(|held| &held.identity as &dyn age::Identity);
    let stream = decryptor.decrypt(keys).map_err(refused)?;
    // The plaintext is shorter than its armor: this capacity is never outgrown, so no copy is left.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(armored.len().min(limit) + 32));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    stream
        .take(bound)
        .read_to_end(&mut plaintext)
        .map_err(|_| Refused::Damaged("its body was altered"))?;
    if plaintext.len() > limit { Err(Refused::TooLarge) } else { Ok(plaintext) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;

    #[test]
    fn each_recipient_opens_it_and_no_one_else_does() {
        let (a, b, c) = (generate(), generate(), generate());
        let armored = encrypt_to(&[&a.recipient, &b.recipient], b"share").unwrap();
        assert!(armored.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
        for new in [&a, &b] {
            let ids = Identities::parse(new.identity.expose()).unwrap();
            assert_eq!(decrypt(&ids, &armored).unwrap().expose(), b"share");
        }
        let ids = Identities::parse(c.identity.expose()).unwrap();
        assert_eq!(
            decrypt(&ids, &armored).unwrap_err(),
            Error::WrongIdentity { expected: vec![], held: vec![c.recipient], skipped: vec![] }
        );
    }

    #[test]
    fn a_flipped_byte_anywhere_is_refused() {
        let a = generate();
        let ids = Identities::parse(a.identity.expose()).unwrap();
        let armored = encrypt_to(&[&a.recipient], b"share").unwrap();
        for at in (36..armored.len() - 36).step_by(7) {
            let mut bytes = armored.clone().into_bytes();
            if bytes[at] == b'\n' {
                continue;
            }
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            assert!(altered == armored || decrypt(&ids, &altered).is_err(), "at {at}");
        }
    }

    #[test]
    fn no_recipient_is_an_error() {
        assert_eq!(encrypt_to(&[], b"x").unwrap_err(), Error::NoRecipients);
        assert!(matches!(encrypt_to(&["age1x"], b"x"), Err(Error::BadRecipient { .. })));
    }
}
