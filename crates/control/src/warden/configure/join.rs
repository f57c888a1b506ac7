//! Whether an installation may join an authority that others are on. Pure.

use regent_install::access::authority::policies;
use regent_types::neighbour::mount_description;

use super::changes::changes;
use super::desired::DesiredConfig;
use super::live::{Conflict, Live, MOUNTS, acl, data};

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
