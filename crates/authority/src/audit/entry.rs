//! What one line says (field names as in Vault's audit log; reference: audit).

use std::net::SocketAddr;

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use regent_types::json::Object;
use regent_types::{Json, Sensitive};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::mounts::Mount;
use crate::reply::{AuthReply, Reply};
use crate::request::{Caller, Operation};
use crate::wipe::Data;

/// Key of the HMACs of this device.
pub(crate) struct Salt(Zeroizing<[u8; 32]>);

pub(crate) struct Subject<'a> {
    /// Names the request; in the answer's envelope too.
    pub(crate) id: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) op: Operation,
    /// The whole path below `/v1/`.
    pub(crate) path: &'a str,
    /// The mount, if one has this path.
    pub(crate) mount: Option<&'a Mount>,
    /// Whose token it is, if it is good.
    pub(crate) caller: Option<&'a Caller>,
    /// The token as it came.
    pub(crate) token: Option<&'a Sensitive<String>>,
    /// The peer's address; `None` if it is not known.
    pub(crate) remote: Option<SocketAddr>,
}

impl Salt {
    /// A salt of 32 random bytes.
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// `hmac-sha256:` and the HMAC.
    pub(crate) fn hmac(&self, text: &str) -> String {
        // HMAC takes keys of any length: `new_from_slice` does not fail; an empty text then hides
        // the value.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            return String::new();
        };
        mac.update(text.as_bytes());
        format!("hmac-sha256:{}", crate::random::hex(&mac.finalize().into_bytes()))
    }

    /// The same shape with every string and number as its HMAC. A PIN is a number.
    fn hide(&self, value: &Json) -> Value {
        match value {
            Json::String(text) => Value::String(self.hmac(text)),
            Json::Number(token) => Value::String(self.hmac(token.as_str())),
            Json::Array(items) => items.iter().map(|item| self.hide(item)).collect(),
            Json::Object(map) => Value::Object(self.hide_map(map)),
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Null => Value::Null,
        }
    }

    fn hide_map(&self, map: &Object) -> Map<String, Value> {
        map.iter().map(|(key, value)| (key.clone(), self.hide(value))).collect()
    }
}

/// The line before the effect.
pub(super) fn request(
    salt: Option<&Salt>,
    subject: &Subject<'_>,
    data: &Data,
    error: Option<&ApiError>,
) -> Value {
    let mut entry = common("request", salt, subject);
    if let Some(salt) = salt
        && !data.is_empty()
    {
        entry["request"]["data"] = Value::Object(salt.hide_map(data));
    }
    with_error(entry, error)
}

/// The line after the effect; without a salt only whether it failed.
pub(super) fn response(
    salt: Option<&Salt>,
    subject: &Subject<'_>,
    result: &Result<Reply, ApiError>,
) -> Value {
    let mut entry = common("response", salt, subject);
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => return with_error(entry, Some(error)),
    };
    let Some(salt) = salt else { return entry };
    let mut response = Map::new();
    if let Some(data) = &reply.data {
        let hidden = if subject.op == Operation::List { count(data) } else { salt.hide(data) };
        response.insert("data".to_owned(), hidden);
    }
    if let Some(auth) = &reply.auth {
        response.insert("auth".to_owned(), issued(salt, auth));
    }
    if let Some(wrap) = &reply.wrap {
        let info = json!({
            "token": salt.hmac(wrap.token.expose()),
            "accessor": salt.hmac(&wrap.accessor),
            "ttl": wrap.ttl_s,
            "creation_time": wrap.created.to_string(),
            "creation_path": wrap.path,
        });
        response.insert("wrap_info".to_owned(), info);
    }
    if !reply.warnings.is_empty() {
        response.insert("warnings".to_owned(), json!(reply.warnings.len()));
    }
    entry["response"] = Value::Object(response);
    entry
}

fn common(kind: &str, salt: Option<&Salt>, subject: &Subject<'_>) -> Value {
    let mut request = json!({
        "id": subject.id,
        "operation": subject.op.name(),
        "path": subject.path,
        "namespace": {"id": "root"},
    });
    if let Some(mount) = subject.mount {
        request["mount_point"] = json!(mount.path);
        request["mount_type"] = json!(mount.kind);
        request["mount_accessor"] = json!(mount.accessor);
    }
    if let Some(remote) = subject.remote {
        request["remote_address"] = json!(remote.ip().to_string());
        request["remote_port"] = json!(remote.port());
    }
    let mut entry = json!({"time": subject.now.to_string(), "type": kind});
    if let Some(salt) = salt {
        if let Some(token) = subject.token {
            request["client_token"] = json!(salt.hmac(token.expose()));
        }
        if let Some(caller) = subject.caller {
            let accessor = salt.hmac(&caller.accessor);
            request["client_token_accessor"] = json!(accessor);
            entry["auth"] = json!({
                "accessor": accessor,
                "display_name": caller.display_name,
                "policies": caller.policies,
                "metadata": caller.metadata,
            });
        }
    }
    entry["request"] = request;
    entry
}

fn issued(salt: &Salt, auth: &AuthReply) -> Value {
    json!({
        "client_token": salt.hmac(auth.client_token.expose()),
        "accessor": salt.hmac(&auth.accessor),
        "policies": auth.policies,
        "metadata": auth.metadata,
        "token_type": auth.token_type,
        "lease_duration": auth.lease_duration_s,
    })
}

/// A listing's names are elided: their number says enough, and hashing thousands of them costs.
fn count(data: &Json) -> Value {
    let keys = data.get("keys").and_then(Json::as_array).map_or(0, <[Json]>::len);
    json!({"keys": keys})
}

/// Faults name fields and paths, never values; internal ones say no more than that.
fn with_error(mut entry: Value, error: Option<&ApiError>) -> Value {
    if let Some(error) = error {
        entry["error"] = json!(error.to_string());
    }
    entry
}
