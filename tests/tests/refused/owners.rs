//! Who owns what: DESIGN.md §2 and PROTOCOLS.md in rows. What a row does not say is refused to everybody else.

use Identity::{
    Bootstrap, Intent, Materializer, Orchestrator, Publisher, Reader, Triggers, Warden,
};
use http::Method;
use regent_types::identity::Identity;
use regent_types::labels::{
    AUTHORITY_CA_BUNDLE, AUTHORITY_CA_SECRET, AUTHORITY_TLS_SECRET, BOOTSTRAP_HMAC_SECRET,
    MANIFEST_IDENTITY_SECRET, SEALED_SHARES, SYSTEM_NAMESPACE, UNSEAL_IDENTITY_SECRET,
};

type Who = &'static [Identity];

/// An object of the API server.
pub(crate) struct Thing {
    /// Resource, as in its path.
    pub(crate) resource: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    /// Who may get it.
    pub(crate) read: Who,
    /// Who may change its content, or delete it.
    pub(crate) write: Who,
}

/// Everybody whom Secrets of the named namespaces are granted to by name: Kubernetes cannot grant them by class.
const BY_NAME: Who = &[Bootstrap, Orchestrator, Materializer, Publisher];
const LEADERS: [(Identity, Who); 7] = [
    (Intent, &[Intent]),
    (Bootstrap, &[Bootstrap]),
    (Warden, &[Warden]),
    (Orchestrator, &[Orchestrator]),
    (Triggers, &[Triggers]),
    (Materializer, &[Materializer]),
    (Publisher, &[Publisher]),
];

/// Every object whose owner matters.
pub(crate) fn things() -> Vec<Thing> {
    let own = |resource, name: &str, read, write| Thing {
        resource,
        namespace: SYSTEM_NAMESPACE,
        name: name.to_owned(),
        read,
        write,
    };
    let mut all = vec![
        own("secrets", MANIFEST_IDENTITY_SECRET, &[Bootstrap], &[]),
        own("secrets", BOOTSTRAP_HMAC_SECRET, &[Bootstrap], &[]),
        own("secrets", UNSEAL_IDENTITY_SECRET, &[Warden], &[]),
        own("secrets", AUTHORITY_CA_SECRET, &[Warden], &[Warden]),
        own("secrets", AUTHORITY_TLS_SECRET, &[Warden], &[Warden]),
        own("secrets", "regent-git-credentials", &[Intent], &[]),
    ];
    for (leader, alone) in LEADERS {
        all.push(own("leases", &leader.account(), alone, alone));
    }
    for (namespace, name) in [
        ("payments", "ledger-db"),
        ("payments", "session-key"),
        ("checkout", "payment-webhook"),
        ("analytics", "postgres"),
    ] {
        all.push(Thing {
            resource: "secrets",
            namespace,
            name: name.to_owned(),
            read: BY_NAME,
            write: &[Materializer],
        });
    }
    all
}

/// ConfigMaps of regent's own namespace: what is public or ciphertext, and intent reads ConfigMaps everywhere.
pub(crate) fn maps() -> Vec<Thing> {
    let own = |name: &str, read| Thing {
        resource: "configmaps",
        namespace: SYSTEM_NAMESPACE,
        name: name.to_owned(),
        read,
        write: &[Warden],
    };
    vec![own(SEALED_SHARES, &[Warden, Intent]), own(AUTHORITY_CA_BUNDLE, &[Warden, Intent, Reader])]
}

/// A request to the authority.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) who: Who,
}

/// Every request whose owner matters. A write that is let through fails on its condition: nothing changes.
pub(crate) fn requests() -> Vec<Request> {
    [to_secrets(), to_records(), to_the_ledger(), to_the_configuration()].concat()
}

fn may(method: Method, path: impl Into<String>, who: Who) -> Request {
    Request { method, path: path.into(), who }
}

fn to_secrets() -> Vec<Request> {
    let trees: [(&str, Who, Who, Who); 3] = [
        (
            "runtime/payments/ledger-db",
            &[Orchestrator, Materializer],
            &[Orchestrator],
            &[Orchestrator, Materializer, Reader],
        ),
        (
            "platform-data/postgres/analytics",
            &[Materializer, Publisher],
            &[Publisher],
            &[Orchestrator, Materializer, Reader],
        ),
        (
            "platform-config/postgres/main",
            &[Materializer, Publisher],
            &[Publisher],
            &[Orchestrator, Materializer, Reader],
        ),
    ];
    let mut all = Vec::new();
    for (path, read, write, look) in trees {
        let is_published = read.contains(&Publisher);
        let destroy: Who = if is_published { &[] } else { &[Orchestrator] };
        let published: Who = if is_published { &[Publisher] } else { &[] };
        all.extend([
            may(Method::GET, format!("secret/data/{path}"), read),
            may(Method::POST, format!("secret/data/{path}"), write),
            may(Method::GET, format!("secret/metadata/{path}"), look),
            may(Method::POST, format!("secret/metadata/{path}"), &[]),
            may(Method::DELETE, format!("secret/data/{path}"), &[]),
            may(Method::DELETE, format!("secret/metadata/{path}"), &[]),
            // What a publisher published and publishes no more.
            may(Method::POST, format!("secret/delete/{path}"), published),
            may(Method::POST, format!("secret/undelete/{path}"), &[]),
            may(Method::POST, format!("secret/destroy/{path}"), destroy),
        ]);
    }
    all.push(may(Method::GET, "secret/metadata/runtime?list=true", &[Reader]));
    all
}

/// Records, what is pending, and the key of the HMACs.
fn to_records() -> Vec<Request> {
    let record = "record/runtime/payments/ledger-db";
    vec![
        may(Method::GET, format!("regent/data/{record}"), &[Orchestrator, Reader]),
        may(Method::POST, format!("regent/data/{record}"), &[Orchestrator]),
        may(Method::DELETE, format!("regent/data/{record}"), &[]),
        may(Method::DELETE, format!("regent/metadata/{record}"), &[]),
        may(Method::GET, "regent/data/pending/none", &[Orchestrator]),
        may(Method::POST, "regent/data/pending/none", &[Orchestrator]),
        may(Method::GET, "regent/data/keys/hmac", &[Orchestrator]),
        // It is made once, and then nobody's to replace.
        may(Method::POST, "regent/data/keys/hmac", &[]),
        may(Method::DELETE, "regent/metadata/keys/hmac", &[]),
    ]
}

fn to_the_ledger() -> Vec<Request> {
    let writers: [(Identity, Who, Who); 3] = [
        (Warden, &[Warden], &[Warden, Reader]),
        (Orchestrator, &[Orchestrator], &[Orchestrator, Reader]),
        (Publisher, &[Publisher], &[Publisher, Reader]),
    ];
    let mut all = Vec::new();
    for (writer, append, read) in writers {
        // A day long ago, of which there is no entry.
        let entry = format!("ledger/{}/20000101/000001", writer.name());
        all.extend([
            may(Method::POST, format!("regent/data/{entry}"), append),
            may(Method::GET, format!("regent/data/{entry}"), read),
            may(Method::DELETE, format!("regent/data/{entry}"), &[]),
            may(Method::DELETE, format!("regent/metadata/{entry}"), &[]),
            may(Method::POST, format!("regent/destroy/{entry}"), &[]),
        ]);
    }
    let everybody: Who = &[Warden, Orchestrator, Publisher, Reader];
    all.push(may(Method::GET, "regent/metadata/ledger?list=true", everybody));
    all
}

fn to_the_configuration() -> Vec<Request> {
    let watchers: Who = &[Warden, Reader];
    let mut all = vec![
        may(Method::GET, "sys/mounts", watchers),
        may(Method::GET, "sys/policies/acl/regent-reader", watchers),
        may(Method::GET, "auth/kubernetes/config", watchers),
        may(Method::GET, "auth/kubernetes/role/regent-warden", watchers),
        may(Method::GET, "sys/audit", &[Warden]),
        may(Method::GET, "sys/regent/snapshots", watchers),
        // No place is declared: nothing is taken.
        may(Method::POST, "sys/regent/snapshots", &[Reader]),
        may(Method::GET, "auth/token/accessors?list=true", &[Reader]),
        may(Method::GET, "auth/token/roles?list=true", &[Reader]),
        may(Method::GET, "auth/token/roles/none", &[]),
        may(Method::GET, "identity/entity/id?list=true", &[Reader]),
        may(Method::GET, "identity/entity/id/none", &[Reader]),
        may(Method::GET, "identity/group/id?list=true", &[Reader]),
        may(Method::GET, "identity/group/id/none", &[Reader]),
    ];
    // Who configures the authority does it in another role.
    let changes = [
        "sys/policies/acl/extra",
        "sys/mounts/extra",
        "auth/kubernetes/role/extra",
        "auth/token/create",
        "auth/token/create-orphan",
        "auth/token/roles/extra",
        "identity/entity",
        "identity/entity/id/none",
        "identity/group",
    ];
    all.extend(changes.map(|path| may(Method::POST, path, &[])));
    all.push(may(Method::DELETE, "sys/policies/acl/extra", &[]));
    all.push(may(Method::POST, "sys/seal", &[]));
    all
}
