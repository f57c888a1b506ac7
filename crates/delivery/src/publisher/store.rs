//! Which ClusterSecretStores the publisher writes to. Pure.
//!
//! **Architecture invariant `own-token-own-authority`:** the publisher's token is presented only to
//! an address that RuntimeAuthority or the installation names.

use regent_api::ClusterSecretStoreSpec;
use regent_api::eso::secret_store::VaultAuth;
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, CONTROLLER_CLASS, SYSTEM_NAMESPACE};

use crate::not_ready::NotReady;
use regent_operator::trusted_authority::{AuthorityEndpoint, TrustedAuthority};

/// The authority behind a store; `None` where the store is another controller's.
pub(crate) fn server(
    name: &str,
    spec: &ClusterSecretStoreSpec,
    home: &TrustedAuthority,
) -> Result<Option<AuthorityEndpoint>, NotReady> {
    let ours = spec.controller.is_empty() || spec.controller == CONTROLLER_CLASS;
    let Some(vault) = spec.provider.vault.as_ref().filter(|_| ours) else { return Ok(None) };
    let unsupported = |what: &str| NotReady::unsupported(&format!("{what} of store {name}"));
    if vault.version != "v2" {
        return Err(unsupported("provider.vault.version other than v2"));
    }
    let mount = vault.path.as_deref().unwrap_or(SECRET_MOUNT).trim_end_matches('/');
    if mount != SECRET_MOUNT {
        return Err(unsupported("provider.vault.path other than secret"));
    }
    if let Some(field) =
        ["namespace", "tls", "headers"].iter().find(|f| vault.other.contains_key(**f))
    {
        return Err(unsupported(&format!("provider.vault.{field}")));
    }
    if let Some(field) = vault.foreign_ca() {
        return Err(unsupported(&format!(
            "provider.vault.{field} other than ConfigMap {SYSTEM_NAMESPACE}/{AUTHORITY_CA_BUNDLE}"
        )));
    }
    if !spec.conditions.is_empty() {
        return Err(unsupported("spec.conditions"));
    }
    let foreign = |auth: &VaultAuth| foreign_login(auth, home.mount());
    if let Some(login) = vault.auth.as_ref().and_then(foreign) {
        return Err(unsupported(&format!("provider.vault.auth.{login}")));
    }
    let server = &vault.server;
    let site = home.endpoint(server).ok_or_else(|| {
        let message = format!(
            "store {name}: regent's own identity is used only with the authority of this installation, \
             not with {server}; name the address in RuntimeAuthority"
        );
        NotReady::until_change("UnknownAuthority", message)
    })?;
    Ok(Some(site))
}

/// A login other than regent's own. The shared store may name the materializer's role: each
/// component uses its own identity all the same.
fn foreign_login(auth: &VaultAuth, mount: &str) -> Option<String> {
    if let Some(method) = auth.other.keys().next() {
        return Some(method.clone());
    }
    let kubernetes = auth.kubernetes.as_ref()?;
    let own = [Identity::Materializer.account(), Identity::Publisher.account()];
    if !own.contains(&kubernetes.role) {
        return Some(format!("kubernetes.role {}", kubernetes.role));
    }
    if let Some(field) = kubernetes.other.keys().next() {
        return Some(format!("kubernetes.{field}"));
    }
    let elsewhere = kubernetes.mount_path.as_deref().is_some_and(|m| m != mount);
    elsewhere.then(|| format!("kubernetes.mountPath other than {mount}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn found(vault: Value, class: &str) -> String {
        let spec = json!({ "controller": class, "provider": { "vault": vault } });
        let spec = serde_json::from_value(spec).expect("a spec");
        match server("vault-backend", &spec, &TrustedAuthority::at("https://home:8200/", "east")) {
            Ok(site) => site.map_or("not ours".into(), |s| format!("{} {}", s.address, s.mount)),
            Err(not_ready) => not_ready.reason.into(),
        }
    }

    #[test]
    fn the_own_identity_writes_only_to_the_own_authority() {
        let role = |r: &str| json!({ "server": "https://home:8200", "auth": { "kubernetes": { "role": r } } });
        assert_eq!(found(json!({ "server": "https://home:8200" }), ""), "https://home:8200 east");
        assert_eq!(found(role("regent-materializer"), "regent"), "https://home:8200 east");
        assert_eq!(found(role("regent-publisher"), ""), "https://home:8200 east");
        assert_eq!(found(role("somebody"), ""), "Unsupported");
        assert_eq!(found(json!({ "server": "https://home:8200" }), "default"), "not ours");
        assert_eq!(found(json!({ "server": "https://attacker" }), ""), "UnknownAuthority");
        let ca = json!({ "type": "ConfigMap", "name": "regent-authority-ca", "namespace": "regent-system" });
        let named = |ca: Value| json!({ "server": "https://home:8200", "caProvider": ca });
        assert_eq!(found(named(ca), ""), "https://home:8200 east");
        assert_eq!(found(named(json!({ "type": "Secret", "name": "mine" })), ""), "Unsupported");
        let mount = |m: &str| {
            let login = json!({ "role": "regent-materializer", "mountPath": m });
            json!({ "server": "https://home:8200", "auth": { "kubernetes": login } })
        };
        assert_eq!(found(mount("east"), ""), "https://home:8200 east");
        assert_eq!(found(mount("kubernetes"), ""), "Unsupported");
        let token = json!({ "server": "https://home:8200", "auth": { "tokenSecretRef": {} } });
        assert_eq!(found(token, ""), "Unsupported");
    }
}
