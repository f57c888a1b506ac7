//! From what was read to the data of the Secret: properties, decoding, key names, as ESO does
//! (eso.md §1.3, §1.4). Pure. A message names keys and paths, never a value.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regent_types::{SecretData, Sensitive};
use zeroize::Zeroizing;

use super::request::{Decoding, Deletion, Entry, Place, Request};
use crate::not_ready::NotReady;

/// ESO's reason for any failed sync.
const SYNC_ERROR: &str = "SecretSyncedError";
/// Characters that make a property a GJSON expression rather than a key.
const EXPRESSION: [char; 8] = ['.', '|', '#', '@', '*', '?', '[', '{'];

/// What was read: `None` where there is no secret (never written, deleted, destroyed).
pub(crate) type Reads<'a> = BTreeMap<&'a Place, Option<&'a SecretData>>;

/// The data of the Secret.
#[derive(Debug)]
pub(crate) enum Rendered {
    Data(SecretData),
    /// All sources are gone and the policy says that the Secret goes too.
    Gone,
}

/// Renders `request` from `reads`, which must hold every place it names.
pub(crate) fn render(request: &Request, reads: &Reads<'_>) -> Result<Rendered, NotReady> {
    let mut data = SecretData::new();
    let mut found = false;
    for entry in &request.entries {
        let Some(secret) = reads.get(entry.place()).copied().flatten() else {
            if request.deletion == Deletion::Retain {
                return Err(missing(entry.place()));
            }
            continue;
        };
        found = true;
        match entry {
            Entry::Extract { decoding, .. } => {
                for (key, value) in secret {
                    let key = converted(key)?;
                    let value = decoded(&key, value, *decoding)?;
                    data.insert(key, value);
                }
            }
            Entry::Key { secret_key, place, property, decoding } => {
                let value = match property {
                    Some(property) => picked(secret, place, property)?.duplicate(),
                    None => whole(secret, place)?,
                };
                data.insert(secret_key.clone(), decoded(secret_key, &value, *decoding)?);
            }
        }
    }
    if !found && request.deletion == Deletion::Delete {
        return Ok(Rendered::Gone);
    }
    Ok(Rendered::Data(data))
}

fn missing(place: &Place) -> NotReady {
    let version = place.version.map(|v| format!(" at version {v}")).unwrap_or_default();
    let message =
        format!("the authority holds no value at {}{version}; the Secret is kept", place.path);
    NotReady::until_retry(SYNC_ERROR, message)
}

/// A literal top-level key wins, as in ESO. ESO then tries GJSON; regent says that it does not.
fn picked<'a>(
    secret: &'a SecretData,
    place: &Place,
    property: &str,
) -> Result<&'a Sensitive<Vec<u8>>, NotReady> {
    if let Some(value) = secret.get(property) {
        return Ok(value);
    }
    if property.contains(EXPRESSION) {
        return Err(NotReady::unsupported(&format!(
            "remoteRef.property {property:?} as an expression"
        )));
    }
    let message = format!("{} has no property {property:?}; the Secret is kept", place.path);
    Err(NotReady::until_retry(SYNC_ERROR, message))
}

/// The whole secret as compact JSON with sorted keys and Go's HTML escapes.
fn whole(secret: &SecretData, place: &Place) -> Result<Sensitive<Vec<u8>>, NotReady> {
    let odd = |key: &str| {
        let message = format!("property {key:?} of {} is not text; name the property", place.path);
        NotReady::until_retry(SYNC_ERROR, message)
    };
    let mut json = Zeroizing::new(Vec::with_capacity(capacity(secret)));
    json.push(b'{');
    for (index, (key, value)) in secret.iter().enumerate() {
        let text = std::str::from_utf8(value.expose()).map_err(|_| odd(key))?;
        if index > 0 {
            json.push(b',');
        }
        quoted(&mut json, key);
        json.push(b':');
        quoted(&mut json, text);
    }
    json.push(b'}');
    Ok(Sensitive::new(std::mem::take(&mut *json)))
}

/// Room for the JSON, so that growing leaves no copy of a part behind: a byte becomes six at most.
fn capacity(secret: &SecretData) -> usize {
    secret.iter().map(|(k, v)| 6 * (k.len() + v.expose().len()) + 6).sum::<usize>() + 2
}

fn quoted(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    for c in text.chars() {
        match c {
            '"' => json.extend(b"\\\""),
            '\\' => json.extend(b"\\\\"),
            '\n' => json.extend(b"\\n"),
            '\r' => json.extend(b"\\r"),
            '\t' => json.extend(b"\\t"),
            '\u{8}' => json.extend(b"\\b"),
            '\u{c}' => json.extend(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                json.extend(format!("\\u{:04x}", u32::from(c)).into_bytes());
            }
            other => json.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    json.push(b'"');
}

/// ESO's `Default` conversion: each character that a Secret's key may not hold becomes `_`.
fn converted(key: &str) -> Result<String, NotReady> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let key: String = key.chars().map(|c| if fine(c) { c } else { '_' }).collect();
    if key.is_empty() || key.len() > 253 {
        return Err(NotReady::until_retry(SYNC_ERROR, "a property's name is no key of a Secret"));
    }
    Ok(key)
}

fn decoded(
    key: &str,
    value: &Sensitive<Vec<u8>>,
    decoding: Decoding,
) -> Result<Sensitive<Vec<u8>>, NotReady> {
    let standard = || STANDARD.decode(value.expose()).ok().map(Sensitive::new);
    let url_safe = || URL_SAFE.decode(value.expose()).ok().map(Sensitive::new);
    let wrong = |form: &str| {
        NotReady::until_retry(
            SYNC_ERROR,
            format!("the value for key {key:?} is not {form} as decodingStrategy says"),
        )
    };
    match decoding {
        Decoding::Plain => Ok(value.duplicate()),
        Decoding::Base64 => standard().ok_or_else(|| wrong("base64")),
        Decoding::Base64Url => url_safe().ok_or_else(|| wrong("URL-safe base64")),
        Decoding::Auto => Ok(standard().or_else(url_safe).unwrap_or_else(|| value.duplicate())),
    }
}

#[cfg(test)]
#[path = "tests/render.rs"]
mod tests;
