//! Who may read what through the materializer's own identity (C7-3, PROTOCOLS.md §6). Pure.
//!
//! ```text
//!   runtime/{namespace}/*                          the namespace itself
//!   platform-data|config/{datasource}/{consumer}   the namespace named {consumer}
//!   any path                                       namespaces that its RuntimeSecret or PushSecret lists,
//!                                                  where that object may speak for the path
//! ```
//!
//! An object may speak for a path only where its namespace may own it. Otherwise any namespace
//! could declare a RuntimeSecret on somebody else's path and list itself.

use regent_types::grant::PathGrant;
use regent_types::path::Tree;
use regent_types::{SecretPath, VersionPair};

use crate::not_ready::NotReady;

/// What one RuntimeSecret says about the path it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) namespace: String,
    pub(crate) consumers: Vec<String>,
    /// Whether its status says that the authority is authoritative.
    pub(crate) runtime: bool,
    /// Version in its status.
    pub(crate) version: Option<VersionPair>,
}

/// What one PushSecret says about a path it publishes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) namespace: String,
    /// Namespaces in its annotation `regent.dev/consumers`.
    pub(crate) consumers: Vec<String>,
}

/// Everything known about one path.
pub(crate) struct Facts<'a> {
    /// RuntimeSecrets that name it.
    pub(crate) claims: &'a [Claim],
    /// PushSecrets that publish to it.
    pub(crate) publications: &'a [Publication],
    pub(crate) grants: &'a [PathGrant],
    /// Whether a namespace owns a datasource: (namespace, datasource).
    pub(crate) owns: &'a dyn Fn(&str, &str) -> bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It may be read; the version that the RuntimeSecret knows, if there is one.
    Serve(Option<VersionPair>),
    /// Not now or never.
    Refuse(NotReady),
}

/// Whether `namespace` may read `path` now.
pub(crate) fn judge(namespace: &str, path: &SecretPath, facts: &Facts<'_>) -> Judgement {
    let claims: Vec<&Claim> =
        facts.claims.iter().filter(|c| may_own(&c.namespace, path, facts)).collect();
    let listed = |namespaces: &[String]| namespaces.iter().any(|n| n == namespace);
    let allowed = own(namespace, path)
        || claims.iter().any(|c| c.namespace == namespace || listed(&c.consumers))
        || facts
            .publications
            .iter()
            .filter(|p| may_own(&p.namespace, path, facts))
            .any(|p| listed(&p.consumers));
    if !allowed {
        return Judgement::Refuse(not_a_consumer(namespace, path));
    }
    // Invariant nothing-materialized-early (PROTOCOLS.md §4). One owner at most is Runtime; a second declaration
    // of its path is in conflict for ever and stops nobody.
    let owner = claims.iter().find(|c| c.runtime);
    if owner.is_none() && !claims.is_empty() {
        let message =
            format!("{path} is not in the authority's hands yet: its RuntimeSecret is not Runtime");
        return Judgement::Refuse(NotReady::until_change("NotRuntime", message));
    }
    Judgement::Serve(owner.and_then(|c| c.version.clone()))
}

fn not_a_consumer(namespace: &str, path: &SecretPath) -> NotReady {
    let message = format!(
        "namespace {namespace} is no declared consumer of {path}; its owner can list {namespace} \
         under consumers of its RuntimeSecret or PushSecret"
    );
    NotReady::until_change("NotAConsumer", message)
}

fn own(namespace: &str, path: &SecretPath) -> bool {
    match path.tree() {
        Tree::Runtime => path.segment(1) == Some(namespace),
        Tree::PlatformData | Tree::PlatformConfig => path.segment(2) == Some(namespace),
        Tree::Other => false,
    }
}

/// Whether an object in `namespace` may speak for `path`.
fn may_own(namespace: &str, path: &SecretPath, facts: &Facts<'_>) -> bool {
    let by_tree = match path.tree() {
        Tree::Runtime => path.segment(1) == Some(namespace),
        Tree::PlatformData | Tree::PlatformConfig => {
            path.segment(1).is_some_and(|datasource| (facts.owns)(namespace, datasource))
        }
        Tree::Other => false,
    };
    by_tree || facts.grants.iter().any(|grant| grant.covers(namespace, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(namespace: &str, consumers: &[&str], runtime: bool) -> Claim {
        Claim {
            namespace: namespace.into(),
            consumers: consumers.iter().map(|c| (*c).to_owned()).collect(),
            runtime,
            version: runtime.then(|| VersionPair::new(2, "t2")),
        }
    }

    fn publication(namespace: &str, consumers: &[&str]) -> Publication {
        Publication {
            namespace: namespace.into(),
            consumers: consumers.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    /// The namespace `data` owns the datasource `postgres`; `old` is granted `legacy/`.
    fn asked(
        namespace: &str,
        path: &str,
        claims: &[Claim],
        publications: &[Publication],
    ) -> &'static str {
        let path = SecretPath::parse(path).expect("a path");
        let grants = [PathGrant { path: "legacy/".into(), namespace: "old".into() }];
        let owns =
            |namespace: &str, datasource: &str| namespace == "data" && datasource == "postgres";
        let facts = Facts { claims, publications, grants: &grants, owns: &owns };
        match judge(namespace, &path, &facts) {
            Judgement::Serve(_) => "served",
            Judgement::Refuse(not_ready) => not_ready.reason,
        }
    }

    /// C7-3: a namespace reaches its own paths and those that list it, nothing else.
    #[test]
    fn a_namespace_reads_only_what_is_its_own_or_lists_it() {
        let none: &[Claim] = &[];
        let lists = [claim("payments", &["web"], true)];
        let early = [claim("payments", &["web"], false)];
        let twice = [claim("payments", &["web"], true), claim("payments", &[], false)];
        let published = [publication("data", &["web"])];
        #[expect(clippy::type_complexity, reason = "a table of cases, read right below")]
        let table: &[(&str, &str, &[Claim], &[Publication], &str)] = &[
            ("payments", "runtime/payments/db", none, &[], "served"),
            ("web", "runtime/payments/db", none, &[], "NotAConsumer"),
            ("web", "runtime/payments/db", &lists, &[], "served"),
            ("other", "runtime/payments/db", &lists, &[], "NotAConsumer"),
            // A prefix of a name is another name.
            ("pay", "runtime/payments/db", none, &[], "NotAConsumer"),
            // Nothing early, for the owner as for its consumers; who may not read is not told more.
            ("payments", "runtime/payments/db", &early, &[], "NotRuntime"),
            ("web", "runtime/payments/db", &early, &[], "NotRuntime"),
            ("other", "runtime/payments/db", &early, &[], "NotAConsumer"),
            // A second declaration, which is in conflict, takes nothing from the consumers of the first.
            ("web", "runtime/payments/db", &twice, &[], "served"),
            ("web", "platform-data/postgres/web", none, &[], "served"),
            ("postgres", "platform-data/postgres/web", none, &[], "NotAConsumer"),
            ("web", "platform-config/postgres/web", none, &[], "served"),
            ("web", "platform-data/postgres/shared", none, &published, "served"),
            ("other", "platform-data/postgres/shared", none, &published, "NotAConsumer"),
            ("web", "legacy/a", none, &[], "NotAConsumer"),
            ("old", "legacy/a", none, &[], "NotAConsumer"),
            ("old", "legacy/a", &[claim("old", &[], true)], &[], "served"),
            ("web", "legacy/a", &[claim("old", &["web"], true)], &[], "served"),
        ];
        for (namespace, path, claims, publications, expected) in table {
            let found = asked(namespace, path, claims, publications);
            assert_eq!(found, *expected, "{namespace} {path} {claims:?} {publications:?}");
        }
    }

    /// Blast radius: who declares somebody else's path neither gets at it nor stops others from
    /// reading it.
    #[test]
    fn a_declaration_on_a_foreign_path_counts_for_nothing() {
        let theft = [claim("thief", &["thief"], true)];
        assert_eq!(asked("thief", "runtime/payments/db", &theft, &[]), "NotAConsumer");
        assert_eq!(asked("thief", "legacy/a", &theft, &[]), "NotAConsumer");
        assert_eq!(asked("thief", "platform-data/postgres/web", &theft, &[]), "NotAConsumer");
        let push = [publication("thief", &["thief"])];
        assert_eq!(asked("thief", "platform-data/postgres/web", &[], &push), "NotAConsumer");
        let stall = [claim("thief", &[], false)];
        assert_eq!(asked("payments", "runtime/payments/db", &stall, &[]), "served");
    }

    #[test]
    fn the_version_that_the_runtime_secret_knows_is_told() {
        let path = SecretPath::parse("runtime/payments/db").expect("a path");
        let claims = [claim("payments", &[], true)];
        let owns = |_: &str, _: &str| false;
        let facts = Facts { claims: &claims, publications: &[], grants: &[], owns: &owns };
        let version = Some(VersionPair::new(2, "t2"));
        assert_eq!(judge("payments", &path, &facts), Judgement::Serve(version));
    }
}
