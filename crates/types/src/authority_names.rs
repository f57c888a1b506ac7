//! Mounts, roles and chains as they are named in the authority.

use crate::identity::Identity;

/// Mount of secret values.
pub const SECRET_MOUNT: &str = "secret";
/// Mount of records, candidates, the HMAC key and the ledger.
pub const REGENT_MOUNT: &str = "regent";
/// The login mount where none is named.
pub const KUBERNETES_MOUNT: &str = "kubernetes";
/// The role that equals root, for warden, only while a difference is repaired.
pub const CONFIGURATOR: &str = "regent-configurator";
/// How far the clocks of authority and API server may be apart where the authority judges tokens alone; its default.
pub const CLOCK_SKEW_S: i64 = 60;
/// Versions kept per secret: current, previous and room for a rotation under way (PROTOCOLS.md §4.0: not below 3).
pub const MAX_VERSIONS: i64 = 10;
/// Identities that log in to the authority.
pub const LOGINS: [Identity; 5] = [
    Identity::Warden,
    Identity::Orchestrator,
    Identity::Materializer,
    Identity::Publisher,
    Identity::Reader,
];

/// Name of `account`'s policy for the installation that logs in at `mount`. No account has a dot in its name.
pub fn policy_name(account: &str, mount: &str) -> String {
    if mount == KUBERNETES_MOUNT { account.to_owned() } else { format!("{account}.{mount}") }
}

/// Name of `identity`'s ledger chain for the installation that logs in at `mount`: each installation has chains of its
/// own, so that none can write in another's name and none waits for another.
pub fn chain_name(identity: Identity, mount: &str) -> String {
    policy_name(identity.name(), mount)
}
