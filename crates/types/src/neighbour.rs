//! Another installation on the same authority, and how its mounts and policies name it.

use crate::authority_names::{CONFIGURATOR, KUBERNETES_MOUNT, LOGINS};

/// Another installation on the same authority, as far as its policies tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Mount at which its components log in.
    pub mount: String,
    /// Its name, where the mount's description says it.
    pub installation: Option<String>,
    /// Names of its policies; each is what the table says.
    pub policies: Vec<String>,
    /// Paths that it is granted beyond the three trees.
    pub grants: Vec<String>,
}

/// The account and the mount that a policy's name is made of, whether or not regent wrote it.
pub fn parts_of(policy: &str) -> Option<(&str, &str)> {
    let (account, mount) = policy.split_once('.').unwrap_or((policy, KUBERNETES_MOUNT));
    let known = account == CONFIGURATOR || LOGINS.iter().any(|i| i.account() == account);
    known.then_some((account, mount))
}

/// How the description of a login mount begins; the installation's name follows.
const OWNED_BY: &str = "regent installation ";

/// Description of the login mount of `installation`.
pub fn mount_description(installation: &str) -> String {
    format!("{OWNED_BY}{installation}")
}

/// The installation that a login mount's description names.
pub fn described_installation(description: &str) -> Option<&str> {
    description.strip_prefix(OWNED_BY)
}
