//! What a gatherer saw of an installation: plain data, names, versions, times; never a value.

use std::collections::{BTreeMap, BTreeSet};

use regent_types::VersionPair;
use regent_types::grant::PathGrant;
use regent_types::neighbour::Neighbour;

use super::seen::{GrantSeen, HolderSeen, InterceptorSeen, RuleSeen, TokenSeen, Unseen};
use crate::ledger::{Entry, kinds};
use crate::record::Record;

/// A RuntimeSecret, reduced to what predicates compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredSecret {
    /// Namespace of the object, and of its bootstrap Secret.
    pub namespace: String,
    /// `metadata.name` of the object.
    pub name: String,
    /// Mount-relative path, declared or by default; `None` where it is not a path.
    pub path: Option<String>,
    /// Name of the bootstrap Secret that it hands over, if it does.
    pub bootstrap_secret: Option<String>,
    /// Namespaces under `spec.consumers`, which alone may read the path.
    pub consumers: BTreeSet<String>,
    /// Whether its status says that the authority is authoritative.
    pub is_runtime: bool,
    /// Version in force, as its status says.
    pub version: Option<VersionPair>,
}

impl DeclaredSecret {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// A PushSecret, reduced to its source and its paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredPush {
    /// Namespace of the object, and of its source.
    pub namespace: String,
    /// Name of the Secret that it publishes, if it names one.
    pub source: Option<String>,
    /// Mount-relative paths that it publishes.
    pub paths: BTreeSet<String>,
    /// Namespaces in its annotation `regent.dev/consumers`.
    pub consumers: BTreeSet<String>,
}

/// A Kubernetes Secret, by metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretSeen {
    /// Namespace that holds the Secret.
    pub namespace: String,
    /// `metadata.name` of the Secret.
    pub name: String,
    /// Label `regent.dev/class`, if any.
    pub class: Option<String>,
    /// Annotation `regent.dev/handed-over`, if any.
    pub handed_over: Option<String>,
    /// `type` of the Secret, such as `Opaque`.
    pub kind: String,
}

/// A Secret that the materializer marks as made from the authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaterializedSeen {
    /// Namespace of the Secret, and of its ExternalSecret.
    pub namespace: String,
    /// `metadata.name` of the Secret.
    pub name: String,
    /// Annotation `regent.dev/versions`: mount-relative path → version.
    pub versions: BTreeMap<String, VersionPair>,
    /// Whether an ExternalSecret of that namespace targets it.
    pub wanted: bool,
}

/// Metadata of a path in the `secret/` mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvSeen {
    /// Newest version; 0 where none was written.
    pub current_version: i64,
    /// Version → `created_time`, and whether it is live.
    pub versions: BTreeMap<i64, (String, bool)>,
}

/// An EncryptedManifest and the Secret that it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestSeen {
    /// Namespace, which is its Secret's too.
    pub namespace: String,
    /// Name, which is its Secret's too.
    pub name: String,
    /// Reason of its `Ready` condition.
    pub reason: String,
    /// When it last produced its Secret, RFC 3339.
    pub produced_at: Option<String>,
}

/// An ExternalSecret that names paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerSeen {
    /// Namespace of the object, and of the Secret that it makes.
    pub namespace: String,
    /// `metadata.name` of the object.
    pub name: String,
    /// Mount-relative paths that it reads, wholly or in part.
    pub paths: BTreeSet<String>,
    /// Whether it is served (`Ready`).
    pub served: bool,
}

/// Something on the API server or in the authority that lets somebody change secret state, as a
/// line of text such as `RoleBinding payments/x: ServiceAccount a/b may update secrets`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingSeen {
    /// Object it stands in.
    pub object: String,
    /// What it lets whom do.
    pub says: String,
    /// `true`: it is not in the table. `false`: the table has it and it was not found.
    pub extra: bool,
    /// It widens the rights of one of regent's own identities.
    pub widens: bool,
}

/// A policy or role text in the authority.
pub type PolicyText = String;

/// A write in the authority's audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSeen {
    /// API path of the request, the mount included.
    pub path: String,
    /// Role or display name of the token.
    pub by: String,
    /// Time of the request, RFC 3339, as the audit log has it.
    pub at: String,
}

/// A ledger chain as it was read, oldest first, and the head that was published for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSeen {
    /// Component that wrote the chain.
    pub writer: String,
    /// Entries of all days that were read, oldest first.
    pub entries: Vec<Entry>,
    /// `day/seq:hash` from RuntimeAuthority status, if any.
    pub published: Option<String>,
    /// The published head that a person has given up after a restore; the next entry of the chain says so too.
    pub accepted: Option<String>,
}

/// Where a path is declared or granted.
pub type NamespacedName = (String, String);

/// Everything that the predicates look at. Empty lists mean that there is nothing of the kind.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// `RuntimeAuthority.spec.installation`: the name that records bear.
    pub installation: String,
    /// `RuntimeAuthority.status.phase`; 0 where it says none.
    pub phase: i64,
    /// `RuntimeAuthority.status.rootRevoked`; absent while warden does not know.
    pub root_revoked: Option<bool>,
    /// Names of RuntimeAuthority objects.
    pub authorities: Vec<String>,
    /// `RuntimeAuthority.spec.grants`: which namespaces may use paths outside their own tree.
    pub grants: Vec<PathGrant>,
    /// Namespace and name of Secrets that initialization of the authority may use.
    pub bootstrap_uses: BTreeSet<NamespacedName>,
    /// RuntimeSecrets of the whole cluster.
    pub secrets: Vec<DeclaredSecret>,
    /// PushSecrets of the whole cluster.
    pub pushes: Vec<DeclaredPush>,
    /// ExternalSecrets of the whole cluster.
    pub consumers: Vec<ConsumerSeen>,
    /// Records, by the path at which they lie.
    pub records: BTreeMap<String, Record>,
    /// Every Secret of the namespaces that the installation names, materialized ones too.
    pub kube_secrets: Vec<SecretSeen>,
    /// Secrets in Kubernetes with the materializer's mark.
    pub materialized: Vec<MaterializedSeen>,
    /// Secrets outside regent's classes that are accounted for: `namespace/name`, or `namespace/*`.
    pub exempt: BTreeSet<String>,
    /// Paths of the `secret/` mount.
    pub kv: BTreeMap<String, KvSeen>,
    /// EncryptedManifests of the whole cluster.
    pub manifests: Vec<ManifestSeen>,
    /// Differences between live RBAC or admission policies and the table.
    pub rbac: Vec<BindingSeen>,
    /// Bindings of the whole cluster that the table does not have.
    pub bindings: Vec<GrantSeen>,
    /// Rules of every role, by `ClusterRole name` or `Role namespace/name`.
    pub cluster_roles: BTreeMap<String, Vec<RuleSeen>>,
    /// User names that the installation's values name under `admission`.
    pub named_users: BTreeSet<String>,
    /// Webhooks and mutating admission policies of the whole cluster.
    pub interceptors: Vec<InterceptorSeen>,
    /// Mount at which the installation's components log in, without `auth/`.
    pub login_mount: String,
    /// Secrets engines of the authority, path without its last slash → type.
    pub engines: BTreeMap<String, String>,
    /// Auth methods of the authority, path below `auth/` without its last slash → type.
    pub methods: BTreeMap<String, String>,
    /// Identity entities, identity groups and token roles that give policies to whoever is behind them.
    pub holders: Vec<HolderSeen>,
    /// Tokens that live, by their accessors.
    pub tokens: Vec<TokenSeen>,
    /// Longest life of a token of a role of the table, in seconds.
    pub token_ttl_max_s: i64,
    /// What the `regent/` mount lists: its top, and below `keys/` and `ledger/` one level more; folders end in a slash.
    pub regent_paths: BTreeSet<String>,
    /// What could not be looked at: no predicate that asks for it holds.
    pub unseen: Vec<Unseen>,
    /// Other installations on the same authority whose policies are as the table says.
    pub neighbours: Vec<Neighbour>,
    /// ACL policies found in the authority, by name, but for those of neighbours.
    pub policies: BTreeMap<String, PolicyText>,
    /// Text of policy `default`, which every token has whose role does not leave it out.
    pub default_policy: PolicyText,
    /// ACL policies of the table.
    pub policies_expected: BTreeMap<String, PolicyText>,
    /// Auth roles found, by name, as canonical text.
    pub roles: BTreeMap<String, PolicyText>,
    /// Auth roles of the table.
    pub roles_expected: BTreeMap<String, PolicyText>,
    /// Accessors of live tokens that carry the policy `root`.
    pub root_accessors: Vec<String>,
    /// Accounts other than warden's that may read the unseal identity.
    pub unseal_readers: Vec<String>,
    /// Writes to secret paths in the audit log, if it could be read.
    pub writes: Vec<WriteSeen>,
    /// One chain for each component that writes events.
    pub ledgers: Vec<LedgerSeen>,
}

impl Snapshot {
    /// RuntimeSecrets that declare `path`.
    pub(crate) fn declaring<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Iterator<Item = &'a DeclaredSecret> + 'a {
        self.secrets.iter().filter(move |s| s.path.as_deref() == Some(path))
    }

    /// PushSecrets that publish `path`.
    pub(crate) fn publishing<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Iterator<Item = &'a DeclaredPush> + 'a {
        self.pushes.iter().filter(move |p| p.paths.contains(path))
    }

    /// Record of a RuntimeSecret, by its own path.
    pub(crate) fn record_of(&self, secret: &DeclaredSecret) -> Option<&Record> {
        self.records.get(secret.path.as_deref()?).filter(|r| {
            r.owner.installation == self.installation
                && r.owner.namespace == secret.namespace
                && r.owner.name == secret.name
        })
    }

    /// The RuntimeSecret that hands over the bootstrap Secret `namespace/name`.
    pub(crate) fn handing_over(&self, namespace: &str, name: &str) -> Option<&DeclaredSecret> {
        self.secrets
            .iter()
            .find(|s| s.namespace == namespace && s.bootstrap_secret.as_deref() == Some(name))
    }

    /// Whether an installation of this name is known to be on the same authority. The mount `kubernetes` does not say
    /// whose it is.
    pub(crate) fn is_neighbour(&self, installation: &str) -> bool {
        self.neighbours.iter().any(|n| n.installation.as_deref().is_none_or(|i| i == installation))
    }

    /// Whether a neighbour publishes `path`: the ledger tells of it, and by whom (`installation/namespace/name`).
    pub(crate) fn published_beside(&self, path: &str) -> bool {
        let mut events = self.ledgers.iter().flat_map(|l| &l.entries).flat_map(|e| &e.events);
        events.any(|e| {
            let installation = e.actor.split('/').next().unwrap_or_default();
            e.kind == kinds::PUBLISHED
                && e.path.as_deref() == Some(path)
                && installation != self.installation
                && self.is_neighbour(installation)
        })
    }
}
