//! What each identity may do in the authority: mounts, ACL policies and roles of the login mount, as warden writes
//! them and `verify` compares them (PROTOCOLS.md §3; RFC row C5a-3).
//!
//! Several installations may share an authority, each with a login mount of its own. A policy names its mount, so that
//! each has policies of its own too: their names bear the mount's, and nowhere but here is that decided.

use serde_json::{Value, json};

use regent_types::authority_names::{CLOCK_SKEW_S, CONFIGURATOR, LOGINS, chain_name, policy_name};
use regent_types::grant::PathGrant;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_AUDIENCE, SYSTEM_NAMESPACE};
use regent_types::login::{Login, LoginMethod};

/// Trees that the publisher writes.
const PUBLISHED: [&str; 2] = ["platform-data/*", "platform-config/*"];

/// Where the embedded authority tells of its snapshots, and is asked for one.
const SNAPSHOTS: &str = "sys/regent/snapshots";

/// An ACL policy of the authority, as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclPolicy {
    /// Name, the same as the role's.
    pub name: String,
    /// HCL text, the same for the same table and grants.
    pub text: String,
}

/// Type of the auth method at the login mount.
pub fn mount_type(method: LoginMethod) -> &'static str {
    match method {
        LoginMethod::TokenReview => "kubernetes",
        LoginMethod::Keys => "jwt",
    }
}

/// A role of the login mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Name of the role.
    pub name: String,
    /// ServiceAccount in `regent-system` that may use it.
    pub account: String,
    /// Name of the one policy that its tokens have.
    pub policy: String,
    /// Token lifetime in seconds.
    pub token_ttl_s: i64,
    /// How its tokens are judged.
    pub method: LoginMethod,
}

impl Role {
    /// Body of the request that writes it to `auth/{mount}/role/{name}`.
    pub fn body(&self) -> Value {
        let mut body = match self.method {
            LoginMethod::TokenReview => json!({
                "bound_service_account_names": [self.account],
                "bound_service_account_namespaces": [SYSTEM_NAMESPACE],
                "audience": AUTHORITY_AUDIENCE,
            }),
            LoginMethod::Keys => json!({
                "role_type": "jwt",
                "bound_audiences": [AUTHORITY_AUDIENCE],
                "bound_subject": format!("system:serviceaccount:{SYSTEM_NAMESPACE}:{}", self.account),
                "user_claim": "sub",
                // The API server's tokens always say when they end: one that does not is none of its.
                "expiration_leeway": -1,
                "clock_skew_leeway": CLOCK_SKEW_S,
            }),
        };
        body["token_policies"] = json!([self.policy]);
        body["token_no_default_policy"] = json!(true);
        body["token_ttl"] = json!(self.token_ttl_s);
        body["token_max_ttl"] = json!(self.token_ttl_s);
        body
    }
}

/// Every role of the login mount.
pub fn roles(login: &Login) -> Vec<Role> {
    let of = |name: String, account: String, token_ttl_s| Role {
        policy: policy_name(&name, &login.mount),
        name,
        account,
        token_ttl_s,
        method: login.method,
    };
    let mut all: Vec<Role> = LOGINS
        .iter()
        .map(|i| of(i.account(), i.account(), if *i == Identity::Reader { 3_600 } else { 600 }))
        .collect();
    all.push(of(CONFIGURATOR.into(), Identity::Warden.account(), 300));
    all
}

/// Every ACL policy of the installation that logs in at `mount`; `grants` opens the paths that RuntimeAuthority grants
/// beyond the three trees.
pub fn policies(mount: &str, grants: &[PathGrant]) -> Vec<AclPolicy> {
    let of = |account: &str, rules: &[PathRule]| AclPolicy {
        name: policy_name(account, mount),
        text: render(rules),
    };
    let mut all: Vec<AclPolicy> =
        LOGINS.iter().map(|i| of(&i.account(), &rules(*i, mount, grants))).collect();
    let everything = ["create", "read", "update", "patch", "delete", "list", "sudo"];
    let everything = PathRule { path: "*".into(), capabilities: everything.to_vec() };
    all.push(of(CONFIGURATOR, &[everything]));
    all
}

/// One stanza of an ACL policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// A path below `/v1/`; one that ends in `*` is a prefix.
    pub path: String,
    /// What is granted there.
    pub capabilities: Vec<&'static str>,
}

/// The rules of `identity`'s policy for the installation that logs in at `mount`.
pub fn rules(identity: Identity, mount: &str, grants: &[PathGrant]) -> Vec<PathRule> {
    match identity {
        Identity::Warden => [warden(mount), ledger(identity, mount)].concat(),
        Identity::Orchestrator => [orchestrator(grants), ledger(identity, mount)].concat(),
        Identity::Materializer => materializer(grants),
        Identity::Publisher => [publisher(), ledger(identity, mount)].concat(),
        Identity::Reader => reader(mount),
        Identity::Intent | Identity::Bootstrap | Identity::Triggers | Identity::Authority => {
            Vec::new()
        }
    }
}

fn allow(path: impl Into<String>, capabilities: &[&'static str]) -> PathRule {
    PathRule { path: path.into(), capabilities: capabilities.to_vec() }
}

/// Of the ledger: whose chains there are, and the own one, which only grows.
fn ledger(identity: Identity, mount: &str) -> Vec<PathRule> {
    let own = format!("regent/data/ledger/{}/*", chain_name(identity, mount));
    vec![allow("regent/metadata/ledger/*", &["list"]), allow(own, &["create", "read"])]
}

/// How the authority is set up.
fn setup(mount: &str) -> Vec<PathRule> {
    let config = format!("auth/{mount}/config");
    let paths = ["sys/mounts", "sys/auth", "sys/policies/acl/*", &config];
    paths.into_iter().map(|path| allow(path, &["read"])).collect()
}

fn warden(mount: &str) -> Vec<PathRule> {
    let mut all = setup(mount);
    all.extend([
        // Whether a device is on; the path asks for sudo even to be read (reference: authority.md §1.4).
        allow("sys/audit", &["read", "sudo"]),
        allow(format!("auth/{mount}/role/*"), &["read"]),
        allow("secret/config", &["read"]),
        allow("regent/config", &["read"]),
        allow(SNAPSHOTS, &["read"]),
    ]);
    all
}

fn orchestrator(grants: &[PathGrant]) -> Vec<PathRule> {
    let mut all = Vec::new();
    for tree in std::iter::once("runtime/*".to_owned()).chain(grants.iter().map(|g| glob(&g.path)))
    {
        all.extend([
            allow(format!("secret/data/{tree}"), &["create", "read", "update"]),
            allow(format!("secret/metadata/{tree}"), &["patch", "read"]),
            allow(format!("secret/destroy/{tree}"), &["update"]),
        ]);
    }
    all.extend(PUBLISHED.map(|tree| allow(format!("secret/metadata/{tree}"), &["read"])));
    all.extend([
        allow("secret/config", &["read"]),
        allow("regent/data/record/*", &["create", "read", "update"]),
        allow("regent/data/pending/*", &["create", "read"]),
        allow("regent/metadata/pending/*", &["delete", "read"]),
        allow("regent/data/keys/hmac", &["create", "read"]),
    ]);
    all
}

fn materializer(grants: &[PathGrant]) -> Vec<PathRule> {
    // The version of a path is looked at without its value.
    let of = |tree: String| {
        ["data", "metadata"].map(|part| allow(format!("secret/{part}/{tree}"), &["read"]))
    };
    readable(grants).into_iter().flat_map(of).collect()
}

fn publisher() -> Vec<PathRule> {
    let of = |tree: &str| {
        [
            allow(format!("secret/data/{tree}"), &["create", "read", "update"]),
            allow(format!("secret/metadata/{tree}"), &["patch"]),
            // What is published no more: one version, which can be undone.
            allow(format!("secret/delete/{tree}"), &["update"]),
        ]
    };
    PUBLISHED.into_iter().flat_map(of).collect()
}

fn reader(mount: &str) -> Vec<PathRule> {
    // A person's token is looked at and given back by whatever client the person uses.
    let mut all = vec![
        allow("auth/token/lookup-self", &["read"]),
        allow("auth/token/revoke-self", &["update"]),
    ];
    all.extend(setup(mount));
    all.extend([
        // A person asks for a snapshot: ciphertext, at the place that was declared, beside those of the schedule.
        allow(SNAPSHOTS, &["read", "update"]),
        allow("sys/policies/acl", &["list"]),
        allow(format!("auth/{mount}/role"), &["list"]),
        allow(format!("auth/{mount}/role/*"), &["read", "list"]),
        // Who else could have a token: none of these shows one, or a value.
        allow("auth/token/roles", &["list"]),
        allow("identity/entity/id", &["list"]),
        allow("identity/entity/id/*", &["read"]),
        allow("identity/group/id", &["list"]),
        allow("identity/group/id/*", &["read"]),
        allow("auth/token/accessors", &["list", "sudo"]),
        allow("auth/token/lookup-accessor", &["update"]),
        allow("secret/config", &["read"]),
        allow("secret/metadata/*", &["list", "read"]),
        allow("regent/metadata/*", &["list", "read"]),
        allow("regent/data/record/*", &["read"]),
        allow("regent/data/ledger/*", &["read"]),
    ]);
    all
}

fn readable(grants: &[PathGrant]) -> Vec<String> {
    let trees = std::iter::once("runtime/*").chain(PUBLISHED).map(str::to_owned);
    trees.chain(grants.iter().map(|g| glob(&g.path))).collect()
}

/// A grant ending in `/` is a prefix, any other is one path.
fn glob(path: &str) -> String {
    if path.ends_with('/') { format!("{path}*") } else { path.to_owned() }
}

fn render(rules: &[PathRule]) -> String {
    let mut text = String::new();
    for PathRule { path, capabilities } in rules {
        let list: Vec<String> = capabilities.iter().map(|c| format!("\"{c}\"")).collect();
        text.push_str(&format!("path \"{path}\" {{\n  capabilities = [{}]\n}}\n", list.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_types::authority_names::KUBERNETES_MOUNT;

    fn policy(identity: Identity) -> String {
        let name = identity.account();
        policies(KUBERNETES_MOUNT, &[])
            .into_iter()
            .find(|p| p.name == name)
            .map(|p| p.text)
            .unwrap_or_default()
    }

    /// DESIGN.md §2: the materializer may never write, the publisher never reaches `runtime/`.
    #[test]
    fn data_flows_one_way() {
        let materializer = policy(Identity::Materializer);
        for stanza in materializer.split("path ") {
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

    /// C9-1: two installations write no policy of each other's.
    #[test]
    fn a_mount_has_policies_of_its_own() {
        let names = |mount| policies(mount, &[]).into_iter().map(|p| p.name).collect::<Vec<_>>();
        assert!(names("east").iter().all(|name| name.ends_with(".east")));
        assert!(names("east").iter().all(|name| !names(KUBERNETES_MOUNT).contains(name)));
        for policy in policies("east", &[]) {
            assert!(!policy.text.contains("auth/kubernetes"), "{}", policy.text);
            for foreign in ["warden", "orchestrator", "publisher"] {
                assert!(!policy.text.contains(&format!("data/ledger/{foreign}/")));
            }
        }
        let login = Login { mount: "east".into(), method: LoginMethod::Keys };
        for role in roles(&login) {
            assert_eq!(role.policy, format!("{}.east", role.name));
        }
    }

    /// Each method binds a role to its one account and to the one audience.
    #[test]
    fn a_role_admits_one_account() {
        let body = |method| {
            let login = Login { method, ..Login::default() };
            roles(&login).into_iter().find(|r| r.name == "regent-reader").unwrap().body()
        };
        let review = body(LoginMethod::TokenReview);
        assert_eq!(review["bound_service_account_names"], json!(["regent-reader"]));
        assert_eq!(review["audience"], "regent-authority");
        let keys = body(LoginMethod::Keys);
        assert_eq!(keys["bound_subject"], "system:serviceaccount:regent-system:regent-reader");
        assert_eq!(keys["bound_audiences"], json!(["regent-authority"]));
        assert_eq!(keys["role_type"], "jwt");
        for body in [review, keys] {
            assert_eq!(body["token_policies"], json!(["regent-reader"]));
        }
    }
}
