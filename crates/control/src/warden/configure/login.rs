//! The login mount: whose it is, what tokens are judged by there, and whether an installation may make it. Pure.

use std::collections::BTreeSet;

use regent_install::access::authority::{mount_type, policies};
use regent_types::authority_names::KUBERNETES_MOUNT;
use regent_types::neighbour::{described_installation, mount_description};
use serde_json::{Value, json};

use super::{Change, Conflict, DesiredConfig, Live, MOUNTS, acl, changes, data};
use crate::warden::Args;
use crate::warden::issuer::Issuer;

/// What the authority judges login tokens by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::warden) enum Judge {
    /// It asks this API server.
    Reviewer(Args),
    Keys(Issuer),
}

/// A mount of an own name belongs to the installation that made it, which its description says: two that declare the
/// same one would take it from each other for ever. The mount `kubernetes` goes to whoever a person lets recover.
pub(super) fn login_mount(
    desired: &DesiredConfig,
    live: &Live,
) -> Result<Option<Change>, Conflict> {
    let DesiredConfig { login, installation, .. } = desired;
    let (mount, expected) = (&login.mount, mount_type(login.method));
    let ours = match mount == KUBERNETES_MOUNT {
        true => String::new(),
        false => mount_description(installation),
    };
    let found = data(live, "sys/auth").map(|d| &d[format!("{mount}/")]);
    match found.filter(|m| !m.is_null()) {
        None => Ok(Some(Change {
            what: format!("auth {mount}/"),
            path: format!("sys/auth/{mount}"),
            body: json!({ "type": expected, "description": ours }),
        })),
        Some(m) if is_anothers(m, &ours) => {
            let theirs = &m["description"];
            Err(Conflict(format!(
                "auth/{mount}/ is described as {theirs}, expected {ours:?}: name a mount of this \
                 installation's own in spec.external.login"
            )))
        }
        Some(m) if m["type"] == expected => Ok(None),
        Some(m) => {
            let kind = &m["type"];
            Err(Conflict(format!(
                "auth/{mount}/ is of type {kind}, expected {expected}: move it away, or name \
                 another mount in spec.external.login"
            )))
        }
    }
}

/// Whether an installation may join the authority as it is: regent's mounts are there, its own login mount is not, or is
/// of an earlier try, and nothing is in the way.
pub(in crate::warden) fn joinable(desired: &DesiredConfig, live: &Live) -> Result<(), Conflict> {
    let DesiredConfig { login, installation, .. } = desired;
    for mount in MOUNTS {
        if data(live, "sys/mounts").is_none_or(|d| d[format!("{mount}/")].is_null()) {
            return Err(Conflict(format!(
                "there is no {mount}/, so that no installation of regent is here to be joined"
            )));
        }
    }
    let (mount, ours) = (&login.mount, mount_description(installation));
    let found = data(live, "sys/auth").map(|d| &d[format!("{mount}/")]);
    if let Some(taken) = found.filter(|m| !m.is_null() && m["description"] != ours.as_str()) {
        let theirs = &taken["description"];
        return Err(Conflict(format!(
            "auth/{mount}/ is there, described as {theirs}, not as {ours:?}"
        )));
    }
    // Whoever took over a policy's name would find it in the way of nothing: it is written over. So it is judged here.
    let known = policies(&login.mount, &desired.grants);
    let resumed = found.is_some_and(|m| !m.is_null());
    match known.iter().find(|p| !resumed && data(live, &acl(&p.name)).is_some()) {
        Some(policy) => {
            Err(Conflict(format!("policy {} is there, of a mount that is not", policy.name)))
        }
        None => changes(desired, live).map(drop),
    }
}

/// Whether a description names an installation other than `ours` does.
fn is_anothers(mount: &Value, ours: &str) -> bool {
    let theirs = mount["description"].as_str().unwrap_or_default();
    !ours.is_empty() && described_installation(theirs).is_some() && theirs != ours
}

impl Judge {
    /// Whether the mount's configuration `found` says so, and nothing that tokens would be judged by instead.
    pub(super) fn is_asked(&self, found: &Value) -> bool {
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        match self {
            Self::Reviewer(args) => {
                let ca = args.kubernetes_ca_cert.as_deref().unwrap_or_default();
                text("kubernetes_host") == args.kubernetes_host
                    && text("kubernetes_ca_cert").trim() == ca.trim()
                    && found["token_reviewer_jwt_set"] != true
            }
            Self::Keys(issuer) => {
                let keys = found["jwt_validation_pubkeys"].as_array();
                let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(str::trim);
                keys.collect::<BTreeSet<_>>() == issuer.keys.iter().map(String::as_str).collect()
                    && text("bound_issuer") == issuer.name
                    && ["oidc_discovery_url", "jwks_url"].iter().all(|f| text(f).is_empty())
            }
        }
    }

    /// Body of `auth/{mount}/config`; what it does not name goes back to its default.
    pub(super) fn body(&self) -> Value {
        match self {
            Self::Reviewer(args) => json!({
                "kubernetes_host": args.kubernetes_host,
                "kubernetes_ca_cert": args.kubernetes_ca_cert.as_deref().unwrap_or_default(),
                "token_reviewer_jwt": "",
            }),
            Self::Keys(issuer) => json!({
                "jwt_validation_pubkeys": issuer.keys,
                "bound_issuer": issuer.name,
            }),
        }
    }
}
