//! Which stores regent serves, and which of them with its own identity. Pure.
//!
//! **Architecture invariant `own-token-own-authority`:** the materializer's token is presented only
//! to an address that RuntimeAuthority or the installation names, never to one that a namespace can
//! write.

use std::collections::BTreeMap;

use regent_api::condition::Verdict;
use regent_api::eso::secret_store::{Provider, VaultAuth, VaultProvider};
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, CONTROLLER_CLASS, SYSTEM_NAMESPACE};
use serde_json::Value;

use crate::not_ready::NotReady;
use regent_operator::trusted_authority::{AuthorityEndpoint, TrustedAuthority};

/// Fields of the Vault provider that change what is read or by whom, and that regent does not act
/// on.
const UNSUPPORTED_FIELDS: [&str; 4] = ["namespace", "tls", "headers", "checkAndSet"];

/// A store as it is served: with regent's own identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// The authority, as the store writes its address.
    pub(crate) site: AuthorityEndpoint,
    pub(crate) mount: String,
    /// Whether the store names the materializer's role, which only reads.
    pub(crate) read_only: bool,
}

/// Whose store it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Served by regent.
    Ours(Served),
    /// Another controller's or another provider's: untouched, also in its status.
    NotOurs,
    /// Of regent's class, and not to be served.
    Refused(NotReady),
}

/// Whose store this is; `home` is the authority of this installation.
pub(crate) fn resolve(class: &str, provider: &Provider, home: &TrustedAuthority) -> Resolution {
    if !class.is_empty() && class != CONTROLLER_CLASS {
        return Resolution::NotOurs;
    }
    let Some(vault) = &provider.vault else { return Resolution::NotOurs };
    match check(vault, home) {
        Ok(served) => Resolution::Ours(served),
        Err(not_ready) => Resolution::Refused(not_ready),
    }
}

fn check(vault: &VaultProvider, home: &TrustedAuthority) -> Result<Served, NotReady> {
    if vault.version != "v2" {
        return Err(NotReady::unsupported("provider.vault.version other than v2"));
    }
    for field in UNSUPPORTED_FIELDS {
        if vault.other.contains_key(field) {
            return Err(NotReady::unsupported(&format!("provider.vault.{field}")));
        }
    }
    if let Some(field) = vault.foreign_ca() {
        return Err(NotReady::unsupported(&format!(
            "provider.vault.{field} other than ConfigMap {SYSTEM_NAMESPACE}/{AUTHORITY_CA_BUNDLE}"
        )));
    }
    let mount = vault.path.as_deref().unwrap_or(SECRET_MOUNT).trim_end_matches('/').to_owned();
    if mount != SECRET_MOUNT {
        return Err(NotReady::unsupported("provider.vault.path other than secret"));
    }
    let own = |auth: &VaultAuth| own_identity(auth, home.mount());
    let read_only = vault.auth.as_ref().map_or(Ok(false), own)?;
    let server = &vault.server;
    let site = home.endpoint(server).ok_or_else(|| {
        let message = format!(
            "regent's own identity is used only with the authority of this installation, not with \
             {server}; name the address in RuntimeAuthority"
        );
        NotReady::until_change("UnknownAuthority", message)
    })?;
    Ok(Served { site, mount, read_only })
}

/// Whether the store names the materializer's own role; an error where it names another login.
fn own_identity(auth: &VaultAuth, mount: &str) -> Result<bool, NotReady> {
    if let Some(method) = auth.other.keys().next() {
        return Err(NotReady::unsupported(&format!("provider.vault.auth.{method}")));
    }
    let Some(kubernetes) = &auth.kubernetes else { return Ok(false) };
    if let Some(field) = kubernetes.other.keys().next() {
        return Err(NotReady::unsupported(&format!("provider.vault.auth.kubernetes.{field}")));
    }
    if kubernetes.mount_path.as_deref().is_some_and(|m| m != mount) {
        let field = format!("provider.vault.auth.kubernetes.mountPath other than {mount}");
        return Err(NotReady::unsupported(&field));
    }
    if kubernetes.role != Identity::Materializer.account() {
        let field = format!("provider.vault.auth.kubernetes.role {}", kubernetes.role);
        return Err(NotReady::unsupported(&field));
    }
    Ok(true)
}

/// What a store's status says (ESO reasons `Valid`, `InvalidProviderConfig`), and its capabilities.
pub(crate) fn verdict(resolution: &Resolution) -> Option<(Verdict, &'static str)> {
    match resolution {
        Resolution::NotOurs => None,
        Resolution::Ours(served) if served.read_only => {
            Some((Verdict::yes("Valid", "store validated"), "ReadOnly"))
        }
        Resolution::Ours(_) => Some((Verdict::yes("Valid", "store validated"), "ReadWrite")),
        Resolution::Refused(not_ready) => {
            let reason = match not_ready.reason {
                "Unsupported" => "Unsupported",
                _ => "InvalidProviderConfig",
            };
            Some((Verdict::no(reason, not_ready.message.clone()), "ReadOnly"))
        }
    }
}

/// Whether a ClusterSecretStore with these `conditions` may be used in `namespace` (entries are
/// ORed). A condition that regent cannot evaluate refuses the store.
pub(crate) fn usable_in(
    conditions: &[Value],
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<bool, NotReady> {
    if conditions.is_empty() {
        return Ok(true);
    }
    let mut usable = false;
    for condition in conditions {
        let fields =
            condition.as_object().ok_or_else(|| NotReady::unsupported("spec.conditions"))?;
        for (field, value) in fields {
            usable |= match field.as_str() {
                "namespaces" => texts(value).any(|n| n == namespace),
                "namespaceRegexes" => matches_any(value, namespace)?,
                "namespaceSelector" => selects(value, labels)?,
                other => return Err(NotReady::unsupported(&format!("spec.conditions.{other}"))),
            };
        }
    }
    Ok(usable)
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn matches_any(value: &Value, namespace: &str) -> Result<bool, NotReady> {
    for pattern in texts(value) {
        let regex = regex::Regex::new(pattern)
            .map_err(|_| NotReady::unsupported(&format!("spec.conditions regex {pattern:?}")))?;
        if regex.is_match(namespace) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn selects(value: &Value, labels: &BTreeMap<String, String>) -> Result<bool, NotReady> {
    let expressions = value.get("matchExpressions").and_then(Value::as_array);
    if expressions.is_some_and(|e| !e.is_empty()) {
        return Err(NotReady::unsupported("spec.conditions.namespaceSelector.matchExpressions"));
    }
    let Some(wanted) = value.get("matchLabels").and_then(Value::as_object) else { return Ok(true) };
    Ok(wanted.iter().all(|(k, v)| labels.get(k).map(String::as_str) == v.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOME: &str = "https://authority.example:8200";

    fn found(class: &str, provider: Value) -> String {
        let provider: Provider = serde_json::from_value(provider).expect("a provider");
        match resolve(class, &provider, &TrustedAuthority::at(HOME, "east")) {
            Resolution::Ours(served) => format!("ours {} {}", served.mount, served.read_only),
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
            (
                "",
                vault(ca("regent-authority-ca", "team")),
                "Unsupported: provider.vault.caProvider",
            ),
            ("", vault(ca("other", "regent-system")), "Unsupported: provider.vault.caProvider"),
            ("", vault(json!({ "caBundle": "UEVN" })), "Unsupported: provider.vault.caBundle"),
            (
                "",
                vault(json!({ "auth": { "tokenSecretRef": { "name": "t" } } })),
                "Unsupported: provider.vault.auth.tokenSecretRef",
            ),
        ];
        for (class, provider, expected) in table {
            let text = found(class, provider.clone());
            assert!(text.starts_with(expected), "{provider}: {text}");
        }
    }

    /// C7-1: a namespaced store cannot have the materializer's token sent elsewhere.
    #[test]
    fn the_own_identity_is_not_shown_to_another_server() {
        for server in
            ["https://attacker.example", "https://authority.example:8200.attacker.example"]
        {
            let text = found("", json!({ "vault": { "server": server } }));
            assert!(text.starts_with("UnknownAuthority"), "{text}");
        }
    }

    #[test]
    fn store_conditions_are_evaluated_or_refused() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let asked = |conditions: Value| {
            let conditions = conditions.as_array().cloned().unwrap_or_default();
            usable_in(&conditions, "payments", &labels).map_err(|r| r.reason)
        };
        assert_eq!(asked(json!([])), Ok(true));
        assert_eq!(asked(json!([{ "namespaces": ["web"] }])), Ok(false));
        assert_eq!(
            asked(json!([{ "namespaces": ["web"] }, { "namespaceRegexes": ["^pay"] }])),
            Ok(true)
        );
        let by_label = json!([{ "namespaceSelector": { "matchLabels": { "team": "a" } } }]);
        assert_eq!(asked(by_label), Ok(true));
        assert_eq!(asked(json!([{ "somethingNew": true }])), Err("Unsupported"));
    }
}
