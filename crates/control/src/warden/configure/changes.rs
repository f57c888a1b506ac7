//! What differs from the table, in the order in which it can be changed. Pure.

use std::collections::BTreeSet;

use regent_install::access::authority::{policies, roles};
use regent_types::authority_names::MAX_VERSIONS;
use regent_types::login::Login;
use serde_json::{Value, json};

use super::desired::DesiredConfig;
use super::live::{Change, Conflict, Live, MOUNTS, acl, auth, data};
use super::login::login_mount;

/// Fewest versions a mount may keep (PROTOCOLS.md §4.0).
const MAX_VERSIONS_MIN: i64 = 3;
/// What a KV v2 mount keeps where it says 0 (reference: authority.md §1.7).
const MAX_VERSIONS_DEFAULT: i64 = 10;
/// The list of audit devices.
const AUDIT: &str = "sys/audit";

/// Every path whose answer [`changes`] looks at.
pub(in crate::warden) fn reads(login: &Login) -> Vec<String> {
    let mut all: Vec<String> = ["sys/mounts", "sys/auth", AUDIT].map(str::to_owned).into();
    all.push(auth(login, "config"));
    all.extend(MOUNTS.iter().map(|mount| format!("{mount}/config")));
    all.extend(policies(&login.mount, &[]).iter().map(|policy| acl(&policy.name)));
    all.extend(roles(login).iter().map(|role| auth(login, &format!("role/{}", role.name))));
    all
}

/// What must be written so that `live` becomes what the table says.
pub(in crate::warden) fn changes(
    desired: &DesiredConfig,
    live: &Live,
) -> Result<Vec<Change>, Conflict> {
    let DesiredConfig { login, judge, grants, .. } = desired;
    let mut all = mounts(live)?;
    all.extend(login_mount(desired, live)?);
    let path = auth(login, "config");
    if !data(live, &path).is_some_and(|found| judge.is_asked(found)) {
        all.push(Change { what: format!("{} auth", login.mount), path, body: judge.body() });
    }
    for policy in policies(&login.mount, grants) {
        let path = acl(&policy.name);
        let same = data(live, &path).is_some_and(|d| d["policy"] == policy.text.as_str());
        if !same {
            let body = json!({ "policy": policy.text });
            all.push(Change { what: format!("policy {}", policy.name), path, body });
        }
    }
    for role in roles(login) {
        let (path, body) = (auth(login, &format!("role/{}", role.name)), role.body());
        if !data(live, &path).is_some_and(|found| covers(found, &body)) {
            all.push(Change { what: format!("role {}", role.name), path, body });
        }
    }
    Ok(all)
}

/// Whether an audit device is on. Warden cannot enable one: OpenBao takes devices only from its
/// server configuration (reference: authority.md §1.5).
pub(in crate::warden) fn audited(live: &Live) -> bool {
    data(live, AUDIT).and_then(Value::as_object).is_some_and(|devices| {
        devices.values().any(|device| device["type"].as_str().is_some_and(|t| !t.is_empty()))
    })
}

fn mounts(live: &Live) -> Result<Vec<Change>, Conflict> {
    let mut all = Vec::new();
    for mount in MOUNTS {
        let found = data(live, "sys/mounts").map(|d| &d[format!("{mount}/")]);
        match found.filter(|m| !m.is_null()) {
            None => all.push(Change {
                what: format!("mount {mount}/"),
                path: format!("sys/mounts/{mount}"),
                body: json!({ "type": "kv", "options": { "version": "2" } }),
            }),
            Some(m) if m["type"] == "kv" && m["options"]["version"] == "2" => {}
            Some(m) => {
                return Err(Conflict(format!(
                    "{mount}/ is a mount of type {} version {}, expected kv version 2: move it \
                     away (sys/remount) or upgrade it",
                    m["type"], m["options"]["version"]
                )));
            }
        }
        let path = format!("{mount}/config");
        if !data(live, &path).is_some_and(safe_limits) {
            let what = format!("limits of {mount}/");
            let body = json!({ "max_versions": MAX_VERSIONS, "delete_version_after": "0s" });
            all.push(Change { what, path, body });
        }
    }
    Ok(all)
}

/// Versions are kept, and none disappears by itself.
fn safe_limits(config: &Value) -> bool {
    let kept = match config["max_versions"].as_i64() {
        None | Some(0) => MAX_VERSIONS_DEFAULT,
        Some(n) => n,
    };
    let after = config["delete_version_after"].as_str().unwrap_or("0s");
    kept >= MAX_VERSIONS_MIN && matches!(after, "" | "0" | "0s")
}

/// Every field of `wanted` stands in `found`; lists are compared as sets.
fn covers(found: &Value, desired: &Value) -> bool {
    let set = |v: &Value| -> Option<BTreeSet<String>> {
        v.as_array().map(|all| all.iter().map(ToString::to_string).collect())
    };
    desired.as_object().is_some_and(|fields| {
        fields.iter().all(|(key, value)| match set(value) {
            Some(desired) => set(&found[key]) == Some(desired),
            None => found[key] == *value,
        })
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
