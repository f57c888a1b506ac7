//! Who owns what: DESIGN.md §2 and PROTOCOLS.md in rows. What a row does not say is refused to everybody else.

use Identity::{
    Bootstrap, Intent, Materializer, Orchestrator, Publisher, Reader, Triggers, Warden,
};
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
pub(crate) struct Request {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) who: Who,
}

/// Every request whose owner matters. A write that is let through fails on its condition: nothing changes.
pub(crate) fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    let mut may = |method: http::Method, path: &str, who| {
        all.push(Request { method, path: path.to_owned(), who });
    };
    use http::Method;
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let trees: [(&str, Who, Who, Who); 3] = [
        (
            "runtime/payments/ledger-db",
            &[Orchestrator, Materializer],
            &[Orchestrator],
            &[Orchestrator, Reader],
        ),
        (
            "platform-data/postgres/analytics",
            &[Materializer, Publisher],
            &[Publisher],
            &[Orchestrator, Reader],
        ),
        (
            "platform-config/postgres/main",
            &[Materializer, Publisher],
            &[Publisher],
            &[Orchestrator, Reader],
        ),
    ];
    for (path, read, write, look) in trees {
        may(get.clone(), &format!("secret/data/{path}"), read);
        may(post.clone(), &format!("secret/data/{path}"), write);
        may(get.clone(), &format!("secret/metadata/{path}"), look);
        may(post.clone(), &format!("secret/metadata/{path}"), &[]);
        may(delete.clone(), &format!("secret/data/{path}"), &[]);
        may(delete.clone(), &format!("secret/metadata/{path}"), &[]);
        may(post.clone(), &format!("secret/undelete/{path}"), &[]);
        let destroy: Who = if read.contains(&Publisher) { &[] } else { &[Orchestrator] };
        may(post.clone(), &format!("secret/destroy/{path}"), destroy);
    }
    may(get.clone(), "secret/metadata/runtime?list=true", &[Reader]);
    may(get.clone(), "regent/data/record/runtime/payments/ledger-db", &[Orchestrator, Reader]);
    may(post.clone(), "regent/data/record/runtime/payments/ledger-db", &[Orchestrator]);
    may(delete.clone(), "regent/data/record/runtime/payments/ledger-db", &[]);
    may(delete.clone(), "regent/metadata/record/runtime/payments/ledger-db", &[]);
    may(get.clone(), "regent/data/pending/none", &[Orchestrator]);
    may(post.clone(), "regent/data/pending/none", &[Orchestrator]);
    may(get.clone(), "regent/data/keys/hmac", &[Orchestrator]);
    // It is made once, and then nobody's to replace.
    may(post.clone(), "regent/data/keys/hmac", &[]);
    may(delete.clone(), "regent/metadata/keys/hmac", &[]);
    let writers: [(Identity, Who, Who); 3] = [
        (Warden, &[Warden], &[Warden, Reader]),
        (Orchestrator, &[Orchestrator], &[Orchestrator, Reader]),
        (Publisher, &[Publisher], &[Publisher, Reader]),
    ];
    for (writer, append, read) in writers {
        // A day long ago, of which there is no entry.
        let entry = format!("ledger/{}/20000101/000001", writer.name());
        may(post.clone(), &format!("regent/data/{entry}"), append);
        may(get.clone(), &format!("regent/data/{entry}"), read);
        may(delete.clone(), &format!("regent/data/{entry}"), &[]);
        may(delete.clone(), &format!("regent/metadata/{entry}"), &[]);
        may(post.clone(), &format!("regent/destroy/{entry}"), &[]);
    }
    let ledger = "regent/metadata/ledger?list=true";
    may(get.clone(), ledger, &[Warden, Orchestrator, Publisher, Reader]);
    let watchers: Who = &[Warden, Reader];
    may(get.clone(), "sys/mounts", watchers);
    may(get.clone(), "sys/policies/acl/regent-reader", watchers);
    may(get.clone(), "auth/kubernetes/config", watchers);
    may(get.clone(), "auth/kubernetes/role/regent-warden", watchers);
    may(get.clone(), "sys/audit", &[Warden]);
    may(get.clone(), "auth/token/accessors?list=true", &[Reader]);
    // Who configures the authority does it in another role.
    for path in [
        "sys/policies/acl/extra",
        "sys/mounts/extra",
        "auth/kubernetes/role/extra",
        "auth/token/create",
        "auth/token/create-orphan",
    ] {
        may(post.clone(), path, &[]);
    }
    may(delete, "sys/policies/acl/extra", &[]);
    may(post, "sys/seal", &[]);
    all
}
