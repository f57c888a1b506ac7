//! Stores, for both purposes.

use super::*;
use serde_json::json;

const HOME: &str = "https://authority.example:8200";

fn found(class: &str, provider: &Value, purpose: Purpose) -> String {
    let provider: Provider = serde_json::from_value(provider.clone()).expect("a provider");
    match resolve(class, &provider, purpose, &TrustedAuthority::at(HOME, "east")) {
        Resolution::Ours(served) => {
            assert_eq!(
                (served.endpoint.address.as_str(), served.endpoint.mount.as_str()),
                (HOME, "east")
            );
            format!("ours {} {}", served.mount, served.read_only)
        }
        Resolution::NotOurs => "not ours".into(),
        Resolution::Refused(not_ready) => {
            format!("{}: {}", not_ready.reason, not_ready.message)
        }
    }
}

#[test]
fn only_stores_of_the_own_class_and_authority_are_served() {
    let vault = |extra: Value| {
        let mut all = json!({ "server": HOME, "path": "secret" });
        for (k, v) in extra.as_object().expect("an object") {
            all[k] = v.clone();
        }
        json!({ "vault": all })
    };
    let role = |r: &str| json!({ "auth": { "kubernetes": { "role": r } } });
    let at = |mount: &str| {
        let login = json!({ "role": "regent-materializer", "mountPath": mount });
        json!({ "auth": { "kubernetes": login } })
    };
    let ca = |name: &str, namespace: &str| {
        let named = json!({
            "type": "ConfigMap", "name": name, "key": "ca.crt", "namespace": namespace,
        });
        json!({ "caProvider": named })
    };
    let table = [
        ("", vault(json!({})), "ours secret false"),
        ("regent", vault(role("regent-materializer")), "ours secret true"),
        ("default", vault(json!({})), "not ours"),
        ("", json!({ "aws": { "service": "SecretsManager" } }), "not ours"),
        ("", vault(at("east")), "ours secret true"),
        (
            "",
            vault(at("kubernetes")),
            "Unsupported: provider.vault.auth.kubernetes.mountPath other than east",
        ),
        ("", vault(role("app")), "Unsupported: provider.vault.auth.kubernetes.role app"),
        ("", vault(json!({ "version": "v1" })), "Unsupported: provider.vault.version"),
        ("", vault(json!({ "path": "regent" })), "Unsupported: provider.vault.path"),
        ("", vault(json!({ "namespace": "team" })), "Unsupported: provider.vault.namespace"),
        ("", vault(ca("regent-authority-ca", "regent-system")), "ours secret false"),
        ("", vault(ca("regent-authority-ca", "team")), "Unsupported: provider.vault.caProvider"),
        ("", vault(ca("other", "regent-system")), "Unsupported: provider.vault.caProvider"),
        ("", vault(json!({ "caBundle": "UEVN" })), "Unsupported: provider.vault.caBundle"),
        ("", vault(json!({ "tls": {} })), "Unsupported: provider.vault.tls"),
        ("", vault(json!({ "headers": {} })), "Unsupported: provider.vault.headers"),
        ("", vault(json!({ "server": "https://authority.example:8200/" })), "ours secret false"),
        (
            "",
            vault(json!({ "auth": { "tokenSecretRef": { "name": "t" } } })),
            "Unsupported: provider.vault.auth.tokenSecretRef",
        ),
    ];
    for (class, provider, expected) in table {
        for purpose in [Purpose::Read, Purpose::Write] {
            let text = found(class, &provider, purpose);
            assert!(text.starts_with(expected), "{purpose:?} {provider}: {text}");
        }
    }
}

/// C7-1: a namespaced store cannot have the materializer's token sent elsewhere.
#[test]
fn the_own_identity_is_not_shown_to_another_server() {
    for server in ["https://attacker.example", "https://authority.example:8200.attacker.example"] {
        for purpose in [Purpose::Read, Purpose::Write] {
            let text = found("", &json!({ "vault": { "server": server } }), purpose);
            assert!(text.starts_with("UnknownAuthority"), "{text}");
        }
    }
}

/// Where reading and writing differ, and nowhere else.
#[test]
fn a_role_and_check_and_set_are_judged_by_what_the_store_is_used_for() {
    let role = json!({ "server": HOME, "auth": { "kubernetes": { "role": "regent-publisher" } } });
    let check = |required: Value| json!({ "server": HOME, "checkAndSet": required });
    let unsupported_role = "Unsupported: provider.vault.auth.kubernetes.role regent-publisher";
    let table = [
        (role, unsupported_role, "ours secret false"),
        (
            check(json!({ "required": true })),
            "Unsupported: provider.vault.checkAndSet",
            "ours secret false",
        ),
        (check(json!({})), "Unsupported: provider.vault.checkAndSet", "ours secret false"),
        (
            check(json!({ "required": "always" })),
            "Unsupported: provider.vault.checkAndSet",
            "Unsupported: provider.vault.checkAndSet",
        ),
        (
            check(json!({ "mode": 1 })),
            "Unsupported: provider.vault.checkAndSet",
            "Unsupported: provider.vault.checkAndSet",
        ),
    ];
    for (vault, read, write) in table {
        let provider = json!({ "vault": vault });
        for (purpose, expected) in [(Purpose::Read, read), (Purpose::Write, write)] {
            let text = found("", &provider, purpose);
            assert!(text.starts_with(expected), "{purpose:?} {provider}: {text}");
        }
    }
}
