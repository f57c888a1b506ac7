//! Who consumes a path: the ExternalSecrets of the declared namespaces and of the secret's own. A
//! consumer counts as served when its Secret says that it was rendered from exactly this version
//! (PROTOCOLS.md §5.5).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use regent_api::condition;
use regent_api::{ExternalSecret, RuntimeSecret};
use regent_operator::store_index::StoreIndex;
use regent_protocol::observation::Consumers;
use regent_types::{VersionPair, labels};

use super::error::Error;

/// ExternalSecrets looked at for one path; more than that are reported as not looked at.
const CONSUMERS_MAX: usize = 1_000;

/// Name of the Secret that an ExternalSecret writes; `None` where it writes none.
pub(super) fn target(external: &ExternalSecret) -> Option<String> {
    let spec = &external.spec.target;
    (spec.creation_policy.as_deref() != Some("None"))
        .then(|| spec.name.clone().unwrap_or_else(|| external.name_any()))
}

/// The ExternalSecret that targets the bootstrap Secret's name and renders this path.
pub(super) fn becoming(
    secret: &RuntimeSecret,
    path: &str,
    store: &StoreIndex<ExternalSecret>,
) -> Option<String> {
    becoming_of(secret, path, &of(secret, path, store))
}

fn becoming_of(secret: &RuntimeSecret, path: &str, all: &[ExternalOf]) -> Option<String> {
    let from = secret.spec.introduce.handover.as_ref()?;
    let own = secret.namespace()?;
    all.iter()
        .find(|e| e.namespace == own && e.target == from.bootstrap_secret && e.path == path)
        .map(ExternalOf::name)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ExternalOf {
    namespace: String,
    external: String,
    target: String,
    path: String,
    /// Whether its own status says that it is served.
    ready: bool,
}

impl ExternalOf {
    fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.external)
    }
}

/// Declared namespaces, the secret's own last.
fn namespaces(secret: &RuntimeSecret) -> Vec<String> {
    let mut all: Vec<String> = secret.spec.consumers.iter().map(|c| c.namespace.clone()).collect();
    let own = secret.namespace().unwrap_or_default();
    all.retain(|n| *n != own);
    all.push(own);
    all
}

fn is_ready(external: &ExternalSecret) -> bool {
    let status = external.status.as_ref();
    status.is_some_and(|s| condition::is_true(&s.conditions, condition::READY))
}

/// Whether all consumers of `path` say of themselves that they are served: only then is it worth
/// looking whether they are.
pub(super) fn may_have_followed(
    secret: &RuntimeSecret,
    path: &str,
    store: &StoreIndex<ExternalSecret>,
) -> bool {
    of(secret, path, store).iter().all(|consumer| consumer.ready)
}

fn of(secret: &RuntimeSecret, path: &str, store: &StoreIndex<ExternalSecret>) -> Vec<ExternalOf> {
    let wanted = namespaces(secret);
    let mut all: Vec<ExternalOf> = store
        .of(path)
        .iter()
        .filter(|e| {
            let namespace = e.metadata.namespace.as_deref();
            namespace.is_some_and(|n| wanted.iter().any(|w| w == n))
        })
        .filter_map(|e| {
            Some(ExternalOf {
                namespace: e.namespace()?,
                external: e.name_any(),
                target: target(e)?,
                path: path.to_owned(),
                ready: is_ready(e),
            })
        })
        .collect();
    all.sort_by_key(ExternalOf::name);
    all
}

/// Consumers of `path` at `version`. `introducing`: the ExternalSecret that would take over the
/// bootstrap Secret is not awaited, since it can only be served once the bootstrap Secret makes
/// room.
pub(super) async fn observe(
    api: &kube::Client,
    store: &StoreIndex<ExternalSecret>,
    secret: &RuntimeSecret,
    path: &str,
    version: &VersionPair,
    introducing: bool,
) -> Result<Consumers, Error> {
    let all = of(secret, path, store);
    let successor = becoming_of(secret, path, &all).filter(|_| introducing);
    let mut seen = Consumers::default();
    for consumer in all.iter().take(CONSUMERS_MAX) {
        let name = consumer.name();
        if successor.as_ref() == Some(&name) {
            continue;
        }
        if introducing && !consumer.ready {
            // Before the authority is authoritative nothing is materialized.
            seen.waiting.push(format!("{name} (not served yet)"));
            continue;
        }
        match rendered(api, consumer).await? {
            Ok(found) if found.as_ref() == Some(version) => seen.observed.push(name),
            Ok(Some(other)) => seen.waiting.push(format!("{name} (at version {})", other.number)),
            Ok(None) => seen.waiting.push(format!("{name} (not served yet)")),
            Err(why) => seen.waiting.push(format!("{name} ({why})")),
        }
    }
    if all.len() > CONSUMERS_MAX {
        seen.waiting.push(format!("{} more ExternalSecrets", all.len() - CONSUMERS_MAX));
    }
    for declared in &secret.spec.consumers {
        if !all.iter().any(|c| c.namespace == declared.namespace) {
            seen.waiting
                .push(format!("{} (no ExternalSecret names this path)", declared.namespace));
        }
    }
    Ok(seen)
}

/// Consumers of `path` that say of themselves that they are served, and are at `version`.
pub(super) async fn observed(
    api: &kube::Client,
    store: &StoreIndex<ExternalSecret>,
    secret: &RuntimeSecret,
    path: &str,
    version: &VersionPair,
) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let served = of(secret, path, store).into_iter().filter(|consumer| consumer.ready);
    for consumer in served.take(CONSUMERS_MAX) {
        if rendered(api, &consumer).await? == Ok(Some(version.clone())) {
            names.push(consumer.name());
        }
    }
    Ok(names)
}

/// The version of the path that the consumer's Secret was rendered from, read by metadata alone.
async fn rendered(
    api: &kube::Client,
    consumer: &ExternalOf,
) -> Result<Result<Option<VersionPair>, &'static str>, Error> {
    let secrets: Api<Secret> = Api::namespaced(api.clone(), &consumer.namespace);
    let found = match secrets.get_metadata_opt(&consumer.target).await {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            return Ok(Err("the orchestrator may not look at Secrets there"));
        }
        Err(error) => {
            let object = format!("Secret {}/{}", consumer.namespace, consumer.target);
            return Err(Error::api("get", object, &error));
        }
    };
    let Some(found) = found else { return Ok(Ok(None)) };
    let materialized =
        found.labels().get(labels::CLASS).map(String::as_str) == Some(labels::CLASS_MATERIALIZED);
    let annotation = found.annotations().get(labels::VERSIONS).filter(|_| materialized);
    Ok(Ok(annotation.and_then(|text| version(text, &consumer.path))))
}

/// Reads the annotation: a JSON object, path → `number@created_time`.
fn version(annotation: &str, path: &str) -> Option<VersionPair> {
    let all: BTreeMap<String, String> = serde_json::from_str(annotation).ok()?;
    VersionPair::parse(all.get(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn external(namespace: &str, name: &str, spec: serde_json::Value) -> ExternalSecret {
        serde_json::from_value(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": { "namespace": namespace, "name": name }, "spec": spec,
        }))
        .unwrap()
    }

    fn index(all: Vec<ExternalSecret>) -> StoreIndex<ExternalSecret> {
        let (reader, mut writer) = kube::runtime::reflector::store();
        let index = StoreIndex::new(reader, crate::orchestrator::keys::paths);
        for one in all {
            let event = kube::runtime::watcher::Event::Apply(one);
            writer.apply_watcher_event(&event);
            index.on_event(&event);
        }
        index
    }

    fn secret() -> RuntimeSecret {
        serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": { "namespace": "payments", "name": "db" },
            "spec": { "owner": "o", "purpose": "p",
                "introduce": { "handover": { "bootstrapSecret": "db" } },
                "consumers": [{ "namespace": "shop" }] },
        }))
        .unwrap()
    }

    #[test]
    fn consumers_are_those_of_declared_namespaces_and_its_own() {
        let key = json!({ "data": [{ "secretKey": "a", "remoteRef": { "key": "runtime/payments/db" } }] });
        let whole = json!({ "dataFrom": [{ "extract": { "key": "secret/data/runtime/payments/db" } }],
            "target": { "name": "other" } });
        let none = json!({ "dataFrom": [{ "extract": { "key": "runtime/payments/db" } }],
            "target": { "creationPolicy": "None" } });
        let all = index(vec![
            external("payments", "db", key.clone()),
            external("shop", "copy", whole),
            external("shop", "nothing", none),
            external("stranger", "db", key),
        ]);
        let path = "runtime/payments/db";
        let found = of(&secret(), path, &all);
        let names: Vec<String> = found.iter().map(ExternalOf::name).collect();
        assert_eq!(names, ["payments/db", "shop/copy"]);
        assert_eq!(found[1].target, "other");
        assert_eq!(becoming_of(&secret(), path, &found).as_deref(), Some("payments/db"));
    }

    #[test]
    fn the_versions_annotation_names_the_pair_of_each_path() {
        let text = r#"{"runtime/payments/db":"3@t3"}"#;
        assert_eq!(version(text, "runtime/payments/db"), Some(VersionPair::new(3, "t3")));
        assert_eq!(version(text, "runtime/payments/other"), None);
        assert_eq!(version("no json", "runtime/payments/db"), None);
    }
}
