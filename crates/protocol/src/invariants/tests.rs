//! A clean installation breaks no predicate, and each predicate is broken by what PROTOCOLS.md §10
//! names.

use std::collections::BTreeMap;

mod around;
mod beside;

use super::*;
use crate::fixture::{self, at, pair};
use crate::ledger::{Chain, Event, event_id, kinds};
use crate::outcome::Decider;
use crate::reason::Reason;
use crate::record::{ClosedRun, State, Stop};
use regent_types::neighbour::Neighbour;

const PATH: &str = fixture::PATH;

fn told(kind: &str, number: i64) -> Event {
    let version = pair(number);
    Event {
        id: event_id(kind, Some(PATH), Some(&version), None, ""),
        kind: kind.into(),
        at: at(0),
        writer: "orchestrator".into(),
        actor: "nightly".into(),
        cause: "schedule".into(),
        path: Some(PATH.into()),
        version: Some(version),
        run: Some("payments/nightly-1".into()),
        result: "succeeded".into(),
        detail: String::new(),
    }
}

fn secret(namespace: &str, name: &str) -> DeclaredSecret {
    DeclaredSecret {
        namespace: namespace.into(),
        name: name.into(),
        path: Some(PATH.into()),
        bootstrap_secret: Some("db".into()),
        consumers: ["shop".to_owned()].into(),
        is_runtime: true,
        version: Some(pair(2)),
    }
}

/// The trail of one handover and one rotation.
fn ledger() -> LedgerSeen {
    let mut chain = Chain::resume("orchestrator", &[]);
    let first = chain.next(&[told(kinds::HANDED_OVER, 1)], at(0)).unwrap();
    chain.accept(&first);
    let second = chain.next(&[told(kinds::ROTATED, 2)], at(0)).unwrap();
    let head = second.head().text();
    LedgerSeen {
        writer: "orchestrator".into(),
        entries: vec![first, second],
        published: Some(head),
        accepted: None,
    }
}

/// H4: a published head that is not there any more is found, until a person has given up just that one.
#[test]
fn h04_a_chain_that_ends_before_its_published_head_is_found_until_that_is_accepted() {
    let found = |published: &str, accepted: Option<&str>| {
        let mut s = clean();
        let ledger = LedgerSeen {
            published: Some(published.into()),
            accepted: accepted.map(str::to_owned),
            ..ledger()
        };
        s.ledgers = vec![ledger];
        check(&s).iter().any(|f| f.predicate == "ledger-chain")
    };
    let (gone, other) = ("19700101/00000009:abc", "19700101/00000008:abc");
    assert!(found(gone, None) && found(gone, Some(other)));
    assert!(!found(gone, Some(gone)));
}

/// What is beside it in every cluster and every authority.
fn surroundings() -> Snapshot {
    let texts = |all: &[(&str, &str)]| {
        all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let admins = SubjectSeen {
        kind: "Group".into(),
        name: "system:masters".into(),
        ..SubjectSeen::default()
    };
    Snapshot {
        bindings: vec![GrantSeen {
            object: "ClusterRoleBinding cluster-admin".into(),
            subjects: vec![admins],
            rules: vec![rule("*", "*", "*")],
            ..GrantSeen::default()
        }],
        login_mount: "kubernetes".into(),
        engines: texts(&[
            ("secret", "kv"),
            ("regent", "kv"),
            ("sys", "system"),
            ("identity", "identity"),
            ("cubbyhole", "cubbyhole"),
        ]),
        methods: texts(&[("token", "token"), ("kubernetes", "kubernetes")]),
        tokens: vec![login_token()],
        token_ttl_max_s: 3_600,
        regent_paths: ["record/", "pending/", "keys/hmac", "ledger/orchestrator/"]
            .map(str::to_owned)
            .into(),
        ..Snapshot::default()
    }
}

fn login_token() -> TokenSeen {
    TokenSeen {
        accessor: "a".into(),
        policies: vec!["regent-orchestrator".into()],
        path: "auth/kubernetes/login".into(),
        ttl_s: 600,
        period_s: 0,
    }
}

fn rule(group: &str, resource: &str, verb: &str) -> RuleSeen {
    RuleSeen {
        groups: vec![group.into()],
        resources: vec![resource.into()],
        names: Vec::new(),
        verbs: vec![verb.into()],
    }
}

/// A binding of somebody's account in `namespace`, or everywhere.
fn grant(namespace: &str, rules: &[RuleSeen]) -> GrantSeen {
    GrantSeen {
        object: "RoleBinding by-hand".into(),
        namespace: namespace.into(),
        subjects: vec![SubjectSeen::account("playground", "somebody")],
        rules: rules.to_vec(),
    }
}

/// One secret, handed over, rotated once, consumed by two namespaces.
fn clean() -> Snapshot {
    let mut record = fixture::record(State::Done);
    record.current = Some(pair(2));
    record.runs.push(ClosedRun {
        run: "u".into(),
        run_name: "payments/nightly-1".into(),
        version: pair(2),
        at: at(0),
        given_up: false,
    });
    let ledger = ledger();
    let (one, two) = (("t1".to_owned(), false), ("t2".to_owned(), true));
    let kv = KvSeen { current_version: 2, versions: BTreeMap::from([(1, one), (2, two)]) };
    let texts = BTreeMap::from([("regent-orchestrator".to_owned(), "text".to_owned())]);
    let served = |namespace: &str| ConsumerSeen {
        namespace: namespace.into(),
        name: "db".into(),
        paths: [PATH.to_owned()].into(),
        served: true,
    };
    let materialized = |namespace: &str| MaterializedSeen {
        namespace: namespace.into(),
        name: "db".into(),
        versions: BTreeMap::from([(PATH.to_owned(), pair(2))]),
        wanted: true,
    };
    let class = Some("materialized".to_owned());
    let kube = |namespace: &str| SecretSeen {
        namespace: namespace.into(),
        name: "db".into(),
        class: class.clone(),
        ..SecretSeen::default()
    };
    Snapshot {
        installation: "lab".into(),
        phase: 4,
        root_revoked: Some(true),
        authorities: vec!["regent".into()],
        secrets: vec![secret("payments", "db")],
        consumers: vec![served("payments"), served("shop")],
        records: BTreeMap::from([(PATH.to_owned(), record)]),
        kube_secrets: vec![kube("payments"), kube("shop")],
        materialized: vec![materialized("payments"), materialized("shop")],
        kv: BTreeMap::from([(PATH.to_owned(), kv)]),
        manifests: vec![ManifestSeen {
            namespace: "payments".into(),
            name: "db".into(),
            reason: "HandedOver".into(),
            produced_at: None,
        }],
        policies: texts.clone(),
        policies_expected: texts.clone(),
        roles: texts.clone(),
        roles_expected: texts,
        writes: vec![
            WriteSeen {
                path: format!("secret/data/{PATH}"),
                by: "regent-orchestrator".into(),
                at: String::new(),
            },
            WriteSeen {
                path: "regent/data/ledger/publisher/20260101/00000001".into(),
                by: "regent-publisher".into(),
                at: String::new(),
            },
        ],
        ledgers: vec![ledger],
        ..surroundings()
    }
}

fn record(s: &mut Snapshot) -> &mut crate::Record {
    s.records.get_mut(PATH).unwrap()
}

fn bootstrap(s: &mut Snapshot) {
    s.kube_secrets.push(SecretSeen {
        namespace: "payments".into(),
        name: "db".into(),
        class: Some("bootstrap".into()),
        ..SecretSeen::default()
    });
}

fn binding(widens: bool) -> BindingSeen {
    BindingSeen { object: "RoleBinding x".into(), says: "y".into(), extra: true, widens }
}

fn interceptor(mutates: bool, resource: &str) -> InterceptorSeen {
    let group = if resource == "secrets" { "" } else { "regent.dev" };
    let rules = vec![rule(group, resource, "")];
    InterceptorSeen { object: "MutatingWebhookConfiguration x".into(), mutates, rules }
}

type Break = fn(&mut Snapshot);

/// Predicate → every way in which a test breaks it.
fn breaks() -> Vec<(&'static str, Break)> {
    [breaks_within(), breaks_around()].concat()
}

/// By what somebody put beside regent.
fn breaks_around() -> Vec<(&'static str, Break)> {
    vec![
        ("writers-known", |s| s.bindings.push(grant("shop", &[rule("", "secrets", "patch")]))),
        (WAYS_AROUND_KNOWN, |s| s.bindings.push(grant("shop", &[rule("", "pods", "create")]))),
        (INTERCEPTORS_KNOWN, |s| s.interceptors.push(interceptor(true, "secrets"))),
        (AUTHORITY_ALONE, |s| drop(s.engines.insert("database".into(), "database".into()))),
        (REGENT_MOUNT_ALONE, |s| _ = s.regent_paths.insert("backup/".into())),
        (TOKENS_END, |s| s.tokens[0].period_s = 60),
        ("least-privilege", |s| {
            let mut wider = grant("shop", &[rule("", "secrets", "*")]);
            wider.subjects = vec![SubjectSeen::account("regent-system", "regent-triggers")];
            s.bindings.push(wider);
        }),
    ]
}

/// By what happened to regent's own.
fn breaks_within() -> Vec<(&'static str, Break)> {
    vec![
        ("one-authority", |s| s.secrets.push(secret("shop", "thief"))),
        ("one-authority", |s| record(s).owner.name = "thief".into()),
        ("one-authority", |s| record(s).owner.installation = "elsewhere".into()),
        ("one-authority", |s| record(s).path = "runtime/a/b".into()),
        ("one-authority", |s| s.authorities.push("second".into())),
        ("one-authority", |s| s.records.clear()),
        ("value-survives", |s| s.kv.clear()),
        ("value-survives", |s| s.kv.get_mut(PATH).unwrap().versions.get_mut(&2).unwrap().1 = false),
        ("one-first-version", |s| {
            record(s).acknowledged.as_mut().unwrap().created_time = "x".into()
        }),
        ("no-blind-overwrite", |s| s.kv.get_mut(PATH).unwrap().current_version = 3),
        ("always-a-way-out", |s| {
            record(s).stop = Some(Stop {
                by: Decider::World,
                reason: Reason::UnknownValue,
                message: "m".into(),
                since: at(0),
            });
        }),
        ("bootstrap-retired", bootstrap),
        ("bootstrap-retired", |s| {
            bootstrap(s);
            s.kube_secrets.last_mut().unwrap().name = "nobodys".into();
        }),
        ("manifest-silent", |s| s.manifests[0].reason = "Produced".into()),
        ("every-value-accounted", |s| {
            let kv = s.kv[PATH].clone();
            s.kv.insert("runtime/payments/stray".into(), kv);
        }),
        ("every-value-accounted", |s| s.kube_secrets[0].class = None),
        ("every-value-accounted", |s| s.materialized[0].wanted = false),
        ("nothing-materialized-early", |s| {
            record(s).acknowledged = None;
            record(s).current = None;
        }),
        ("revoked-unused", |s| {
            s.materialized[0].versions.insert(PATH.into(), pair(1));
        }),
        ("writers-known", |s| s.rbac.push(binding(false))),
        ("writers-known", |s| {
            s.policies.insert("by-hand".into(), "x".into());
        }),
        ("writers-known", |s| {
            s.policies.insert("regent-orchestrator".into(), "wider".into());
        }),
        ("writers-known", |s| s.roles.clear()),
        ("no-upward-write", |s| s.writes[0].by = "root".into()),
        ("no-upward-write", |s| s.writes[0].by = "regent-publisher".into()),
        ("no-upward-write", |s| s.writes[1].by = "regent-orchestrator".into()),
        ("least-privilege", |s| s.rbac.push(binding(true))),
        ("consumers-declared", |s| s.consumers[1].namespace = "stranger".into()),
        ("root-revoked", |s| s.root_accessors.push("a".into())),
        ("root-revoked", |s| s.root_revoked = None),
        ("unseal-scoped", |s| s.unseal_readers.push("ServiceAccount a/b".into())),
        ("ledger-chain", |s| s.ledgers[0].entries[0].events[0].actor = "x".into()),
        ("ledger-chain", |s| drop(s.ledgers[0].entries.remove(0))),
        ("ledger-chain", |s| drop(s.ledgers[0].entries.pop())),
        ("ledger-chain", |s| s.ledgers[0].entries.swap(0, 1)),
        ("ledger-covers-versions", |s| {
            s.kv.get_mut(PATH).unwrap().versions.insert(3, ("t3".into(), true));
        }),
        ("silent-rotation-impossible", |s| record(s).runs[0].version = pair(7)),
    ]
}

#[test]
fn a_clean_installation_breaks_nothing() {
    assert_eq!(check(&clean()), Vec::new());
}

#[test]
fn every_predicate_is_broken_by_what_it_guards_against() {
    for (name, change) in breaks() {
        let mut snapshot = clean();
        change(&mut snapshot);
        let predicate = all().into_iter().find(|p| p.name == name).unwrap();
        let found = predicate.check(&snapshot);
        assert!(!found.is_empty(), "{name} found nothing");
        assert!(found.iter().all(|f| !f.advice.action.is_empty() && f.predicate == name));
    }
    for predicate in all() {
        assert!(breaks().iter().any(|(name, _)| *name == predicate.name), "{}", predicate.name);
    }
}

/// S5.8-1: each of the five guarantees has predicates.
#[test]
fn every_guarantee_has_predicates() {
    let all: std::collections::BTreeSet<Guarantee> = all().iter().map(|p| p.guarantee).collect();
    assert_eq!(all.len(), 5);
}

/// §4: what is under way is no finding.
#[test]
fn an_ignored_bootstrap_secret_and_a_running_rotation_are_no_findings() {
    let mut snapshot = clean();
    bootstrap(&mut snapshot);
    snapshot.kube_secrets.last_mut().unwrap().handed_over = Some("ignore".into());
    record(&mut snapshot).disposition = Some(regent_types::lifecycle::Disposition::Ignore);
    assert_eq!(check(&snapshot), Vec::new());
    let mut snapshot = clean();
    record(&mut snapshot).state = State::Rotating;
    let kv = snapshot.kv.get_mut(PATH).unwrap();
    kv.current_version = 3;
    kv.versions.insert(3, ("t3".into(), true));
    assert_eq!(check(&snapshot), Vec::new());
}

/// C9-1: what another installation has on the same authority is its own, as long as it logs in there.
#[test]
fn a_neighbours_paths_are_accounted_for_while_it_is_there() {
    let beside = |installation: Option<&str>| Neighbour {
        mount: "east".into(),
        installation: installation.map(str::to_owned),
        policies: Vec::new(),
        grants: Vec::new(),
    };
    let theirs = |neighbours: Vec<Neighbour>| {
        let mut s = clean();
        let own = s.installation.clone();
        s.installation = "other".into();
        let published = "platform-data/mysql/shop";
        let chain = Chain::resume("publisher.east", &[]);
        let mut event = told(kinds::PUBLISHED, 1);
        event.path = Some(published.into());
        event.actor = format!("{own}/shop/mysql");
        let entries = vec![chain.next(&[event], at(0)).unwrap()];
        s.ledgers.push(LedgerSeen {
            writer: "publisher.east".into(),
            entries,
            ..LedgerSeen::default()
        });
        let versions = BTreeMap::from([(1, ("t1".to_owned(), true))]);
        s.kv.insert(published.into(), KvSeen { current_version: 1, versions });
        s.secrets.clear();
        s.consumers.clear();
        s.materialized.clear();
        s.kube_secrets.clear();
        s.manifests.clear();
        s.neighbours = neighbours;
        let found = check(&s);
        found.iter().map(|f| f.predicate).collect::<Vec<_>>()
    };
    assert_eq!(theirs(vec![beside(None)]), Vec::<&str>::new());
    assert_eq!(theirs(vec![beside(Some("lab"))]), Vec::<&str>::new());
    for gone in [vec![], vec![beside(Some("west"))]] {
        assert_eq!(theirs(gone), ["one-authority", "every-value-accounted"]);
    }
}
