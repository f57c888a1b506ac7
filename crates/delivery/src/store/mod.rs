//! Which stores of External Secrets Operator regent serves, and where they lead: one reading, for who reads and for who
//! writes. Pure.
//!
//! **Architecture invariant `own-token-own-authority`:** a component's token is presented only to an address that
//! RuntimeAuthority or the installation names, never to one that a namespace can write.

mod conditions;

use regent_api::eso::secret_store::{Provider, VaultAuth, VaultProvider};
use regent_operator::trusted_authority::{AuthorityEndpoint, TrustedAuthority};
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, CONTROLLER_CLASS, SYSTEM_NAMESPACE};
use serde_json::{Map, Value};

use crate::not_ready::NotReady;
pub(crate) use conditions::usable_in;

/// Fields of the Vault provider that change what is asked or by whom, and that regent does not act on.
const UNSUPPORTED_FIELDS: [&str; 3] = ["namespace", "tls", "headers"];
/// Asks for check and set with every write. It says nothing of reads.
const CHECK_AND_SET: &str = "checkAndSet";

/// What a store is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    /// By the publisher, under check and set.
    Write,
}

impl Purpose {
    /// The roles that a store may name. The shared store names the materializer's: each component uses its own identity
    /// all the same.
    fn roles(self) -> &'static [Identity] {
        match self {
            Self::Read => &[Identity::Materializer],
            Self::Write => &[Identity::Materializer, Identity::Publisher],
        }
    }
}

/// A store as it is served: with regent's own identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Served {
    /// The authority, as the store writes its address.
    pub(crate) endpoint: AuthorityEndpoint,
    pub(crate) mount: String,
    /// Whether the store names the materializer's role, which only reads.
    pub(crate) read_only: bool,
}

/// Whose store it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    Ours(Served),
    /// Another controller's or another provider's: untouched, also in its status.
    NotOurs,
    /// Of regent's class, and not to be served.
    Refused(NotReady),
}

/// Whose store this is, for one `purpose`; `trusted` is the authority of this installation.
pub(crate) fn resolve(
    class: &str,
    provider: &Provider,
    purpose: Purpose,
    trusted: &TrustedAuthority,
) -> Resolution {
    if !class.is_empty() && class != CONTROLLER_CLASS {
        return Resolution::NotOurs;
    }
    let Some(vault) = &provider.vault else { return Resolution::NotOurs };
    match check(vault, purpose, trusted) {
        Ok(served) => Resolution::Ours(served),
        Err(not_ready) => Resolution::Refused(not_ready),
    }
}

/// The same for the store of one namespace, which is read through alone. Regent's own login is for stores of the cluster:
/// whoever writes in a namespace would lend it to himself (CVE-2026-42875 is of this kind), and no other login is acted on.
pub(crate) fn resolve_namespaced(
    class: &str,
    provider: &Provider,
    trusted: &TrustedAuthority,
) -> Resolution {
    match resolve(class, provider, Purpose::Read, trusted) {
        Resolution::Ours(_) => {
            let message = "a SecretStore has no login of its own here, and regent's own serves ClusterSecretStores \
                           alone; name a ClusterSecretStore such as vault-backend";
            Resolution::Refused(NotReady::until_change("NoLoginOfItsOwn", message))
        }
        other => other,
    }
}

fn check(
    vault: &VaultProvider,
    purpose: Purpose,
    trusted: &TrustedAuthority,
) -> Result<Served, NotReady> {
    if vault.version != "v2" {
        return Err(NotReady::unsupported("provider.vault.version other than v2"));
    }
    unsupported_fields(&vault.other, purpose)?;
    if let Some(field) = vault.foreign_ca() {
        return Err(NotReady::unsupported(&format!(
            "provider.vault.{field} other than ConfigMap {SYSTEM_NAMESPACE}/{AUTHORITY_CA_BUNDLE}"
        )));
    }
    let mount = vault.path.as_deref().unwrap_or(SECRET_MOUNT).trim_end_matches('/').to_owned();
    if mount != SECRET_MOUNT {
        return Err(NotReady::unsupported("provider.vault.path other than secret"));
    }
    let role = |auth: &VaultAuth| own_role(auth, purpose, trusted.mount());
    let role = vault.auth.as_ref().map_or(Ok(None), role)?;
    let server = &vault.server;
    let endpoint = trusted.endpoint(server).ok_or_else(|| {
        let message = format!(
            "regent's own identity is used only with the authority of this installation, not with \
             {server}; name the address in RuntimeAuthority"
        );
        NotReady::until_change("UnknownAuthority", message)
    })?;
    Ok(Served { endpoint, mount, read_only: role == Some(Identity::Materializer) })
}

fn unsupported_fields(other: &Map<String, Value>, purpose: Purpose) -> Result<(), NotReady> {
    let unsupported = |field: &str| NotReady::unsupported(&format!("provider.vault.{field}"));
    if let Some(field) = UNSUPPORTED_FIELDS.iter().find(|field| other.contains_key(**field)) {
        return Err(unsupported(field));
    }
    let Some(check_and_set) = other.get(CHECK_AND_SET) else { return Ok(()) };
    // Every write is made so, whether or not it is required.
    let fulfilled = check_and_set.as_object().is_some_and(|fields| {
        fields.iter().all(|(field, value)| field == "required" && value.is_boolean())
    });
    if purpose == Purpose::Write && fulfilled { Ok(()) } else { Err(unsupported(CHECK_AND_SET)) }
}

/// The role of regent's own that the store names, if it names one; an error where it names another login.
fn own_role(auth: &VaultAuth, purpose: Purpose, mount: &str) -> Result<Option<Identity>, NotReady> {
    let unsupported = |what: &str| NotReady::unsupported(&format!("provider.vault.auth.{what}"));
    if let Some(method) = auth.other.keys().next() {
        return Err(unsupported(method));
    }
    let Some(kubernetes) = &auth.kubernetes else { return Ok(None) };
    if let Some(field) = kubernetes.other.keys().next() {
        return Err(unsupported(&format!("kubernetes.{field}")));
    }
    if kubernetes.mount_path.as_deref().is_some_and(|m| m != mount) {
        return Err(unsupported(&format!("kubernetes.mountPath other than {mount}")));
    }
    let role = purpose.roles().iter().find(|identity| identity.account() == kubernetes.role);
    let foreign = || unsupported(&format!("kubernetes.role {}", kubernetes.role));
    role.map(|identity| Some(*identity)).ok_or_else(foreign)
}

#[cfg(test)]
mod tests;
