//! Rows about Secrets.

use regent_install::access::admission::{BOOTSTRAP, GITOPS, MATERIALIZED};
use regent_types::identity::Identity;
use regent_types::labels::{
    CLASS, CLASS_BOOTSTRAP, CLASS_MATERIALIZED, HANDED_OVER, HANDED_OVER_TO, MANIFEST,
    MANIFEST_UID, OWNED_BY, SOURCE_COMMIT, VERSIONS,
};
use serde_json::{Value, json};

use super::fixtures::{HOME, bootstrap, materialized, secret};
use super::people::{GARBAGE, MANAGER, NAMESPACES, Who};
use super::row::Act::{Change, Create, Delete, DeleteAmong};
use super::row::{Row, at, data, labelled, may, may_not, noted};

const B: Who = Who::Component(Identity::Bootstrap);
const O: Who = Who::Component(Identity::Orchestrator);
const M: Who = Who::Component(Identity::Materializer);
const I: Who = Who::Component(Identity::Intent);
const P: Who = Who::Component(Identity::Publisher);
const A: Who = Who::NamespaceAdmin;
const PA: Who = Who::PlatformAdmin;
/// Those whom no policy stops.
const PASS: [Who; 3] = [Who::Holder, Who::ClusterAdmin, Who::Master];
const KUBERNETES: [Who; 3] =
    [Who::Kubernetes(NAMESPACES), Who::Kubernetes(GARBAGE), Who::Kubernetes(MANAGER)];

pub(super) fn rows() -> Vec<Row> {
    [made(), owned(), shared(), produced(), live(), marked(), taken_over(), from_git()]
        .into_iter()
        .flatten()
        .collect()
}

fn set(mut object: Value, pointer: &str, key: &str, value: Value) -> Value {
    if let Some(map) = object.pointer_mut(pointer) {
        map[key] = value;
    }
    object
}

/// Only the materializer makes a Secret materialized, by creating or by labelling it.
fn made() -> Vec<Row> {
    let new = || Create(materialized("new"));
    let claims = || Change(at("plain"), labelled(CLASS, json!(CLASS_MATERIALIZED)));
    let silent = set(materialized("new"), "/metadata", "annotations", json!({}));
    let mut rows = vec![
        may(M, "makes a materialized Secret", new()),
        may_not(M, "makes one that says no version", Create(silent), MATERIALIZED),
        may(A, "makes a Secret of no class", Create(secret("new", json!({}), json!({})))),
        may(
            A,
            "makes a Secret of a class that is not regent's",
            Create(secret("new", json!({ CLASS: "other" }), json!({}))),
        ),
        may(A, "changes a Secret of no class", Change(at("plain"), data(json!("dHdv")))),
        may(A, "deletes a Secret of no class", Delete(at("plain"))),
    ];
    for who in [B, O, P, A, PA] {
        rows.push(may_not(who, "makes a materialized Secret", new(), MATERIALIZED));
        rows.push(may_not(who, "labels a Secret materialized", claims(), MATERIALIZED));
    }
    rows.extend(PASS.map(|who| may(who, "makes a materialized Secret", new())));
    rows
}

/// A materialized Secret that an ExternalSecret owns is the materializer's: by an owner reference, as earlier versions
/// and other controllers write it, or by regent's annotation.
fn owned() -> Vec<Row> {
    let by_reference = json!({ "metadata": { "ownerReferences": [] } });
    let by_annotation = noted(OWNED_BY, Value::Null);
    ["owned", "kept"].into_iter().zip([by_reference, by_annotation]).flat_map(owned_as).collect()
}

fn owned_as((name, without_owner): (&'static str, Value)) -> Vec<Row> {
    let it = || at(name);
    let value = || Change(it(), data(json!("dHdv")));
    let mut rows = vec![
        may(M, "changes the value", value()),
        may(M, "deletes it", Delete(it())),
        may(A, "labels it for itself", Change(it(), labelled("team", json!("a")))),
        may(A, "annotates it for itself", Change(it(), noted("team", json!("a")))),
        may(A, "changes nothing", Change(it(), json!({}))),
        may_not(A, "adds a key", Change(it(), json!({ "data": { "more": "dHdv" } })), MATERIALIZED),
        may_not(
            A,
            "writes stringData",
            Change(it(), json!({ "stringData": { "password": "two" } })),
            MATERIALIZED,
        ),
        may_not(A, "takes a key away", Change(it(), data(Value::Null)), MATERIALIZED),
        may_not(A, "freezes it", Change(it(), json!({ "immutable": true })), MATERIALIZED),
        may_not(
            A,
            "takes the label away",
            Change(it(), labelled(CLASS, Value::Null)),
            MATERIALIZED,
        ),
        may_not(
            A,
            "makes it a bootstrap Secret",
            Change(it(), labelled(CLASS, json!(CLASS_BOOTSTRAP))),
            MATERIALIZED,
        )
        .or(BOOTSTRAP),
        may_not(A, "forges its versions", Change(it(), noted(VERSIONS, json!("{}"))), MATERIALIZED),
        may_not(A, "takes it from its owner", Change(it(), without_owner), MATERIALIZED),
    ];
    for who in [B, O, P, A, PA] {
        rows.push(may_not(who, "changes the value", value(), MATERIALIZED));
        rows.push(may_not(who, "deletes it", Delete(it()), MATERIALIZED));
    }
    rows.extend(PASS.iter().chain(&KUBERNETES).map(|who| may(*who, "deletes it", Delete(it()))));
    rows.extend(
        PASS.iter().chain(&KUBERNETES).map(|who| may(*who, "deletes all", DeleteAmong(it()))),
    );
    rows.push(may_not(A, "deletes all", DeleteAmong(it()), MATERIALIZED));
    rows
}

/// A Merge or Orphan target is somebody else's Secret: labelled, not guarded, and nobody else may claim it.
fn shared() -> Vec<Row> {
    let it = || at("shared");
    let owners = json!({ "metadata": { "ownerReferences": [{ "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret", "name": "x", "uid": "y", "controller": true }] } });
    vec![
        may(A, "changes the value of a merge target", Change(it(), data(json!("dHdv")))),
        may(A, "takes the label from a merge target", Change(it(), labelled(CLASS, Value::Null))),
        may(A, "deletes a merge target", Delete(it())),
        may_not(A, "gives a merge target to an ExternalSecret", Change(it(), owners), MATERIALIZED),
        may_not(
            A,
            "names an ExternalSecret as owner of a merge target",
            Change(it(), noted(OWNED_BY, json!("x"))),
            MATERIALIZED,
        ),
    ]
}

/// Only bootstrap makes bootstrap Secrets, and only with their whole trace.
fn produced() -> Vec<Row> {
    let new = || bootstrap("new");
    let without = |key: &str| set(new(), "/metadata/annotations", key, json!(""));
    let other = set(new(), "/metadata/annotations", MANIFEST, json!(format!("{HOME}/other")));
    let marked = set(new(), "/metadata/annotations", HANDED_OVER, json!("delete"));
    let no_uid = set(new(), "/metadata/labels", MANIFEST_UID, json!(""));
    let claims = || {
        let fresh = bootstrap("plain");
        Change(
            at("plain"),
            json!({ "metadata": { "labels": fresh["metadata"]["labels"],
            "annotations": fresh["metadata"]["annotations"] } }),
        )
    };
    let mut rows = vec![
        may(B, "makes a bootstrap Secret", Create(new())),
        may_not(B, "makes one without its commit", Create(without(SOURCE_COMMIT)), BOOTSTRAP),
        may_not(B, "makes one without its manifest's uid", Create(no_uid), BOOTSTRAP),
        may_not(B, "makes one of another manifest", Create(other), BOOTSTRAP),
        may_not(B, "makes one that is handed over already", Create(marked), BOOTSTRAP),
        may_not(B, "takes a Secret that is not its own", claims(), BOOTSTRAP),
    ];
    for who in [O, M, P, A, PA] {
        rows.push(may_not(who, "makes a bootstrap Secret", Create(new()), BOOTSTRAP));
        rows.push(may_not(who, "labels a Secret bootstrap", claims(), BOOTSTRAP));
    }
    rows.extend(PASS.map(|who| may(who, "makes a bootstrap Secret", Create(new()))));
    rows
}

fn mark(word: &str, to: &str) -> Value {
    json!({ "metadata": { "annotations": { HANDED_OVER: word, HANDED_OVER_TO: to } } })
}

fn emptied() -> Value {
    json!({ "data": { "password": "", "username": "" } })
}

/// What the materializer makes of a bootstrap Secret, by `become`.
fn takeover() -> Value {
    let old = bootstrap("x");
    let gone = |field: &str| -> serde_json::Map<String, Value> {
        let keys = old["metadata"][field].as_object().into_iter().flatten();
        keys.map(|(k, _)| (k.clone(), Value::Null)).collect()
    };
    let mut marks = gone("labels");
    marks.insert(CLASS.into(), json!(CLASS_MATERIALIZED));
    let mut notes = gone("annotations");
    notes.extend([HANDED_OVER, HANDED_OVER_TO].map(|k| (k.to_owned(), Value::Null)));
    notes.insert(VERSIONS.into(), json!("{}"));
    json!({ "metadata": { "labels": marks, "annotations": notes }, "data": { "password": "dHdv" } })
}

/// Before the mark a bootstrap Secret is bootstrap's, and nobody retires it.
fn live() -> Vec<Row> {
    let it = || at("live");
    let here = format!("{HOME}/db");
    let both = |mut patch: Value| {
        patch["data"] = json!({ "password": "dHdv" });
        patch
    };
    let mut rows = vec![
        may(B, "changes the value", Change(it(), data(json!("dHdv")))),
        may_not(B, "hides its commit", Change(it(), noted(SOURCE_COMMIT, Value::Null)), BOOTSTRAP),
        may_not(B, "marks it", Change(it(), mark("delete", &here)), BOOTSTRAP),
        may(B, "deletes it", Delete(it())),
        may_not(O, "marks it with no disposition", Change(it(), mark("gone", &here)), BOOTSTRAP),
        may_not(
            O,
            "hands it to another namespace",
            Change(it(), mark("delete", "other/db")),
            BOOTSTRAP,
        ),
        may_not(
            O,
            "changes the value as it marks",
            Change(it(), both(mark("delete", &here))),
            BOOTSTRAP,
        ),
        may_not(O, "changes the value", Change(it(), data(json!("dHdv"))), BOOTSTRAP),
        may_not(O, "empties it unmarked", Change(it(), emptied()), BOOTSTRAP),
        may_not(O, "deletes it unmarked", Delete(it()), BOOTSTRAP),
        may_not(M, "takes it over unmarked", Change(it(), takeover()), BOOTSTRAP),
        may_not(M, "changes the value", Change(it(), data(json!("dHdv"))), BOOTSTRAP),
        may(A, "annotates it for itself", Change(it(), noted("team", json!("a")))),
        may_not(A, "takes the label away", Change(it(), labelled(CLASS, Value::Null)), BOOTSTRAP),
        may_not(
            A,
            "owns it",
            Change(
                it(),
                json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1",
            "kind": "ConfigMap", "name": "x", "uid": "y" }] } }),
            ),
            BOOTSTRAP,
        ),
    ];
    for word in ["delete", "inert", "ignore", "become"] {
        rows.push(may(O, "marks it", Change(it(), mark(word, &here))));
    }
    for who in [P, A, PA] {
        rows.push(may_not(who, "changes the value", Change(it(), data(json!("dHdv"))), BOOTSTRAP));
        rows.push(may_not(who, "marks it", Change(it(), mark("delete", &here)), BOOTSTRAP));
        rows.push(may_not(who, "deletes it", Delete(it()), BOOTSTRAP));
    }
    rows.extend(PASS.iter().chain(&KUBERNETES).map(|who| may(*who, "deletes it", Delete(it()))));
    rows
}

/// A marked one is retired as its mark says, by the orchestrator.
fn marked() -> Vec<Row> {
    let unmark =
        json!({ "metadata": { "annotations": { HANDED_OVER: null, HANDED_OVER_TO: null } } });
    let half = json!({ "data": { "password": "", "username": "dHdv" } });
    let fewer = json!({ "data": { "password": "", "username": null } });
    vec![
        may(O, "deletes one marked delete", Delete(at("marked-delete"))),
        may(O, "empties one marked inert", Change(at("marked-inert"), emptied())),
        may(
            O,
            "marks another disposition",
            Change(at("marked-become"), mark("delete", &format!("{HOME}/db"))),
        ),
        may_not(O, "takes the mark away", Change(at("marked-delete"), unmark), BOOTSTRAP),
        may_not(O, "empties one marked delete", Change(at("marked-delete"), emptied()), BOOTSTRAP),
        may_not(O, "deletes one marked inert", Delete(at("marked-inert")), BOOTSTRAP),
        may_not(O, "deletes one marked ignore", Delete(at("marked-ignore")), BOOTSTRAP),
        may_not(O, "deletes one marked become", Delete(at("marked-become")), BOOTSTRAP),
        may_not(O, "writes a value as it empties", Change(at("marked-inert"), half), BOOTSTRAP),
        may_not(O, "drops a key as it empties", Change(at("marked-inert"), fewer), BOOTSTRAP),
        may_not(
            B,
            "changes one that is handed over",
            Change(at("marked-ignore"), data(json!("dHdv"))),
            BOOTSTRAP,
        ),
        may_not(B, "deletes one marked delete", Delete(at("marked-delete")), BOOTSTRAP),
        may_not(B, "deletes one marked ignore", Delete(at("marked-ignore")), BOOTSTRAP),
        may_not(A, "deletes one marked delete", Delete(at("marked-delete")), BOOTSTRAP),
        may_not(PA, "deletes one marked delete", Delete(at("marked-delete")), BOOTSTRAP),
        may_not(M, "deletes one marked delete", Delete(at("marked-delete")), BOOTSTRAP),
    ]
}

/// `become`: the materializer, once, from that mark alone.
fn taken_over() -> Vec<Row> {
    let it = || at("marked-become");
    let keeps = set(takeover(), "/metadata/annotations", HANDED_OVER, json!("become"));
    let silent = set(takeover(), "/metadata/annotations", VERSIONS, Value::Null);
    vec![
        may(M, "takes over one marked become", Change(it(), takeover())),
        may_not(
            M,
            "takes over one marked inert",
            Change(at("marked-inert"), takeover()),
            BOOTSTRAP,
        ),
        may_not(M, "takes it over and keeps the mark", Change(it(), keeps), BOOTSTRAP),
        may_not(M, "takes it over and says no version", Change(it(), silent), MATERIALIZED),
        may_not(
            M,
            "changes the value of one marked become",
            Change(it(), data(json!("dHdv"))),
            BOOTSTRAP,
        ),
        may_not(O, "takes it over", Change(it(), takeover()), BOOTSTRAP).or(MATERIALIZED),
        may_not(A, "takes it over", Change(it(), takeover()), BOOTSTRAP).or(MATERIALIZED),
    ]
}

/// No Secret comes from Git, of whatever class.
fn from_git() -> Vec<Row> {
    vec![
        may_not(I, "makes a Secret", Create(secret("new", json!({}), json!({}))), GITOPS),
        may_not(I, "changes a Secret", Change(at("plain"), data(json!("dHdv"))), GITOPS),
        may_not(I, "makes a bootstrap Secret", Create(bootstrap("new")), GITOPS).or(BOOTSTRAP),
        may_not(I, "makes a materialized Secret", Create(materialized("new")), GITOPS)
            .or(MATERIALIZED),
        // C27: a placeholder over the real one, and a prune of what its tracking label no longer names.
        may_not(
            I,
            "replaces a materialized Secret",
            Change(at("owned"), data(json!("dHdv"))),
            GITOPS,
        )
        .or(MATERIALIZED),
        may_not(I, "prunes a materialized Secret", Delete(at("owned")), MATERIALIZED),
        may_not(I, "replaces a bootstrap Secret", Change(at("live"), data(json!("dHdv"))), GITOPS)
            .or(BOOTSTRAP),
        may_not(I, "prunes a bootstrap Secret", Delete(at("live")), BOOTSTRAP),
    ]
}
