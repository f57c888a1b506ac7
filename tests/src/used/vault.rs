//! A line of an authority's audit log, embedded or OpenBao, as a request of a component. Pure.

use std::borrow::Cow;

use regent_types::authority_names::{KUBERNETES_MOUNT, chain_name};
use regent_types::identity::Identity;
use regent_types::neighbour::parts_of;
use serde_json::Value;

use super::paths::Ask;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// Nothing about a policy of the table.
    Other,
    /// A component was let through.
    Granted(Ask<'a>),
    /// Its policy refused a component.
    Refused(String),
}

/// How both say that a policy refused.
const DENIED: &str = "permission denied";

/// Reads one: every request has a line before its effect, which says whose token it was and whether it may.
pub(super) fn event(line: &Value) -> Event<'_> {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let held = line.pointer("/auth/policies").and_then(Value::as_array);
    let held: Vec<&str> = held.into_iter().flatten().filter_map(Value::as_str).collect();
    // The configurator equals root on purpose and is none of them.
    let found = held.iter().filter_map(|name| parts_of(name)).find_map(|(account, mount)| {
        let identity = Identity::ALL.into_iter().find(|i| i.account() == account)?;
        Some((identity, mount))
    });
    let (operation, path) = (text("/request/operation"), text("/request/path"));
    match found {
        Some((identity, _)) if text("/error").contains(DENIED) => {
            Event::Refused(format!("{} {operation} {path}", identity.name()))
        }
        Some((identity, mount)) if text("/type") == "request" => {
            Event::Granted(Ask { identity, operation, path: tabled(path, identity, mount) })
        }
        _ => Event::Other,
    }
}

/// `path` as the table has it, which speaks of the login mount `kubernetes` and of its chains.
fn tabled<'a>(path: &'a str, identity: Identity, mount: &str) -> Cow<'a, str> {
    let ledger = |mount: &str| format!("regent/data/ledger/{}/", chain_name(identity, mount));
    let login = |mount: &str| format!("auth/{mount}/");
    let places =
        [(login(mount), login(KUBERNETES_MOUNT)), (ledger(mount), ledger(KUBERNETES_MOUNT))];
    let found =
        places.iter().find_map(|(own, table)| Some((path.strip_prefix(own.as_str())?, table)));
    found.map_or(Cow::Borrowed(path), |(rest, table)| Cow::Owned(format!("{table}{rest}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_line_before_the_effect_says_it() {
        let mut line = json!({
            "type": "request", "auth": { "policies": ["regent-publisher"] },
            "request": { "operation": "read", "path": "secret/data/runtime/a/b" },
        });
        assert!(matches!(event(&line), Event::Granted(a) if a.identity == Identity::Publisher));
        line["type"] = json!("response");
        assert_eq!(event(&line), Event::Other);
        line["error"] = json!("1 error occurred:\n\t* permission denied\n\n");
        let refused = "publisher read secret/data/runtime/a/b";
        assert_eq!(event(&line), Event::Refused(refused.into()));
        for other in ["root", "regent-configurator", "regent-configurator.east", "somebody"] {
            line["auth"]["policies"] = json!([other]);
            assert_eq!(event(&line), Event::Other);
        }
    }

    #[test]
    fn a_login_mount_of_another_name_uses_the_same_cells() {
        for (path, expected) in [
            ("auth/east/config", "auth/kubernetes/config"),
            ("regent/data/ledger/warden.east/d/1", "regent/data/ledger/warden/d/1"),
            ("regent/data/ledger/warden.west/d/1", "regent/data/ledger/warden.west/d/1"),
            ("sys/auth", "sys/auth"),
        ] {
            let line = json!({
                "type": "request", "auth": { "policies": ["regent-warden.east"] },
                "request": { "operation": "read", "path": path },
            });
            let Event::Granted(ask) = event(&line) else { panic!("not granted") };
            assert_eq!((ask.identity, &*ask.path), (Identity::Warden, expected));
        }
    }
}
