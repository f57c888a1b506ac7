//! What `regent install` would put into a cluster, put there as its admin: namespaces, CRDs, accounts, RBAC,
//! admission policies, and the one thing a person brings: the identity that opens manifests. What this run created
//! it also takes away.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use regent_api::{ClusterSecretStore, RuntimeAuthority};
use regent_install::Values;
use regent_install::access::admission;
use regent_types::labels::{CONFIRM_DELETION, MANIFEST_IDENTITY_SECRET, SOURCE, SYSTEM_NAMESPACE};
use regent_types::{Advice, Sensitive};
use serde_json::{Value, json};

use regent_host::failure::Failure;

const DEFINITION: &str = "CustomResourceDefinition";
/// Longest wait for a CRD to be served, or for an object to be gone.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// What a run created, in order.
#[derive(Default)]
pub(super) struct Installed(Vec<Value>);

/// Installs regent for `namespaces`. `alone`: refuses a cluster where regent is installed already.
pub(super) async fn install(
    admin: &kube::Client,
    namespaces: &[String],
    manifest_identities: Option<&Sensitive<String>>,
    alone: bool,
) -> anyhow::Result<Installed> {
    let mut installed = Installed::default();
    for name in std::iter::once(SYSTEM_NAMESPACE).chain(namespaces.iter().map(String::as_str)) {
        let object =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let created = installed.place(admin, object).await?;
        if alone && !created && name == SYSTEM_NAMESPACE {
            return Err(already_installed().into());
        }
    }
    let values = Values { namespaces: namespaces.to_vec(), ..Values::default() };
    // A neighbour's definitions are left as they are when they are placed.
    let ground = regent_install::objects(&values, &regent_install::definitions::shared())
        .map_err(|e| Failure::of("preparing the installation", &e))?;
    let ground: Vec<Value> = ground.into_iter().filter(is_ground).collect();
    for object in &ground {
        installed.place(admin, object.clone()).await?;
    }
    for definition in ground.iter().filter(|o| o["kind"] == DEFINITION) {
        established(admin, text(definition, "/metadata/name")).await?;
    }
    let Some(manifest_identities) = manifest_identities else { return Ok(installed) };
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
    let secret = serde_json::from_value(json!({
        "metadata": { "name": MANIFEST_IDENTITY_SECRET },
        "stringData": { "identities": manifest_identities.expose() },
    }))?;
    secrets.create(&PostParams::default(), &secret).await?;
    Ok(installed)
}

/// What workloads stand on. They themselves run here, not in pods.
fn is_ground(object: &Value) -> bool {
    const GROUPS: [&str; 2] = ["rbac.authorization.k8s.io/v1", admission::API_VERSION];
    object["kind"] == DEFINITION
        || object["kind"] == "ServiceAccount"
        || GROUPS.iter().any(|group| object["apiVersion"] == *group)
}

fn already_installed() -> Failure {
    Failure::new(
        "AlreadyInstalled",
        "regent is installed in this cluster",
        Advice::new(
            format!("a cluster without namespace {SYSTEM_NAMESPACE}"),
            format!("namespace {SYSTEM_NAMESPACE}"),
            "look at what runs there with `regent status`; `regent dev` is for a cluster of its own",
        ),
    )
}

impl Installed {
    /// Creates `object`; one of regent's own that is there already is brought to what it should be. Returns
    /// whether it was created.
    async fn place(&mut self, admin: &kube::Client, object: Value) -> anyhow::Result<bool> {
        let api = api_of(admin, &object);
        let typed: DynamicObject = serde_json::from_value(object.clone())?;
        match api.create(&PostParams::default(), &typed).await {
            Ok(_) => {
                self.0.push(object);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                // Neighbours' definitions are theirs (External Secrets Operator beside us).
                let name = text(&object, "/metadata/name");
                if !name.ends_with(".external-secrets.io") {
                    let params = PatchParams::apply("regent-install").force();
                    api.patch(name, &params, &Patch::Apply(&object)).await?;
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes what was created, last first, and what intent applied outside namespaces; returns when all is gone.
    pub(super) async fn remove(&self, admin: &kube::Client) -> anyhow::Result<()> {
        let applied = ListParams::default().labels(SOURCE);
        let background = DeleteParams::background();
        let authorities: Api<RuntimeAuthority> = Api::all(admin.clone());
        authorities.delete_collection(&background, &applied).await?;
        let stores: Api<ClusterSecretStore> = Api::all(admin.clone());
        stores.delete_collection(&background, &applied).await?;
        for object in self.0.iter().rev() {
            confirm(admin, object).await?;
            match api_of(admin, object).delete(text(object, "/metadata/name"), &background).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        for object in self.0.iter().rev().filter(|o| o["kind"] == "Namespace") {
            let name = text(object, "/metadata/name");
            let gone = |object: Option<&DynamicObject>| object.is_none();
            tokio::time::timeout(WAIT_MAX, await_condition(api_of(admin, object), name, gone))
                .await
                .map_err(|_| not_gone(name))??;
        }
        Ok(())
    }
}

/// Says on what takes other things with it that its deletion is meant: admission refuses it otherwise.
async fn confirm(admin: &kube::Client, object: &Value) -> anyhow::Result<()> {
    let name = text(object, "/metadata/name");
    let guarded =
        object["kind"] == DEFINITION || (object["kind"] == "Namespace" && name == SYSTEM_NAMESPACE);
    if !guarded {
        return Ok(());
    }
    let patch = json!({ "metadata": { "annotations": { CONFIRM_DELETION: "true" } } });
    let params = PatchParams::default();
    match api_of(admin, object).patch(name, &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn not_gone(name: &str) -> Failure {
    Failure::new(
        "NotGone",
        "the cluster was not cleaned up",
        Advice::new(
            format!("namespace {name} gone within {} s", WAIT_MAX.as_secs()),
            "it is still being deleted",
            format!("see what keeps it: `kubectl get namespace {name} -o yaml`"),
        ),
    )
}

/// Waits until the API server serves the kind.
async fn established(admin: &kube::Client, name: &str) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(admin.clone());
    let wait = await_condition(api, name, conditions::is_crd_established());
    tokio::time::timeout(WAIT_MAX, wait).await.map_err(|_| {
        let advice = Advice::new(
            format!("{name} served within {} s", WAIT_MAX.as_secs()),
            "its condition Established is not true",
            format!("see `kubectl get crd {name} -o yaml`"),
        );
        Failure::new("NotEstablished", "a CustomResourceDefinition is not served", advice)
    })??;
    Ok(())
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The API of an object of any kind.
fn api_of(admin: &kube::Client, object: &Value) -> Api<DynamicObject> {
    let (group, version) = match text(object, "/apiVersion").split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", text(object, "/apiVersion")),
    };
    let kind = GroupVersionKind::gvk(group, version, text(object, "/kind"));
    let resource = ApiResource::from_gvk(&kind);
    match object.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &resource),
        None => Api::all_with(admin.clone(), &resource),
    }
}
