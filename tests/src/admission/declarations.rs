//! Rows about what Git declares: PushSecrets, RuntimeSecrets, and ConfigMaps that it must leave to warden.

use regent_install::access::admission::{
    PUSH_SECRETS, RUNTIME_SECRETS, WARDEN_CONFIG, WORKFLOW_RUNS,
};
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, RECOVERED_BY, SEALED_SHARES, STORE_NAME};
use serde_json::{Value, json};

use super::fixtures::{HOME, caused, config, push, runtime};
use super::people::{GARBAGE, NAMESPACES, Who};
use super::row::Act::{Change, Create, Delete};
use super::row::{Row, labelled, may, may_not, noted};

const I: Who = Who::Component(Identity::Intent);
const A: Who = Who::NamespaceAdmin;
const PA: Who = Who::PlatformAdmin;
const PASS: [Who; 3] = [Who::Holder, Who::ClusterAdmin, Who::Master];

pub(super) fn rows() -> Vec<Row> {
    publications().into_iter().chain(claims()).chain(kept()).chain(causes()).collect()
}

fn with(mut object: Value, spec: Value) -> Value {
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

fn mapping(key: &str, property: &str) -> Value {
    json!([{ "match": { "secretKey": "password", "remoteRef": { "remoteKey": key, "property": property } } }])
}

/// H8: nobody's run names another as its cause, and only a trigger's says which slot it stands for.
fn causes() -> Vec<Row> {
    let own = |who: Who| caused(&who.user());
    let with_cause = |who: Who, key: &str, value: Value| {
        let mut run = own(who);
        run["spec"]["cause"][key] = value;
        run
    };
    let controlled =
        |who: Who, by: &str| with(own(who), json!({ "control": { "suspend": true, "by": by } }));
    let mut rows = Vec::new();
    for who in [A, PA, Who::Holder, Who::ClusterAdmin, Who::Master, I] {
        rows.extend([
            may(who, "lets its run stand still", Create(controlled(who, &who.user()))),
            may_not(
                who,
                "stops in another's name",
                Create(controlled(who, "somebody-else")),
                WORKFLOW_RUNS,
            ),
        ]);
        let slot = || json!("2999-01-01T00:00:00Z");
        rows.extend([
            may(who, "asks for a rotation under its own name", Create(own(who))),
            may(who, "tells of a leak", Create(with_cause(who, "kind", json!("compromise")))),
            may_not(who, "names another", Create(caused("somebody-else")), WORKFLOW_RUNS),
            may_not(
                who,
                "plays a trigger",
                Create(with_cause(who, "kind", json!("schedule"))),
                WORKFLOW_RUNS,
            ),
            may_not(who, "takes a slot", Create(with_cause(who, "slot", slot())), WORKFLOW_RUNS),
        ]);
    }
    for component in [Identity::Triggers, Identity::Orchestrator] {
        let mut run = caused("nightly");
        run["spec"]["cause"] = json!({ "kind": "schedule", "by": "nightly", "slot": "s" });
        rows.push(may(Who::Component(component), "says whose run it is", Create(run)));
    }
    rows
}

/// What regent's publisher would refuse for its form or its place, admission refuses before.
fn publications() -> Vec<Row> {
    let store = |extra: Value| json!([{ "name": STORE_NAME, "kind": "ClusterSecretStore" }, extra]);
    let wrong = [
        json!({ "dataTo": [{ "storeRef": { "name": STORE_NAME } }] }),
        json!({ "data": [] }),
        json!({ "data": [{ "match": { "remoteRef": { "remoteKey": "platform-data/postgres/web", "property": "p" } } }] }),
        json!({ "data": [{ "match": { "secretKey": "k", "remoteRef": { "remoteKey": "platform-data/postgres/web" } } }] }),
        json!({ "selector": { "secret": { "selector": { "matchLabels": { "a": "b" } } } } }),
        json!({ "selector": { "secret": { "name": "plain" }, "generatorRef": { "kind": "Password", "name": "x" } } }),
        json!({ "template": { "type": "Opaque" } }),
        json!({ "secretStoreRefs": store(json!({ "name": "local" })) }),
        json!({ "secretStoreRefs": store(json!({ "kind": "ClusterSecretStore", "labelSelector": { "matchLabels": {} } })) }),
        json!({ "data": mapping("runtime/payments/db", "password") }),
        json!({ "data": mapping("platform-data/postgres", "password") }),
        json!({ "data": mapping("platform-data/postgres/web/prod", "password") }),
        json!({ "data": mapping("platform-data/../web", "password") }),
        json!({ "data": mapping("platform-data/postgres/Web", "password") }),
        json!({ "data": mapping("platform-data/postgres/web", "PASSWORD") }),
        json!({ "data": mapping("platform-data/mysql/web", "password") }),
    ];
    let dearest =
        || with(push("new"), json!({ "data": mapping("platform-data/mysql/web", "password") }));
    let neighbours = with(
        push("new"),
        json!({ "secretStoreRefs": [{ "name": "aws", "kind": "ClusterSecretStore" }, { "name": STORE_NAME }],
            "data": mapping("any/Where", "X"), "dataTo": [{ "storeRef": { "name": "aws" } }] }),
    );
    let spelled = json!({ "data": mapping("secret/data/platform-config/postgres/main", "host") });
    let mut rows = vec![
        may(A, "publishes to its own datasource", Create(push("new"))),
        may(I, "publishes to the namespace's datasource", Create(push("new"))),
        may(A, "spells mount and data", Create(with(push("new"), spelled))),
        may(A, "publishes a neighbour's way to a neighbour's store", Create(neighbours)),
        may(A, "labels a publication", Change(push("published"), labelled("team", json!("a")))),
        may(A, "deletes a publication", Delete(push("published"))),
        may_not(
            A,
            "changes a publication to another's datasource",
            Change(
                push("published"),
                json!({ "spec": { "data": mapping("platform-data/mysql/web", "password") } }),
            ),
            PUSH_SECRETS,
        ),
        may_not(I, "publishes to a datasource of another", Create(dearest()), PUSH_SECRETS),
        may_not(PA, "publishes to a datasource of another", Create(dearest()), PUSH_SECRETS),
    ];
    rows.extend(wrong.map(|spec| {
        may_not(
            A,
            "publishes what is not explicit, standard and its own",
            Create(with(push("new"), spec)),
            PUSH_SECRETS,
        )
    }));
    rows.extend(
        PASS.map(|who| may(who, "publishes to a datasource of another", Create(dearest()))),
    );
    rows
}

/// What a RuntimeSecret claims, it claims for good and in its own place.
fn claims() -> Vec<Row> {
    let it = || runtime("db");
    let patch = |spec: Value| Change(it(), json!({ "spec": spec }));
    let path = |text: &str| Create(with(runtime("new"), json!({ "path": text })));
    let derived = with(
        runtime("new"),
        json!({ "path": "platform-data/postgres/web", "introduce": { "derived": { "pushSecret": "published" } } }),
    );
    let elsewhere =
        || patch(json!({ "introduce": { "handover": { "bootstrapSecret": "other" } } }));
    let generated = json!({ "introduce": { "handover": null, "generate": { "keys": { "k": { "length": 32 } } } } });
    let mut rows = vec![
        may(A, "declares one", Create(runtime("new"))),
        may(I, "declares one", Create(runtime("new"))),
        may(A, "declares a path of its own", path(&format!("runtime/{HOME}/x"))),
        may(A, "declares a path that may be granted", path("legacy/db")),
        may(A, "declares what its PushSecret publishes", Create(derived)),
        may(A, "says another purpose", patch(json!({ "purpose": "another" }))),
        may(
            A,
            "says another disposition",
            patch(json!({ "introduce": { "handover": { "disposition": "inert" } } })),
        ),
        may_not(
            A,
            "claims a path of another namespace",
            path("runtime/payments/db"),
            RUNTIME_SECRETS,
        ),
        may_not(
            A,
            "hands over to where the publisher writes",
            path("platform-data/postgres/web"),
            RUNTIME_SECRETS,
        ),
        may_not(A, "is generated instead", patch(generated), RUNTIME_SECRETS),
        may_not(A, "moves", patch(json!({ "path": format!("runtime/{HOME}/x") })), RUNTIME_SECRETS),
    ];
    for who in [A, I, PA] {
        rows.push(may_not(who, "claims another bootstrap Secret", elsewhere(), RUNTIME_SECRETS));
    }
    rows.extend(PASS.map(|who| may(who, "claims another bootstrap Secret", elsewhere())));
    rows
}

/// What warden keeps in ConfigMaps, nobody else writes: not from Git either, where every other ConfigMap may come from.
fn kept() -> Vec<Row> {
    let warden = Who::Component(Identity::Warden);
    let bundle = || config(AUTHORITY_CA_BUNDLE);
    let forged = || Change(bundle(), json!({ "data": { "key": "forged" } }));
    let shares = || Create(config(SEALED_SHARES));
    let mut rows = vec![
        may(warden, "stores sealed shares", shares()),
        may(warden, "publishes another CA", forged()),
        may(I, "changes any other ConfigMap", Change(config("neighbour"), json!({ "data": null }))),
        may(I, "labels the CA's ConfigMap", Change(bundle(), labelled("team", json!("a")))),
        may(Who::Kubernetes(GARBAGE), "collects it", Delete(bundle())),
        may(Who::Kubernetes(NAMESPACES), "ends the namespace", Delete(bundle())),
        may_not(
            I,
            "binds it for ever",
            Change(bundle(), json!({ "immutable": true })),
            WARDEN_CONFIG,
        ),
        may_not(
            I,
            "hides it",
            Change(bundle(), json!({ "binaryData": { "k": "eA==" } })),
            WARDEN_CONFIG,
        ),
    ];
    let others =
        [I, PA, Who::Component(Identity::Materializer), Who::Component(Identity::Orchestrator)];
    for who in others {
        rows.push(may_not(who, "stores sealed shares", shares(), WARDEN_CONFIG));
        rows.push(may_not(who, "publishes another CA", forged(), WARDEN_CONFIG));
        rows.push(may_not(who, "deletes it", Delete(bundle()), WARDEN_CONFIG));
        let recovered = Change(bundle(), noted(RECOVERED_BY, json!("somebody")));
        rows.push(may_not(who, "says that somebody recovered", recovered, WARDEN_CONFIG));
    }
    for who in [Who::ClusterAdmin, Who::Master] {
        rows.push(may(who, "puts saved shares back", shares()));
    }
    rows
}
