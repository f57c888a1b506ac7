//! Validation of metadata: names, labels, annotations, finalizers.

use serde_json::Value;

use crate::kinds::ResourceKind;

/// Longest name of an object, and longest part of a qualified name.
const NAME_LEN_MAX: usize = 253;
const PART_LEN_MAX: usize = 63;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong with an object's metadata, as (field, message).
pub(super) fn causes(
    kind: &ResourceKind,
    object: &Value,
    old: Option<&Value>,
) -> Vec<(String, String)> {
    let meta = &object["metadata"];
    let mut causes = Vec::new();
    let mut wrong = |field: &str, value: &str, why: &str| {
        causes.push((field.to_owned(), format!("Invalid value: {value:?}: {why}")));
    };
    let name = meta["name"].as_str().unwrap_or_default();
    if !valid_name(name, kind) {
        wrong("metadata.name", name, SUBDOMAIN);
    }
    for (key, value) in meta["labels"].as_object().into_iter().flatten() {
        if !qualified(key) {
            wrong("metadata.labels", key, PART);
        }
        let value = value.as_str().unwrap_or_default();
        if !value.is_empty() && !part(value) {
            wrong("metadata.labels", value, LABEL);
        }
    }
    for key in meta["annotations"].as_object().into_iter().flatten().map(|(key, _)| key) {
        if !qualified(&key.to_lowercase()) {
            wrong("metadata.annotations", key, PART);
        }
    }
    let finalizers = |o: &Value| -> Vec<String> {
        let all = o["metadata"]["finalizers"].as_array().into_iter().flatten();
        all.filter_map(|f| f.as_str().map(str::to_owned)).collect()
    };
    for finalizer in finalizers(object).iter().filter(|f| !qualified(f)) {
        wrong("metadata.finalizers", finalizer, PART);
    }
    let ending = old.is_some_and(|o| !o["metadata"]["deletionTimestamp"].is_null());
    let had = old.map(finalizers).unwrap_or_default();
    if ending && finalizers(object).iter().any(|f| !had.contains(f)) {
        let why = "Forbidden: no new finalizers can be added if the object is being deleted";
        causes.push(("metadata.finalizers".into(), why.into()));
    }
    causes
}

fn valid_name(name: &str, kind: &ResourceKind) -> bool {
    if kind.group == "rbac.authorization.k8s.io" {
        return !name.is_empty() && !name.contains(['/', '%']);
    }
    subdomain(name)
}

fn subdomain(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = |c: char| edge(c) || c == '-' || c == '.';
    name.len() <= NAME_LEN_MAX
        && name.starts_with(edge)
        && name.ends_with(edge)
        && name.chars().all(fine)
}

pub(super) fn qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => subdomain(prefix) && part(name),
        None => part(text),
    }
}

fn part(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let fine = |c: char| edge(c) || "-_.".contains(c);
    text.len() <= PART_LEN_MAX
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(fine)
}

/// Keys of a Secret's or ConfigMap's data.
pub(super) fn data_causes(object: &Value, fields: &[&str]) -> Vec<(String, String)> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let keys = fields.iter().flat_map(|field| {
        let keys = object[*field].as_object().into_iter().flatten().map(|(key, _)| key);
        keys.map(move |key| (*field, key))
    });
    keys.filter(|(_, key)| key.is_empty() || key.len() > NAME_LEN_MAX || !key.chars().all(fine))
        .map(|(field, key)| {
            let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
            (format!("{field}[{key}]"), format!("Invalid value: {key:?}: {why}"))
        })
        .collect()
}
