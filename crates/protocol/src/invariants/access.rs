//! Who may read and write: the table in code, and nothing beside it.

use std::collections::BTreeMap;

use regent_types::SecretPath;
use regent_types::identity::Identity;
use regent_types::neighbour::parts_of;
use regent_types::path::Tree;

use super::exempt;
use super::finding::Findings;
use super::powers;
use super::seen::{GrantSeen, SubjectSeen};
use super::snapshot::Snapshot;

/// Prefixes of API paths that hold secret state.
const SECRET_STATE: [&str; 2] = ["secret/", "regent/"];

/// How findings name an ACL policy.
const POLICY: &str = "policy";

/// Everybody who can change secret state is in the table.
pub(super) fn writers_known(s: &Snapshot, found: &mut Findings) {
    for b in s.rbac.iter().filter(|b| !b.widens) {
        let message = match b.extra {
            true => format!("not in the table: {}", b.says),
            false => format!("missing: {}", b.says),
        };
        let (expected, is) =
            if b.extra { ("nothing", b.says.as_str()) } else { (b.says.as_str(), "nothing") };
        found.add(&b.object, message, [expected, is, "compare with regent install and correct it"]);
    }
    for (grant, own) in changers(s).into_iter().filter(|(_, own)| !own) {
        changes(s, grant, own, found);
    }
    differ(POLICY, &s.policies, &s.policies_expected, found);
    differ("auth role", &s.roles, &s.roles_expected, found);
}

fn differ(
    kind: &str,
    live: &BTreeMap<String, String>,
    table: &BTreeMap<String, String>,
    found: &mut Findings,
) {
    for (name, text) in live {
        let object = format!("{kind} {name}");
        match table.get(name) {
            Some(expected) if expected == text => {}
            Some(_) => found.add(
                object,
                "differs from the table",
                ["the table's text", "another", "let warden repair it, and find out who wrote it"],
            ),
            None => match parts_of(name).filter(|_| kind == POLICY) {
                Some((_, mount)) => found.add(
                    object,
                    format!("of another installation, at auth/{mount}, and not as its warden writes it"),
                    [
                        "all policies of that mount as the table says, and the mount",
                        name,
                        "look with `regent verify` in the cluster that logs in there; if there is none any more, \
                         remove it",
                    ],
                ),
                None => found.add(
                    object,
                    "regent did not write it",
                    ["nothing", name, "remove it, or move its users to an authority of their own"],
                ),
            },
        }
    }
    for name in table.keys().filter(|n| !live.contains_key(*n)) {
        let object = format!("{kind} {name}");
        found.add(object, "missing", [name, "nothing", "let warden write it"]);
    }
}

/// Every write to secret state came from the identity whose data flows there (S5.5-3).
pub(super) fn no_upward_write(s: &Snapshot, found: &mut Findings) {
    for write in s.writes.iter().filter(|w| SECRET_STATE.iter().any(|p| w.path.starts_with(p))) {
        if !writers_of(&write.path).iter().any(|i| write.by == i.account()) {
            found.add(
                &write.path,
                format!("written by {} at {}", write.by, write.at),
                ["a write by the path's own component", &write.by, "find out what that token is"],
            );
        }
    }
}

/// Identities that may write an API path.
fn writers_of(api: &str) -> Vec<Identity> {
    if api.starts_with("secret/config") || api.starts_with("regent/config") {
        return vec![Identity::Warden];
    }
    let below = |mount: &str| {
        let rest = api.strip_prefix(mount)?;
        ["data/", "metadata/", "destroy/", "delete/", "undelete/"]
            .iter()
            .find_map(|p| rest.strip_prefix(p))
    };
    if let Some(path) = below("secret/") {
        return match SecretPath::parse(path).map(|p| p.tree()) {
            Ok(Tree::PlatformData | Tree::PlatformConfig) => vec![Identity::Publisher],
            _ => vec![Identity::Orchestrator],
        };
    }
    match below("regent/").and_then(|p| p.strip_prefix("ledger/")) {
        // A chain is named after its writer, and the mount where that logs in.
        Some(ledger) => {
            let writer = ledger.split(['/', '.']).next();
            Identity::ALL.into_iter().filter(|i| writer == Some(i.name())).collect()
        }
        None => vec![Identity::Orchestrator],
    }
}

/// Bindings beside the table that let Secrets be changed by somebody whom nothing exempts, and whether that is one of
/// regent's own.
fn changers(s: &Snapshot) -> Vec<(&GrantSeen, bool)> {
    let own = |g: &GrantSeen| {
        let mut accounts = g.subjects.iter().filter_map(SubjectSeen::as_account);
        accounts.any(|(namespace, name)| exempt::is_own(namespace, name))
    };
    let strong = s.bindings.iter().filter(|g| g.rules.iter().any(powers::changes_secrets));
    strong.map(|g| (g, own(g))).collect()
}

fn changes(s: &Snapshot, grant: &GrantSeen, own: bool, found: &mut Findings) {
    let who = powers::found_subjects(s, grant);
    if who.is_empty() {
        return;
    }
    let says = format!("{who} may change Secrets");
    if own {
        let message = format!("wider than the table: {says}");
        found.add(&grant.object, message, ["the table's rules", &says, "take the rule away"]);
    } else {
        let action = "compare with regent install and correct it";
        found.add(&grant.object, format!("not in the table: {says}"), ["nothing", &says, action]);
    }
}

/// Regent's own identities have no right beyond the table.
pub(super) fn least_privilege(s: &Snapshot, found: &mut Findings) {
    for (grant, own) in changers(s).into_iter().filter(|(_, own)| *own) {
        changes(s, grant, own, found);
    }
    for b in s.rbac.iter().filter(|b| b.widens) {
        let message = format!("wider than the table: {}", b.says);
        found.add(&b.object, message, ["the table's rules", &b.says, "take the rule away"]);
    }
}

/// Whoever is served a path is declared to consume it (C7-3).
pub(super) fn consumers_declared(s: &Snapshot, found: &mut Findings) {
    for c in s.consumers.iter().filter(|c| c.served) {
        for path in c.paths.iter().filter(|p| !allowed(s, &c.namespace, p)) {
            found.add(
                format!("ExternalSecret {}/{}", c.namespace, c.name),
                format!("is served {path} and is no declared consumer"),
                ["a declared consumer", &c.namespace, "declare it under consumers, or remove it"],
            );
        }
    }
}

fn allowed(s: &Snapshot, namespace: &str, path: &str) -> bool {
    let parsed = SecretPath::parse(path).ok();
    let segment = |n| parsed.as_ref().and_then(|p| p.segment(n));
    let own = match parsed.as_ref().map(SecretPath::tree) {
        Some(Tree::Runtime) => segment(1) == Some(namespace),
        Some(Tree::PlatformData | Tree::PlatformConfig) => segment(2) == Some(namespace),
        _ => false,
    };
    let declared =
        s.declaring(path).any(|r| r.namespace == namespace || r.consumers.contains(namespace));
    let annotated =
        s.publishing(path).any(|p| p.namespace == namespace || p.consumers.contains(namespace));
    own || declared || annotated
}

/// No root token lives (PROTOCOLS.md §3).
pub(super) fn root_revoked(s: &Snapshot, found: &mut Findings) {
    for accessor in &s.root_accessors {
        found.add(
            format!("token accessor {accessor}"),
            "a root token is alive",
            ["no token with policy root", accessor, "revoke it by its accessor"],
        );
    }
    if s.phase >= 3 && s.root_revoked != Some(true) {
        found.add(
            "RuntimeAuthority regent",
            "the root token of initialization is not known to be revoked",
            ["rootRevoked: true", "not true", "see what warden waits for"],
        );
    }
}

/// Nobody but warden reads the unseal identity.
pub(super) fn unseal_scoped(s: &Snapshot, found: &mut Findings) {
    for reader in &s.unseal_readers {
        found.add(
            format!("Secret {}", regent_types::labels::UNSEAL_IDENTITY_SECRET),
            format!("{reader} may read the unseal identity"),
            ["regent-warden alone", reader, "take that right away, then rekey"],
        );
    }
}
