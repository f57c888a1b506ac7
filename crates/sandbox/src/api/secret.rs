//! Secrets: `stringData` becomes data, types demand their keys, and some things never change.

use base64::Engine;
use serde_json::Value;

use super::meta;
use crate::status::Failure;

/// Moves `stringData` into `data`.
pub(super) fn fold(object: &mut Value) {
    let base64 = base64::engine::general_purpose::STANDARD;
    if let Some(strings) = object.as_object_mut().and_then(|o| o.remove("stringData")) {
        for (key, value) in strings.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            object["data"][key] = base64.encode(text).into();
        }
    }
}

pub(super) fn complete(object: &mut Value, old: Option<&Value>, name: &str) -> Result<(), Failure> {
    fold(object);
    if object["type"].as_str().unwrap_or_default().is_empty() {
        object["type"] = "Opaque".into();
    }
    let mut causes = meta::data_causes(object, &["data"]);
    if let Some(old) = old {
        causes.extend(unchanged(object, old));
    }
    causes.extend(
        needed(object).into_iter().map(|key| (format!("data[{key}]"), "Required value".to_owned())),
    );
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid("Secret", name, &causes)) }
}

/// Keys that the type demands and that are not there.
fn needed(object: &Value) -> Vec<&'static str> {
    let absent = |key: &&str| object["data"][*key].is_null();
    let keys: &[&str] = match object["type"].as_str() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        // One of the two is enough.
        Some("kubernetes.io/basic-auth") => {
            let both = ["username", "password"];
            return if both.iter().all(absent) { both.to_vec() } else { Vec::new() };
        }
        _ => &[],
    };
    keys.iter().copied().filter(absent).collect()
}

fn unchanged(object: &Value, old: &Value) -> Vec<(String, String)> {
    let mut causes = Vec::new();
    if old["type"] != object["type"] {
        let why = format!("Invalid value: {}: field is immutable", object["type"]);
        causes.push(("type".to_owned(), why));
    }
    if old["immutable"] == true {
        let forbidden = "Forbidden: field is immutable when `immutable` is set";
        if object["immutable"] != true {
            causes.push(("immutable".to_owned(), forbidden.to_owned()));
        }
        if old["data"] != object["data"] {
            causes.push(("data".to_owned(), forbidden.to_owned()));
        }
    }
    causes
}
