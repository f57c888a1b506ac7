//! Accounts, roles and bindings, from the access table. What is left out has neither account nor rights.

use serde_json::Value;

use super::authority::embedded;
use super::component::enabled;
use super::template::{each, item, when};
use crate::access::rbac;
use regent_types::identity::Identity;

pub(super) fn objects() -> Vec<Value> {
    Identity::ALL.into_iter().flat_map(of).collect()
}

fn of(identity: Identity) -> Vec<Value> {
    let all = rbac::objects_of(identity, &[item()]).into_iter().map(in_each_namespace);
    match identity {
        Identity::Reader => all.collect(),
        Identity::Authority => all.map(|object| when(&embedded(), object)).collect(),
        component => all.map(|object| when(&enabled(component), object)).collect(),
    }
}

/// What belongs into each namespace that the installation names is there once for each.
fn in_each_namespace(object: Value) -> Value {
    match object["metadata"]["namespace"] == item() {
        true => each("namespaces", object),
        false => object,
    }
}
