//! The login mount: whose it is. Pure.

use regent_install::access::authority::mount_type;
use regent_types::authority_names::KUBERNETES_MOUNT;
use regent_types::neighbour::{described_installation, mount_description};
use serde_json::{Value, json};

use super::desired::DesiredConfig;
use super::live::{Change, Conflict, Live, data};

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

/// Whether a description names an installation other than `ours` does.
fn is_anothers(mount: &Value, ours: &str) -> bool {
    let theirs = mount["description"].as_str().unwrap_or_default();
    !ours.is_empty() && described_installation(theirs).is_some() && theirs != ours
}
