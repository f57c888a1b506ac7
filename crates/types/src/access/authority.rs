//! What each identity may do in the authority: mounts, ACL policies and kubernetes-auth roles, as warden writes
//! them and `verify` compares them (PROTOCOLS.md §3; RFC row C5a-3).

use serde_json::{Value, json};

use super::identity::Identity;
use crate::labels::{AUTHORITY_AUDIENCE, SYSTEM_NAMESPACE};
use crate::resources::runtime_authority::PathGrant;

/// Mount of secret values.
pub const SECRET_MOUNT: &str = "secret";
/// Mount of records, candidates, the HMAC key and the ledger.
pub const REGENT_MOUNT: &str = "regent";
/// Mount of kubernetes auth.
pub const KUBERNETES_MOUNT: &str = "kubernetes";
/// The role that equals root, for warden, only while a difference is repaired.
pub const CONFIGURATOR: &str = "regent-configurator";
/// Versions kept per secret: current, previous and room for a rotation under way (PROTOCOLS.md §4.0: not below 3).
pub const MAX_VERSIONS: i64 = 10;

/// An ACL policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name, the same as the role's.
    pub name: String,
    /// HCL text, deterministic.
    pub text: String,
}

/// A kubernetes-auth role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Name of the role.
    pub name: String,
    /// ServiceAccount in `regent-system` that may use it.
    pub account: String,
    /// Its one policy.
    pub policy: String,
    /// Token lifetime in seconds.
    pub token_ttl_s: i64,
}

impl Role {
    /// Body of `auth/kubernetes/role/{name}`.
    pub fn body(&self) -> Value {
        json!({
            "bound_service_account_names": [self.account],
            "bound_service_account_namespaces": [SYSTEM_NAMESPACE],
            "audience": AUTHORITY_AUDIENCE,
            "token_policies": [self.policy],
            "token_no_default_policy": true,
            "token_ttl": self.token_ttl_s,
            "token_max_ttl": self.token_ttl_s,
        })
    }
}

/// Identities that log in to the authority.
pub const LOGINS: [Identity; 5] = [
    Identity::Warden,
    Identity::Orchestrator,
    Identity::Materializer,
    Identity::Publisher,
    Identity::Reader,
];

/// Every role.
pub fn roles() -> Vec<Role> {
    let of = |name: String, account: String, token_ttl_s| Role {
        policy: name.clone(),
        name,
        account,
        token_ttl_s,
    };
    let mut all: Vec<Role> = LOGINS
        .iter()
        .map(|i| of(i.account(), i.account(), if *i == Identity::Reader { 3_600 } else { 600 }))
        .collect();
    all.push(of(CONFIGURATOR.into(), Identity::Warden.account(), 300));
    all
}

/// Every ACL policy; `grants` opens the paths that RuntimeAuthority grants beyond the three trees.
pub fn policies(grants: &[PathGrant]) -> Vec<Policy> {
    let mut all: Vec<Policy> = LOGINS
        .iter()
        .map(|i| Policy { name: i.account(), text: render(&rules(*i, grants)) })
        .collect();
    let everything = ["create", "read", "update", "patch", "delete", "list", "sudo"];
    all.push(Policy {
        name: CONFIGURATOR.into(),
        text: render(&[("*".to_owned(), everything.to_vec())]),
    });
    all
}

type Rules = Vec<(String, Vec<&'static str>)>;

fn rules(identity: Identity, grants: &[PathGrant]) -> Rules {
    let mut all: Rules = Vec::new();
    let mut allow = |path: &str, capabilities: &[&'static str]| {
        all.push((path.to_owned(), capabilities.to_vec()));
    };
    allow("auth/token/lookup-self", &["read"]);
    allow("auth/token/revoke-self", &["update"]);
    let ledger = |writer: &str| format!("ledger/{writer}/*");
    match identity {
        Identity::Warden => {
            for path in ["sys/mounts", "sys/auth", "sys/policies/acl/*", "auth/kubernetes/config"] {
                allow(path, &["read"]);
            }
            allow("sys/policies/acl", &["list"]);
            // Whether a device is on; the path asks for sudo even to be read (reference: authority.md §1.4).
            allow("sys/audit", &["read", "sudo"]);
            allow("auth/kubernetes/role", &["list"]);
            allow("auth/kubernetes/role/*", &["read", "list"]);
            allow("secret/config", &["read"]);
            allow("regent/config", &["read"]);
            allow("regent/metadata/ledger/*", &["list", "read"]);
            allow(&format!("regent/data/{}", ledger("warden")), &["create", "read"]);
        }
        Identity::Orchestrator => {
            let runtime: Vec<String> = std::iter::once("runtime/*".to_owned())
                .chain(grants.iter().map(|g| glob(&g.path)))
                .collect();
            for tree in &runtime {
                allow(&format!("secret/data/{tree}"), &["create", "read", "update"]);
                allow(&format!("secret/metadata/{tree}"), &["list", "patch", "read"]);
                allow(&format!("secret/destroy/{tree}"), &["update"]);
            }
            for tree in ["platform-data/*", "platform-config/*"] {
                allow(&format!("secret/metadata/{tree}"), &["list", "read"]);
            }
            allow("secret/config", &["read"]);
            allow("regent/data/record/*", &["create", "read", "update"]);
            allow("regent/metadata/record/*", &["list", "read"]);
            allow("regent/data/pending/*", &["create", "read"]);
            allow("regent/metadata/pending/*", &["delete", "list", "read"]);
            allow("regent/data/keys/hmac", &["create", "read"]);
            allow("regent/metadata/ledger/*", &["list", "read"]);
            allow(&format!("regent/data/{}", ledger("orchestrator")), &["create", "read"]);
        }
        Identity::Materializer => {
            for tree in readable(grants) {
                allow(&format!("secret/data/{tree}"), &["read"]);
                allow(&format!("secret/metadata/{tree}"), &["list", "read"]);
            }
        }
        Identity::Publisher => {
            for tree in ["platform-data/*", "platform-config/*"] {
                allow(&format!("secret/data/{tree}"), &["create", "read", "update"]);
                allow(&format!("secret/metadata/{tree}"), &["patch", "read"]);
            }
            allow("regent/metadata/ledger/*", &["list", "read"]);
            allow(&format!("regent/data/{}", ledger("publisher")), &["create", "read"]);
        }
        Identity::Reader => {
            for path in ["sys/mounts", "sys/auth", "sys/policies/acl/*", "auth/kubernetes/config"] {
                allow(path, &["read"]);
            }
            allow("sys/policies/acl", &["list"]);
            allow("auth/kubernetes/role", &["list"]);
            allow("auth/kubernetes/role/*", &["read", "list"]);
            allow("auth/token/accessors", &["list", "sudo"]);
            allow("auth/token/lookup-accessor", &["update"]);
            allow("secret/config", &["read"]);
            allow("secret/metadata/*", &["list", "read"]);
            allow("regent/metadata/*", &["list", "read"]);
            allow("regent/data/record/*", &["read"]);
            allow("regent/data/ledger/*", &["read"]);
        }
        Identity::Intent | Identity::Bootstrap | Identity::Triggers | Identity::Authority => {}
    }
    all
}

fn readable(grants: &[PathGrant]) -> Vec<String> {
    ["runtime/*", "platform-data/*", "platform-config/*"]
        .into_iter()
        .map(str::to_owned)
        .chain(grants.iter().map(|g| glob(&g.path)))
        .collect()
}

/// A grant ending in `/` is a prefix, any other is one path.
fn glob(path: &str) -> String {
    if path.ends_with('/') { format!("{path}*") } else { path.to_owned() }
}

fn render(rules: &[(String, Vec<&'static str>)]) -> String {
    let mut text = String::new();
    for (path, capabilities) in rules {
        let list: Vec<String> = capabilities.iter().map(|c| format!("\"{c}\"")).collect();
        text.push_str(&format!("path \"{path}\" {{\n  capabilities = [{}]\n}}\n", list.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(identity: Identity) -> String {
        let name = identity.account();
        policies(&[]).into_iter().find(|p| p.name == name).map(|p| p.text).unwrap_or_default()
    }

    /// DESIGN.md §2: the materializer may never write, the publisher never reaches `runtime/`.
    #[test]
    fn data_flows_one_way() {
        let materializer = policy(Identity::Materializer);
        for stanza in materializer.split("path ").filter(|s| !s.contains("auth/token/")) {
            for verb in ["create", "update", "patch", "delete"] {
                assert!(!stanza.contains(&format!("\"{verb}\"")), "{verb}: {stanza}");
            }
        }
        assert!(!policy(Identity::Publisher).contains("runtime/"));
        assert!(!policy(Identity::Reader).contains("secret/data"));
        assert!(!policy(Identity::Reader).contains("keys/hmac"));
        assert!(!policy(Identity::Warden).contains("secret/data"));
    }

    /// PROTOCOLS.md §8: nobody may update or delete in the ledger.
    #[test]
    fn ledger_entries_can_only_be_created() {
        for identity in [Identity::Warden, Identity::Orchestrator, Identity::Publisher] {
            let text = policy(identity);
            let at = text.find("regent/data/ledger/").map(|i| &text[i..]).unwrap_or_default();
            let stanza = at.split('}').next().unwrap_or_default();
            assert!(stanza.contains(r#"["create", "read"]"#), "{stanza}");
        }
    }
}
