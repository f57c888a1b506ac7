//! `custom_metadata`: at most 64 keys of 128 bytes, values of 512 bytes, printable, none empty
//! (Vault's limits).

use std::collections::BTreeMap;

use regent_types::Json;

const KEYS_MAX: usize = 64;
const KEY_LEN_MAX: usize = 128;
const VALUE_LEN_MAX: usize = 512;

/// Entries of one `custom_metadata`.
pub(super) type Custom = BTreeMap<String, String>;

/// The entries of an object of strings, checked.
pub(super) fn replace(value: &Json) -> Result<Custom, Vec<String>> {
    let Json::Object(map) = value else { return Err(not_an_object()) };
    let texts = map.iter().map(|(key, value)| match scalar(value) {
        Some(text) => Ok((key.clone(), text.to_owned())),
        None => Err(vec![not_a_string(key)]),
    });
    check(texts.collect::<Result<_, _>>()?)
}

/// `old` with the changes of a merge patch: null removes a key, null for all removes all.
pub(super) fn patch(old: &Custom, change: &Json) -> Result<Custom, Vec<String>> {
    let map = match change {
        Json::Null => return Ok(Custom::new()),
        Json::Object(map) => map,
        _ => return Err(not_an_object()),
    };
    let mut new = old.clone();
    for (key, value) in map {
        if value.is_null() {
            new.remove(key);
            continue;
        }
        let text = scalar(value).ok_or_else(|| vec![not_a_string(key)])?;
        new.insert(key.clone(), text.to_owned());
    }
    check(new)
}

/// A string, or a scalar as it is written: `true` stays the word, as people read these.
fn scalar(value: &Json) -> Option<&str> {
    match value {
        Json::String(text) => Some(text),
        Json::Number(token) => Some(token.as_str()),
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn not_an_object() -> Vec<String> {
    vec!["custom_metadata: expected an object".to_owned()]
}

fn not_a_string(key: &str) -> String {
    format!("custom_metadata: the value of key {} is not a string", shown(key))
}

fn check(custom: Custom) -> Result<Custom, Vec<String>> {
    let mut wrong = Vec::new();
    if custom.len() > KEYS_MAX {
        wrong.push(format!("custom_metadata: {} keys, at most {KEYS_MAX} allowed", custom.len()));
    }
    for (key, value) in &custom {
        let mut expect = |fine: bool, what: &str| {
            if !fine {
                wrong.push(format!("custom_metadata: key {}: {what}", shown(key)));
            }
        };
        expect(!key.is_empty(), "the key is empty");
        expect(key.len() <= KEY_LEN_MAX, "the key is longer than 128 bytes");
        expect(key.chars().all(is_printable), "the key has unprintable characters");
        expect(!value.is_empty(), "its value is empty");
        expect(value.len() <= VALUE_LEN_MAX, "its value is longer than 512 bytes");
        expect(value.chars().all(is_printable), "its value has unprintable characters");
    }
    if wrong.is_empty() { Ok(custom) } else { Err(wrong) }
}

/// Graphic characters and the plain space: no controls, other blanks, invisible or direction marks.
fn is_printable(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{10ffff}');
    c == ' ' || !(c.is_control() || c.is_whitespace() || invisible)
}

fn shown(key: &str) -> String {
    format!("{:?}", key.chars().take(40).collect::<String>())
}
