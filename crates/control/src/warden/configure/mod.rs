//! The authority's configuration as a comparison: the one table in
//! `regent_install::access::authority` against what was read. Pure; the order of changes is the order
//! in which they can be made.
//!
//! ```text
//!   login   the login mount: whose it is, what tokens are judged by, whether it may be joined
//! ```

mod login;

use std::collections::{BTreeMap, BTreeSet};

use regent_api::RuntimeAuthority;
use regent_install::access::authority::{policies, roles};
use regent_types::authority_names::{MAX_VERSIONS, REGENT_MOUNT, SECRET_MOUNT};
use regent_types::grant::PathGrant;
use regent_types::login::{Login, LoginMethod};
use regent_vault::Method;
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::{Args, Error};
use login::login_mount;
pub(super) use login::{Judge, joinable};

/// Fewest versions a mount may keep (PROTOCOLS.md §4.0).
const MAX_VERSIONS_MIN: i64 = 3;
/// What a KV v2 mount keeps where it says 0 (reference: authority.md §1.7).
const MAX_VERSIONS_DEFAULT: i64 = 10;
/// The KV v2 mounts.
const MOUNTS: [&str; 2] = [SECRET_MOUNT, REGENT_MOUNT];

/// The list of audit devices.
const AUDIT: &str = "sys/audit";

/// Answers by path below `/v1/`; `None`: nothing there.
pub(super) type Live = BTreeMap<String, Option<Value>>;

/// What the authority is to be like, beyond the table.
#[derive(Clone, Debug)]
pub(super) struct DesiredConfig {
    /// Whose login mount it is.
    pub(super) installation: String,
    pub(super) login: Login,
    /// What tokens are judged by there.
    pub(super) judge: Judge,
    /// Paths beyond the three trees.
    pub(super) grants: Vec<PathGrant>,
}

impl DesiredConfig {
    /// What `authority` declares, in the cluster of `api`.
    pub(super) async fn of(
        authority: &RuntimeAuthority,
        args: &Args,
        api: &kube::Client,
    ) -> Result<Self, Error> {
        let login = authority.spec.login();
        let judge = match login.method {
            LoginMethod::TokenReview => Judge::Reviewer(args.clone()),
            LoginMethod::Keys => Judge::Keys(Issuer::ask(api).await?),
        };
        let (installation, grants) =
            (authority.spec.installation.clone(), authority.spec.grants.clone());
        Ok(Self { installation, login, judge, grants })
    }
}

/// One request that brings the authority nearer to the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// What differs, for people.
    pub(super) what: String,
    pub(super) path: String,
    pub(super) body: Value,
}

impl Change {
    /// Every change is a write.
    pub(super) const METHOD: Method = Method::POST;
}

/// A mount that is not KV v2: changing it would lose or move data, so a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict(pub(super) String);

/// Every path whose answer [`changes`] looks at.
pub(super) fn reads(login: &Login) -> Vec<String> {
    let mut all: Vec<String> = ["sys/mounts", "sys/auth", AUDIT].map(str::to_owned).into();
    all.push(auth(login, "config"));
    all.extend(MOUNTS.iter().map(|mount| format!("{mount}/config")));
    all.extend(policies(&login.mount, &[]).iter().map(|policy| acl(&policy.name)));
    all.extend(roles(login).iter().map(|role| auth(login, &format!("role/{}", role.name))));
    all
}

/// What must be written so that `live` becomes what the table says.
pub(super) fn changes(desired: &DesiredConfig, live: &Live) -> Result<Vec<Change>, Conflict> {
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
pub(super) fn audited(live: &Live) -> bool {
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

fn auth(login: &Login, rest: &str) -> String {
    format!("auth/{}/{rest}", login.mount)
}

fn acl(name: &str) -> String {
    format!("sys/policies/acl/{name}")
}

/// The `data` of an answer; some answers of older servers have none and are their own data.
fn data<'a>(live: &'a Live, path: &str) -> Option<&'a Value> {
    let body = live.get(path)?.as_ref()?;
    Some(if body["data"].is_object() { &body["data"] } else { body })
}

#[cfg(test)]
mod tests;
