//! Names that are the same in every cluster, so that a run is created once (PROTOCOLS.md §7).

use sha2::{Digest, Sha256};

use regent_protocol::hmac::hex;

/// Longest part of the secret's name that is kept; the whole must fit into 253 characters.
const NAME_LEN_MAX: usize = 200;

/// `{kind}-{secret name}-{8 hex of sha256(namespace/name/path)}`.
pub(super) fn run(kind: &str, namespace: &str, name: &str, path: &str) -> String {
    named(kind, name, &format!("{namespace}/{name}/{path}"))
}

/// Name of the run that finishes a rotation whose own run is gone.
pub(super) fn resume(namespace: &str, name: &str, claimant: &str) -> String {
    named("resume", name, &format!("{namespace}/{name}/{claimant}"))
}

/// The same name, for the `turn`-th try to find one that nobody else has taken; the first is 0.
pub(super) fn other(name: &str, turn: u32) -> String {
    if turn == 0 { name.to_owned() } else { format!("{name}-{}", turn + 1) }
}

fn named(kind: &str, name: &str, hashed: &str) -> String {
    let digest = hex(&Sha256::digest(hashed.as_bytes())[..4]);
    let short: String = name.chars().take(NAME_LEN_MAX).collect();
    format!("{kind}-{short}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_name_in_every_cluster_and_another_one_for_another_path() {
        let name = run("handover", "payments", "db", "runtime/payments/db");
        assert_eq!(name, run("handover", "payments", "db", "runtime/payments/db"));
        assert!(name.starts_with("handover-db-") && name.len() == 20, "{name}");
        assert_ne!(name, run("handover", "payments", "db", "legacy/db"));
        assert!(run("handover", "n", &"x".repeat(253), "p").len() <= 253);
    }
}
