//! The authority's configuration as a comparison: the one table in
//! `regent_types::access::authority` against what was read. Pure; the order of changes is the order
//! in which they can be made.

use std::collections::{BTreeMap, BTreeSet};

use regent_types::access::authority::{
    KUBERNETES_MOUNT, MAX_VERSIONS, REGENT_MOUNT, SECRET_MOUNT, policies, roles,
};
use regent_types::resources::runtime_authority::PathGrant;
use regent_vault::Method;
use serde_json::{Value, json};

use super::Args;

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
pub(super) fn reads() -> Vec<String> {
    let mut all: Vec<String> = ["sys/mounts", "sys/auth", AUDIT].map(str::to_owned).into();
    all.push(auth("config"));
    all.extend(MOUNTS.iter().map(|mount| format!("{mount}/config")));
    all.extend(policies(&[]).iter().map(|policy| acl(&policy.name)));
    all.extend(roles().iter().map(|role| auth(&format!("role/{}", role.name))));
    all
}

/// What must be written so that `live` becomes what the table says.
pub(super) fn changes(
    args: &Args,
    grants: &[PathGrant],
    live: &Live,
) -> Result<Vec<Change>, Conflict> {
    let mut all = mounts(live)?;
    all.extend(kubernetes(args, live)?);
    for policy in policies(grants) {
        let path = acl(&policy.name);
        let same = data(live, &path).is_some_and(|d| d["policy"] == policy.text.as_str());
        if !same {
            let body = json!({ "policy": policy.text });
            all.push(Change { what: format!("policy {}", policy.name), path, body });
        }
    }
    for role in roles() {
        let (path, body) = (auth(&format!("role/{}", role.name)), role.body());
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

fn kubernetes(args: &Args, live: &Live) -> Result<Vec<Change>, Conflict> {
    let mut all = Vec::new();
    let found = data(live, "sys/auth").map(|d| &d[format!("{KUBERNETES_MOUNT}/")]);
    match found.filter(|m| !m.is_null()) {
        None => all.push(Change {
            what: format!("auth {KUBERNETES_MOUNT}/"),
            path: format!("sys/auth/{KUBERNETES_MOUNT}"),
            body: json!({ "type": "kubernetes" }),
        }),
        Some(m) if m["type"] == "kubernetes" => {}
        Some(m) => {
            let kind = &m["type"];
            return Err(Conflict(format!(
                "auth/{KUBERNETES_MOUNT}/ is of type {kind}, expected kubernetes: move it away"
            )));
        }
    }
    let ca = args.kubernetes_ca_cert.as_deref().unwrap_or_default();
    let path = auth("config");
    let same = data(live, &path).is_some_and(|found| {
        found["kubernetes_host"] == args.kubernetes_host.as_str()
            && found["kubernetes_ca_cert"].as_str().unwrap_or_default().trim() == ca.trim()
            && found["token_reviewer_jwt_set"] != true
    });
    if !same {
        let body = json!({
            "kubernetes_host": args.kubernetes_host,
            "kubernetes_ca_cert": ca,
            "token_reviewer_jwt": "",
        });
        all.push(Change { what: "kubernetes auth".into(), path, body });
    }
    Ok(all)
}

/// Every field of `wanted` stands in `found`; lists are compared as sets.
fn covers(found: &Value, wanted: &Value) -> bool {
    let set = |v: &Value| -> Option<BTreeSet<String>> {
        v.as_array().map(|all| all.iter().map(ToString::to_string).collect())
    };
    wanted.as_object().is_some_and(|fields| {
        fields.iter().all(|(key, value)| match set(value) {
            Some(wanted) => set(&found[key]) == Some(wanted),
            None => found[key] == *value,
        })
    })
}

fn auth(rest: &str) -> String {
    format!("auth/{KUBERNETES_MOUNT}/{rest}")
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
mod tests {
    use super::*;

    fn args() -> Args {
        Args { kubernetes_host: "https://kubernetes.default.svc".into(), kubernetes_ca_cert: None }
    }

    /// A server that has taken every change.
    fn configured() -> Live {
        let mut live: Live = reads().into_iter().map(|path| (path, None)).collect();
        let kv = json!({ "type": "kv", "options": { "version": "2" } });
        let mounts = json!({ "secret/": kv, "regent/": kv, "sys/": { "type": "system" } });
        live.insert("sys/mounts".into(), Some(json!({ "data": mounts })));
        live.insert(
            "sys/auth".into(),
            Some(json!({ "data": { "kubernetes/": { "type": "kubernetes" } } })),
        );
        for change in changes(&args(), &[], &live).unwrap() {
            live.insert(change.path, Some(json!({ "data": change.body })));
        }
        live
    }

    fn what(live: &Live) -> Vec<String> {
        changes(&args(), &[], live).unwrap().into_iter().map(|c| c.what).collect()
    }

    #[test]
    fn an_empty_authority_gets_everything_in_an_order_that_works() {
        let all = what(&Live::new());
        let at = |name: &str| all.iter().position(|w| w == name).unwrap_or(usize::MAX);
        assert!(at("mount secret/") < at("limits of secret/"));
        assert!(at("auth kubernetes/") < at("kubernetes auth"));
        assert!(at("policy regent-warden") < at("role regent-warden"));
        assert_eq!(all.len(), 2 + 2 + 2 + policies(&[]).len() + roles().len());
    }

    #[test]
    fn a_configured_authority_needs_nothing() {
        assert_eq!(what(&configured()), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_found_alone() {
        let cases: [(&str, Value, &str); 5] = [
            ("secret/config", json!({ "max_versions": 2 }), "limits of secret/"),
            ("secret/config", json!({ "delete_version_after": "24h0m0s" }), "limits of secret/"),
            (
                "auth/kubernetes/config",
                json!({ "kubernetes_host": "https://evil" }),
                "kubernetes auth",
            ),
            ("auth/kubernetes/role/regent-reader", json!({ "audience": "" }), "role regent-reader"),
            (
                "sys/policies/acl/regent-publisher",
                json!({ "policy": "path \"*\" {}" }),
                "policy regent-publisher",
            ),
        ];
        for (path, body, expected) in cases {
            let mut live = configured();
            live.insert(path.into(), Some(json!({ "data": body })));
            assert_eq!(what(&live), [expected], "{path}");
        }
    }

    #[test]
    fn limits_that_keep_more_are_left_alone() {
        let mut live = configured();
        live.insert("secret/config".into(), Some(json!({ "data": { "max_versions": 0 } })));
        assert!(what(&live).is_empty());
        live.insert("secret/config".into(), Some(json!({ "data": { "max_versions": 50 } })));
        assert!(what(&live).is_empty());
    }

    #[test]
    fn a_stored_reviewer_token_is_removed() {
        let mut live = configured();
        let mut body = live["auth/kubernetes/config"].clone().unwrap();
        body["data"]["token_reviewer_jwt_set"] = json!(true);
        live.insert("auth/kubernetes/config".into(), Some(body));
        assert_eq!(what(&live), ["kubernetes auth"]);
    }

    #[test]
    fn a_mount_of_another_kind_is_a_conflict() {
        let mut live = configured();
        let v1 = json!({ "data": { "secret/": { "type": "kv", "options": { "version": "1" } } } });
        live.insert("sys/mounts".into(), Some(v1));
        assert!(changes(&args(), &[], &live).is_err());
    }

    #[test]
    fn an_audit_device_is_seen_and_its_absence_too() {
        let mut live = configured();
        assert!(!audited(&live));
        for (devices, expected) in
            [(json!({}), false), (json!({ "file/": { "type": "file", "path": "file/" } }), true)]
        {
            live.insert(AUDIT.into(), Some(json!({ "data": devices, "request_id": "r" })));
            assert_eq!(audited(&live), expected);
        }
    }

    #[test]
    fn lists_are_compared_as_sets() {
        let wanted = json!({ "a": ["x", "y"], "n": 600 });
        assert!(covers(&json!({ "a": ["y", "x"], "n": 600, "more": 1 }), &wanted));
        assert!(!covers(&json!({ "a": ["y", "x", "z"], "n": 600 }), &wanted));
        assert!(!covers(&json!({ "a": ["y", "x"] }), &wanted));
    }
}
