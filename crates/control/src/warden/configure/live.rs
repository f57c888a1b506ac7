//! What was read of the authority, and what would change it. Data only.

use std::collections::BTreeMap;

use regent_types::authority_names::{REGENT_MOUNT, SECRET_MOUNT};
use regent_types::login::Login;
use regent_vault::Method;
use serde_json::Value;

/// The KV v2 mounts.
pub(super) const MOUNTS: [&str; 2] = [SECRET_MOUNT, REGENT_MOUNT];

/// Answers by path below `/v1/`; `None`: nothing there.
pub(in crate::warden) type Live = BTreeMap<String, Option<Value>>;

/// One request that brings the authority nearer to the table.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::warden) struct Change {
    /// What differs, for people.
    pub(in crate::warden) what: String,
    pub(in crate::warden) path: String,
    pub(in crate::warden) body: Value,
}

impl Change {
    /// Every change is a write.
    pub(in crate::warden) const METHOD: Method = Method::POST;
}

/// A mount that is not KV v2: changing it would lose or move data, so a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::warden) struct Conflict(pub(in crate::warden) String);

pub(super) fn auth(login: &Login, rest: &str) -> String {
    format!("auth/{}/{rest}", login.mount)
}

pub(super) fn acl(name: &str) -> String {
    format!("sys/policies/acl/{name}")
}

/// The `data` of an answer; some answers of older servers have none and are their own data.
pub(super) fn data<'a>(live: &'a Live, path: &str) -> Option<&'a Value> {
    let body = live.get(path)?.as_ref()?;
    Some(if body["data"].is_object() { &body["data"] } else { body })
}
