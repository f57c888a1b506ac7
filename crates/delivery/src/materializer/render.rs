//! From what was read to the data of the Secret: properties, decoding, key names, as ESO does
//! (eso.md §1.3, §1.4). Pure. A message names keys and paths, never a value.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regent_types::{SecretData, Sensitive};
use regent_vault::append_json_text;
use zeroize::Zeroizing;

use super::request::{Decoding, Deletion, Entry, Place, Request, collision};
use crate::not_ready::NotReady;

/// ESO's reason for any failed sync.
const SYNC_ERROR: &str = "SecretSyncedError";
/// How a message ends where a Secret is there.
pub(crate) const KEPT: &str = "; the Secret is kept";

/// A secret that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live<'a> {
    pub(crate) data: &'a SecretData,
    /// Keys whose bytes are JSON rather than text.
    pub(crate) json: &'a BTreeSet<String>,
}

/// What was read: `None` where there is no secret (never written, deleted, destroyed).
pub(crate) type Reads<'a> = BTreeMap<&'a Place, Option<Live<'a>>>;

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
                data.extend(extracted(secret, entry.place(), *decoding)?);
            }
            Entry::Key { secret_key, place, property, decoding } => {
                let value = match property {
                    Some(property) => picked(secret.data, place, property)?.duplicate(),
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

/// All properties of one secret, each under a key of its own.
fn extracted(secret: Live<'_>, place: &Place, decoding: Decoding) -> Result<SecretData, NotReady> {
    let mut data = SecretData::new();
    let mut names: BTreeMap<String, &String> = BTreeMap::new();
    for (name, value) in secret.data {
        let key = converted(name)?;
        if let Some(other) = names.insert(key.clone(), name) {
            let of = format!("properties {other:?} and {name:?} of {}", place.path);
            return Err(collision(&key, &of));
        }
        let value = decoded(&key, value, decoding)?;
        data.insert(key, value);
    }
    Ok(data)
}

fn missing(place: &Place) -> NotReady {
    let version = place.version.map(|v| format!(" at version {v}")).unwrap_or_default();
    let message = format!("the authority holds no value at {}{version}{KEPT}", place.path);
    NotReady::until_there(SYNC_ERROR, message)
}

/// A literal top-level key, as in ESO. ESO then tries GJSON; regent does not, and says so where it may have been meant.
fn picked<'a>(
    secret: &'a SecretData,
    place: &Place,
    property: &str,
) -> Result<&'a Sensitive<Vec<u8>>, NotReady> {
    if let Some(value) = secret.get(property) {
        return Ok(value);
    }
    let expression =
        property.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let hint = if expression { " (a property is looked for by its whole name)" } else { "" };
    let message = format!("{} has no property {property:?}{hint}{KEPT}", place.path);
    Err(NotReady::until_retry(SYNC_ERROR, message))
}

/// The whole secret as compact JSON with sorted keys and Go's HTML escapes; what was no text stays what it was.
fn whole(secret: Live<'_>, place: &Place) -> Result<Sensitive<Vec<u8>>, NotReady> {
    let odd = |key: &str| {
        let message = format!("property {key:?} of {} is not text; name the property", place.path);
        NotReady::until_retry(SYNC_ERROR, message)
    };
    let mut json = Zeroizing::new(Vec::with_capacity(capacity(secret.data)));
    json.push(b'{');
    for (index, (key, value)) in secret.data.iter().enumerate() {
        let text = std::str::from_utf8(value.expose()).map_err(|_| odd(key))?;
        if index > 0 {
            json.push(b',');
        }
        append_json_text(&mut json, key);
        json.push(b':');
        match (secret.json.contains(key), text) {
            (true, "") => json.extend(b"null"),
            (true, text) => json.extend(text.as_bytes()),
            (false, text) => append_json_text(&mut json, text),
        }
    }
    json.push(b'}');
    Ok(Sensitive::new(std::mem::take(&mut *json)))
}

/// Room for the JSON, so that growing leaves no copy of a part behind: a byte becomes six at most.
fn capacity(secret: &SecretData) -> usize {
    secret.iter().map(|(k, v)| 6 * (k.len() + v.expose().len()) + 6).sum::<usize>() + 2
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
