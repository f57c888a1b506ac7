//! Which change concerns which object. Watches only say that something is to be looked at; what is
//! true is read anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use regent_api::{ExternalSecret, PushSecret, RuntimeSecret, WorkflowRun};
use regent_operator::store_index::StoreIndex;

use super::consumers::target;
use super::keys;
use super::known::{Memory, Wake};

/// RuntimeSecrets that an ExternalSecret may concern: those whose path it names, and those whose
/// bootstrap Secret has the name that it targets.
fn of_external(
    external: &ExternalSecret,
    all: &StoreIndex<RuntimeSecret>,
) -> Vec<Arc<RuntimeSecret>> {
    let mut found: Vec<Arc<RuntimeSecret>> =
        keys::paths(external).iter().flat_map(|path| all.of(path)).collect();
    if let (Some(target), Some(namespace)) = (target(external), external.namespace()) {
        found.extend(all.of(&keys::bootstrap_secret(&namespace, &target)));
    }
    found
}

fn references(all: Vec<Arc<RuntimeSecret>>) -> BTreeSet<(String, String)> {
    all.iter().map(|s| (s.namespace().unwrap_or_default(), s.name_any())).collect()
}

fn secret_refs(all: BTreeSet<(String, String)>) -> Vec<ObjectRef<RuntimeSecret>> {
    all.iter().map(|(namespace, name)| ObjectRef::new(name).within(namespace)).collect()
}

/// An ExternalSecret changed: RuntimeSecrets to look at.
pub(super) fn external_to_secrets(
    external: &ExternalSecret,
    all: &StoreIndex<RuntimeSecret>,
) -> Vec<ObjectRef<RuntimeSecret>> {
    secret_refs(references(of_external(external, all)))
}

/// A manifest changed, and so perhaps the bootstrap Secret of its name: RuntimeSecrets to look at.
pub(super) fn manifest_to_secrets(
    namespace: &str,
    name: &str,
    all: &StoreIndex<RuntimeSecret>,
) -> Vec<ObjectRef<RuntimeSecret>> {
    secret_refs(references(all.of(&keys::bootstrap_secret(namespace, name))))
}

/// A run changed: the RuntimeSecret to look at.
pub(super) fn run_to_secret(run: &WorkflowRun) -> Option<ObjectRef<RuntimeSecret>> {
    let namespace = run.namespace()?;
    Some(ObjectRef::new(&run.spec.runtime_secret).within(&namespace))
}

/// A PushSecret changed: the RuntimeSecrets that observe it.
pub(super) fn push_to_secrets(
    push: &PushSecret,
    all: &StoreIndex<RuntimeSecret>,
) -> Vec<ObjectRef<RuntimeSecret>> {
    let key = keys::push_secret(&push.namespace().unwrap_or_default(), &push.name_any());
    all.of(&key).iter().map(|s| ObjectRef::from_obj(s.as_ref())).collect()
}

/// Notes for each of `all` what has happened, so that it is looked at.
pub(super) fn woken(
    memory: &Memory,
    all: Vec<ObjectRef<RuntimeSecret>>,
    wake: Wake,
) -> Vec<ObjectRef<RuntimeSecret>> {
    for one in &all {
        memory.wake((one.namespace.clone().unwrap_or_default(), one.name.clone()), wake);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secrets(all: Vec<serde_json::Value>) -> StoreIndex<RuntimeSecret> {
        let (reader, mut writer) = kube::runtime::reflector::store();
        let index = StoreIndex::new(reader, keys::claims);
        for one in all {
            let secret: RuntimeSecret = serde_json::from_value(one).unwrap();
            let event = kube::runtime::watcher::Event::Apply(secret);
            writer.apply_watcher_event(&event);
            index.on_event(&event);
        }
        index
    }

    fn secret(namespace: &str, name: &str, path: Option<&str>, from: &str) -> serde_json::Value {
        let mut value = json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": { "namespace": namespace, "name": name },
            "spec": { "owner": "o", "purpose": "p",
                "introduce": { "handover": { "bootstrapSecret": from } } },
        });
        if let Some(path) = path {
            value["spec"]["path"] = path.into();
        }
        value
    }

    #[test]
    fn an_external_secret_concerns_whose_path_it_names_and_whose_name_it_targets() {
        let all = secrets(vec![
            secret("payments", "db", None, "db"),
            secret("payments", "granted", Some("legacy/x"), "other"),
            secret("shop", "named", None, "copy"),
        ]);
        let external: ExternalSecret = serde_json::from_value(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": { "namespace": "shop", "name": "copy" },
            "spec": { "dataFrom": [
                { "extract": { "key": "secret/data/runtime/payments/db" } },
                { "extract": { "key": "legacy/x" } } ] },
        }))
        .unwrap();
        let found: Vec<String> =
            external_to_secrets(&external, &all).iter().map(|r| r.name.clone()).collect();
        assert_eq!(found, ["db", "granted", "named"]);
    }
}
