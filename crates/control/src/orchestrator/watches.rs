//! Which change concerns which object. Watches only say that something is to be looked at; what is
//! true is read anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use regent_api::{ExternalSecret, PushSecret, RuntimeSecret, WorkflowRun};
use regent_types::SecretPath;
use regent_types::path::Tree;

use super::consumers::target;
use super::external_index::paths;
use super::known::{Memory, Wake};

/// RuntimeSecrets that an ExternalSecret may concern: those whose path it names, and the one whose
/// bootstrap Secret has the name that it targets.
fn of_external(external: &ExternalSecret, all: &Store<RuntimeSecret>) -> Vec<Arc<RuntimeSecret>> {
    let mut found: Vec<Arc<RuntimeSecret>> = Vec::new();
    for path in paths(external) {
        let direct = default_owner(&path).and_then(|(namespace, name)| {
            all.get(&ObjectRef::new(&name).within(&namespace)).filter(|s| s.spec.path.is_none())
        });
        match direct {
            Some(secret) => found.push(secret),
            None => found.extend(all.state().into_iter().filter(|s| s.declares(&path))),
        }
    }
    if let (Some(target), Some(namespace)) = (target(external), external.namespace()) {
        found.extend(of_bootstrap(&namespace, &target, all));
    }
    found
}

/// The RuntimeSecrets that hand over this bootstrap Secret; usually the one of the same name.
fn of_bootstrap(
    namespace: &str,
    name: &str,
    all: &Store<RuntimeSecret>,
) -> Vec<Arc<RuntimeSecret>> {
    let names = |s: &RuntimeSecret| {
        s.metadata.namespace.as_deref() == Some(namespace)
            && s.spec.introduce.handover.as_ref().is_some_and(|h| h.bootstrap_secret == name)
    };
    match all.get(&ObjectRef::new(name).within(namespace)).filter(|s| names(s)) {
        Some(secret) => vec![secret],
        None => all.state().into_iter().filter(|s| names(s)).collect(),
    }
}

/// The RuntimeSecret that has this path by default.
fn default_owner(path: &str) -> Option<(String, String)> {
    let path = SecretPath::parse(path).ok()?;
    (path.tree() == Tree::Runtime)
        .then(|| Some((path.segment(1)?.to_owned(), path.segment(2)?.to_owned())))?
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
    all: &Store<RuntimeSecret>,
) -> Vec<ObjectRef<RuntimeSecret>> {
    secret_refs(references(of_external(external, all)))
}

/// A manifest changed, and so perhaps the bootstrap Secret of its name: RuntimeSecrets to look at.
pub(super) fn manifest_to_secrets(
    namespace: &str,
    name: &str,
    all: &Store<RuntimeSecret>,
) -> Vec<ObjectRef<RuntimeSecret>> {
    secret_refs(references(of_bootstrap(namespace, name, all)))
}

/// A run changed: the RuntimeSecret to look at.
pub(super) fn run_to_secret(run: &WorkflowRun) -> Option<ObjectRef<RuntimeSecret>> {
    let namespace = run.namespace()?;
    Some(ObjectRef::new(&run.spec.runtime_secret).within(&namespace))
}

/// A PushSecret changed: the RuntimeSecrets that observe it.
pub(super) fn push_to_secrets(
    push: &PushSecret,
    all: &Store<RuntimeSecret>,
) -> Vec<ObjectRef<RuntimeSecret>> {
    let (namespace, name) = (push.namespace(), push.name_any());
    let observes = |s: &RuntimeSecret| {
        s.metadata.namespace == namespace
            && s.spec.introduce.derived.as_ref().is_some_and(|d| d.push_secret == name)
    };
    let found = all.state().into_iter().filter(|s| observes(s));
    found.map(|s| ObjectRef::from_obj(s.as_ref())).collect()
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

    fn secrets(all: Vec<serde_json::Value>) -> Store<RuntimeSecret> {
        let (reader, mut writer) = kube::runtime::reflector::store();
        for one in all {
            let secret: RuntimeSecret = serde_json::from_value(one).unwrap();
            writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(secret));
        }
        reader
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
