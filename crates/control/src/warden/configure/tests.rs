//! What differs is found, alone and in order; what belongs to others is left alone.

use regent_install::access::authority::mount_type;
use regent_types::login::LoginMethod;

use super::*;
use crate::warden::args::Args;
use crate::warden::configure::join::joinable;
use crate::warden::configure::judge::Judge;
use crate::warden::issuer::Issuer;

fn issuer(keys: &[&str]) -> Issuer {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Issuer { name: "https://api".into(), keys }
}

fn by_review() -> DesiredConfig {
    let kubernetes_host = "https://kubernetes.default.svc".to_owned();
    let judge = Judge::Reviewer(Args { kubernetes_host, kubernetes_ca_cert: None });
    let (installation, login) = ("east-1".to_owned(), Login::default());
    DesiredConfig { installation, login, judge, grants: Vec::new() }
}

fn by_keys() -> DesiredConfig {
    let login = Login { mount: "east".into(), method: LoginMethod::Keys };
    DesiredConfig { login, judge: Judge::Keys(issuer(&["PEM1", "PEM2"])), ..by_review() }
}

/// A server that has taken every change.
fn configured_for(desired: &DesiredConfig) -> Live {
    let mut live: Live = reads(&desired.login).into_iter().map(|path| (path, None)).collect();
    let kv = json!({ "type": "kv", "options": { "version": "2" } });
    let mounts = json!({ "secret/": kv, "regent/": kv, "sys/": { "type": "system" } });
    live.insert("sys/mounts".into(), Some(json!({ "data": mounts })));
    let mount = format!("{}/", desired.login.mount);
    let auth = json!({ mount: { "type": mount_type(desired.login.method) } });
    live.insert("sys/auth".into(), Some(json!({ "data": auth })));
    for change in changes(desired, &live).unwrap() {
        live.insert(change.path, Some(json!({ "data": change.body })));
    }
    live
}

fn configured() -> Live {
    configured_for(&by_review())
}

fn differs(desired: &DesiredConfig, live: &Live) -> Vec<String> {
    changes(desired, live).unwrap().into_iter().map(|c| c.what).collect()
}

fn what(live: &Live) -> Vec<String> {
    differs(&by_review(), live)
}

#[test]
fn an_empty_authority_gets_everything_in_an_order_that_works() {
    for (desired, mount, suffix) in [(by_review(), "kubernetes", ""), (by_keys(), "east", ".east")]
    {
        let all = differs(&desired, &Live::new());
        let at = |name: &str| all.iter().position(|w| w == name).unwrap_or(usize::MAX);
        assert!(at("mount secret/") < at("limits of secret/"));
        assert!(at(&format!("auth {mount}/")) < at(&format!("{mount} auth")));
        assert!(at(&format!("policy regent-warden{suffix}")) < at("role regent-warden"));
        let table = policies(mount, &[]).len() + roles(&desired.login).len();
        assert_eq!(all.len(), 2 + 2 + 2 + table);
    }
}

/// C9-1: what the other installation has is neither read nor written.
#[test]
fn two_installations_write_nothing_of_each_others() {
    let paths = |desired: &DesiredConfig| -> BTreeSet<String> {
        let changes = changes(desired, &Live::new()).unwrap();
        changes.into_iter().map(|c| c.path).collect()
    };
    let (ours, theirs) = (paths(&by_keys()), paths(&by_review()));
    let shared: Vec<&String> = ours.intersection(&theirs).collect();
    assert_eq!(
        shared,
        ["regent/config", "secret/config", "sys/mounts/regent", "sys/mounts/secret"]
    );
}

/// A key that the API server signs with since, one that it no longer has, another name.
#[test]
fn keys_of_the_api_server_are_kept_in_step() {
    let live = configured_for(&by_keys());
    assert_eq!(differs(&by_keys(), &live), Vec::<String>::new());
    let with = |issuer: Issuer| DesiredConfig { judge: Judge::Keys(issuer), ..by_keys() };
    let renamed = Issuer { name: "https://other".into(), ..issuer(&["PEM1", "PEM2"]) };
    for changed in [issuer(&["PEM1", "PEM2", "PEM3"]), issuer(&["PEM2"]), renamed] {
        assert_eq!(differs(&with(changed), &live), ["east auth"]);
    }
    assert_eq!(differs(&with(issuer(&["PEM2", "PEM1"])), &live), Vec::<String>::new());
    for (field, value) in [
        ("jwks_url", json!("https://evil")),
        ("oidc_discovery_url", json!("https://evil")),
        ("jwt_validation_pubkeys", json!(["PEM1", "PEM2", "EVIL"])),
    ] {
        let mut live = live.clone();
        let mut body = live["auth/east/config"].clone().unwrap();
        body["data"][field] = value;
        live.insert("auth/east/config".into(), Some(body));
        assert_eq!(differs(&by_keys(), &live), ["east auth"], "{field}");
    }
}

/// C9-1: a mount that another installation made is not taken from it; one without a word of whose it is stays as it is.
#[test]
fn a_login_mount_of_another_installation_is_a_conflict() {
    let live = configured_for(&by_keys());
    let described = |text: &str| {
        let mut live = live.clone();
        let mount = json!({ "type": "jwt", "description": text });
        live.insert("sys/auth".into(), Some(json!({ "data": { "east/": mount } })));
        changes(&by_keys(), &live).map(|changes| changes.len())
    };
    for fine in ["", "logins of the east", "regent installation east-1"] {
        assert_eq!(described(fine), Ok(0), "{fine}");
    }
    assert!(described("regent installation west-1").is_err());
}

/// C9-1: joining takes nothing from anybody.
#[test]
fn only_a_free_login_mount_is_joined() {
    let theirs = configured_for(&by_review());
    assert_eq!(joinable(&by_keys(), &theirs), Ok(()));
    assert!(joinable(&by_keys(), &Live::new()).is_err(), "nobody is there");
    let same_mount = DesiredConfig { installation: "west-1".into(), ..by_review() };
    assert!(joinable(&same_mount, &theirs).is_err());
    let with = |path: &str, value: Value| {
        let mut live = theirs.clone();
        live.insert(path.into(), Some(json!({ "data": value })));
        joinable(&by_keys(), &live)
    };
    let mount = |text: &str| json!({ "east/": { "type": "jwt", "description": text } });
    assert_eq!(with("sys/auth", mount("regent installation east-1")), Ok(()), "tried before");
    assert!(with("sys/auth", mount("regent installation west-1")).is_err());
    assert!(with("sys/auth", mount("")).is_err());
    let policy = json!({ "policy": "path \"*\" {}" });
    assert!(with("sys/policies/acl/regent-reader.east", policy).is_err());
}

#[test]
fn a_login_mount_of_another_kind_is_a_conflict() {
    let mut live = configured_for(&by_keys());
    let taken = json!({ "data": { "east/": { "type": "kubernetes" } } });
    live.insert("sys/auth".into(), Some(taken));
    assert!(changes(&by_keys(), &live).is_err());
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
        ("auth/kubernetes/config", json!({ "kubernetes_host": "https://evil" }), "kubernetes auth"),
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
    assert!(changes(&by_review(), &live).is_err());
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
    let desired = json!({ "a": ["x", "y"], "n": 600 });
    assert!(covers(&json!({ "a": ["y", "x"], "n": 600, "more": 1 }), &desired));
    assert!(!covers(&json!({ "a": ["y", "x", "z"], "n": 600 }), &desired));
    assert!(!covers(&json!({ "a": ["y", "x"] }), &desired));
}
