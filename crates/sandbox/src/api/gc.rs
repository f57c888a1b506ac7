//! What follows when an object goes: dependents of an owner, contents of a namespace. Done at once, where the real
//! cluster's controllers take a moment.

use serde_json::{Value, json};

use super::admit;
use crate::state::ClusterState;
use crate::store::{ObjectKey, Tx};

/// The finalizer by which an owner waits for what blocks it.
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// Follows up on objects that are gone, and on what goes because of that.
pub(crate) fn follow(state: &ClusterState, gone: &Value) {
    let mut tx = state.store.tx();
    let mut gone = vec![gone.clone()];
    let mut done = Vec::new();
    while let Some(object) = gone.pop() {
        dependents(&mut tx, &object, &mut gone);
        if object["kind"] == "CustomResourceDefinition" {
            // The resources of a definition go with it.
            let name = text(&object["metadata"]["name"]);
            for key in tx.find(|key, _| *key.resource == *name) {
                gone.extend(end(&mut tx, &key));
            }
        }
        for key in owners(state, &object) {
            foreground(&mut tx, &key, &mut gone);
        }
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        namespace_end(&mut tx, namespace, &mut gone);
        done.push(object);
    }
    drop(tx);
    done.iter().for_each(|object| state.removed(object));
}

/// Starts the end of a namespace: everything in it is deleted.
pub(crate) fn empty(state: &ClusterState, name: &str) {
    let mut tx = state.store.tx();
    let mut gone = Vec::new();
    for key in tx.find(|key, _| key.namespace == name) {
        gone.extend(end(&mut tx, &key));
    }
    namespace_end(&mut tx, name, &mut gone);
    drop(tx);
    gone.iter().for_each(|object| follow(state, object));
}

/// Deletes what `owner`, which ends in the foreground, owns; the owner itself where nothing blocks it.
pub(super) fn foreground_start(state: &ClusterState, key: &ObjectKey, owner: &Value) {
    let mut tx = state.store.tx();
    let mut gone = Vec::new();
    dependents(&mut tx, owner, &mut gone);
    foreground(&mut tx, key, &mut gone);
    drop(tx);
    gone.iter().for_each(|object| follow(state, object));
}

/// Takes the reference to `owner` out of everything that has one.
pub(super) fn orphan(state: &ClusterState, owner: &Value) {
    let mut tx = state.store.tx();
    let uid = text(&owner["metadata"]["uid"]);
    for key in tx.owned_by(&uid) {
        forget(&mut tx, &key, &|reference| reference["uid"] == uid.as_str());
    }
}

/// A written object whose owners are gone, or never were, goes too; gone owners beside others are forgotten.
pub(crate) fn written(state: &ClusterState, key: &ObjectKey, object: &Value) {
    let references = object["metadata"]["ownerReferences"].as_array();
    let Some(references) = references.filter(|all| !all.is_empty()) else { return };
    let mut tx = state.store.tx();
    let absent: Vec<&str> = references
        .iter()
        .filter(|r| {
            owner_key(state, r, &key.namespace).is_some_and(|k| {
                tx.get(&k).is_none_or(|owner| owner["metadata"]["uid"] != r["uid"])
            })
        })
        .filter_map(|r| r["uid"].as_str())
        .collect();
    if absent.is_empty() {
        return;
    }
    if absent.len() < references.len() {
        forget(&mut tx, key, &|r| r["uid"].as_str().is_some_and(|uid| absent.contains(&uid)));
        return;
    }
    let gone = end(&mut tx, key);
    drop(tx);
    gone.iter().for_each(|object| follow(state, object));
}

fn dependents(tx: &mut Tx<'_>, owner: &Value, gone: &mut Vec<Value>) {
    let uid = text(&owner["metadata"]["uid"]);
    for key in tx.owned_by(&uid) {
        let Some(object) = tx.get(&key) else { continue };
        let references = object["metadata"]["ownerReferences"].as_array();
        // An object with another owner left stays, and forgets this one.
        if references.is_some_and(|all| all.iter().any(|r| r["uid"] != uid.as_str())) {
            forget(tx, &key, &|reference| reference["uid"] == uid.as_str());
        } else {
            gone.extend(end(tx, &key));
        }
    }
}

/// Removes an object, or marks it where finalizers hold it; returns it where it is gone.
fn end(tx: &mut Tx<'_>, key: &ObjectKey) -> Option<Value> {
    let object = tx.get(key)?;
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    if !held {
        return tx.remove(key).map(|last| Value::clone(&last));
    }
    if object["metadata"]["deletionTimestamp"].is_null() {
        // A full store refuses new objects only.
        let _marked = tx.put(key, marked(&object));
    }
    None
}

/// The object with the mark that it ends, which is a new generation.
pub(super) fn marked(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["deletionTimestamp"] = admit::now().into();
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        object["metadata"]["generation"] = (generation + 1).into();
    }
    object
}

/// Removes an object that was waiting for its last finalizer; says whether it did.
pub(super) fn finished(tx: &mut Tx<'_>, key: &ObjectKey, object: &Value) -> bool {
    let ending = !object["metadata"]["deletionTimestamp"].is_null();
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    let namespace = object["kind"] == "Namespace";
    ending && !held && !namespace && tx.remove(key).is_some()
}

fn forget(tx: &mut Tx<'_>, key: &ObjectKey, whom: &dyn Fn(&Value) -> bool) {
    let Some(object) = tx.get(key) else { return };
    let mut object = Value::clone(&object);
    let Some(meta) = object["metadata"].as_object_mut() else { return };
    if let Some(all) = meta.get_mut("ownerReferences").and_then(Value::as_array_mut) {
        all.retain(|reference| !whom(reference));
        if all.is_empty() {
            meta.remove("ownerReferences");
        }
    }
    // A full store refuses new objects only.
    let _written = tx.put(key, object);
}

/// Lets an owner go that waited in the foreground and has nothing left that blocks it.
fn foreground(tx: &mut Tx<'_>, key: &ObjectKey, gone: &mut Vec<Value>) {
    let Some(owner) = tx.get(key) else { return };
    let waits = owner["metadata"]["finalizers"].as_array();
    let waits = waits.is_some_and(|all| all.contains(&json!(FOREGROUND)));
    if !waits || owner["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let uid = text(&owner["metadata"]["uid"]);
    let blocks = |key: &ObjectKey| {
        let object = tx.get(key);
        let references = object.as_ref().and_then(|o| o["metadata"]["ownerReferences"].as_array());
        references.is_some_and(|all| {
            all.iter().any(|r| r["uid"] == uid.as_str() && r["blockOwnerDeletion"] == true)
        })
    };
    if tx.owned_by(&uid).iter().any(blocks) {
        return;
    }
    let mut owner = Value::clone(&owner);
    if let Some(all) = owner["metadata"]["finalizers"].as_array_mut() {
        all.retain(|finalizer| finalizer != FOREGROUND);
    }
    // A full store refuses new objects only.
    let _written = tx.put(key, owner);
    gone.extend(end(tx, key));
}

/// A namespace that ends is gone when nothing is left in it.
fn namespace_end(tx: &mut Tx<'_>, name: &str, gone: &mut Vec<Value>) {
    let key =
        ObjectKey { resource: "namespaces".into(), namespace: String::new(), name: name.into() };
    let ending = tx.get(&key).is_some_and(|n| {
        let held = n["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
        !held && !n["metadata"]["deletionTimestamp"].is_null()
    });
    if ending && tx.find(|key, _| key.namespace == name).is_empty() {
        gone.extend(tx.remove(&key).map(|last| Value::clone(&last)));
    }
}

fn owners(state: &ClusterState, object: &Value) -> Vec<ObjectKey> {
    let namespace = text(&object["metadata"]["namespace"]);
    let all = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    all.filter_map(|reference| owner_key(state, reference, &namespace)).collect()
}

/// Where the owner would be; `None` where its kind is not known.
fn owner_key(state: &ClusterState, reference: &Value, namespace: &str) -> Option<ObjectKey> {
    let api_version = reference["apiVersion"].as_str()?;
    let kind = state.kinds.by_kind(api_version, reference["kind"].as_str()?)?;
    let namespace = if kind.namespaced { namespace.to_owned() } else { String::new() };
    Some(ObjectKey { resource: kind.stored_as(), namespace, name: text(&reference["name"]) })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
