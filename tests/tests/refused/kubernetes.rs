//! Each identity against each thing, at the API server. Writes are dry runs.

use anyhow::{Result, bail};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use serde_json::json;

use crate::owners::{Thing, maps, things};

/// Puts there what is not: with an external authority a person brings the CA. What does not exist nobody is refused.
pub(crate) async fn prepare(admin: &kube::Client) -> Result<()> {
    for map in maps() {
        let api = api(admin, &map);
        if api.get_opt(&map.name).await?.is_none() {
            let mut object = DynamicObject::new(&map.name, &kind(map.resource));
            object.data = json!({ "data": { "refused": "as a person put it" } });
            api.create(&PostParams::default(), &object).await?;
        }
    }
    Ok(())
}

/// What went another way than the owners say.
pub(crate) async fn wrong(
    admin: &kube::Client,
    own: &kube::Client,
    identity: Identity,
) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for thing in things().iter().chain(&maps()) {
        let may_read = thing.read.contains(&identity);
        let may_write = thing.write.contains(&identity);
        let at = format!("{} {}/{}", thing.resource, thing.namespace, thing.name);
        let read = refused(api(own, thing).get(&thing.name).await.map(drop))?;
        if read == may_read {
            wrong.push(format!("get {at}: expected {}", said(may_read)));
        }
        let passed = writes(admin, own, thing).await?;
        if !may_write && !passed.is_empty() {
            wrong.push(format!("{} {at}: expected a refusal", passed.join(", ")));
        }
        if may_write && passed.is_empty() {
            wrong.push(format!("{at}: every write of its owner is refused"));
        }
    }
    for namespace in [SYSTEM_NAMESPACE, "payments", "data"] {
        let lists = identity == Identity::Materializer && namespace != SYSTEM_NAMESPACE;
        let secrets = resource(own, "secrets", namespace);
        if refused(secrets.list(&ListParams::default()).await.map(drop))? == lists {
            wrong.push(format!("list secrets in {namespace}: expected {}", said(lists)));
        }
    }
    let everywhere: Api<DynamicObject> = Api::all_with(own.clone(), &kind("secrets"));
    if !refused(everywhere.list(&ListParams::default()).await.map(drop))? {
        wrong.push("list secrets everywhere: expected a refusal".into());
    }
    Ok(wrong)
}

/// The verbs by which its content could be changed.
async fn writes(
    admin: &kube::Client,
    own: &kube::Client,
    thing: &Thing,
) -> Result<Vec<&'static str>> {
    let (own, name) = (api(own, thing), thing.name.as_str());
    let change = match thing.resource {
        "secrets" => json!({ "data": { "refused": "eA==" } }),
        "leases" => json!({ "spec": { "holderIdentity": "mallory" } }),
        _ => json!({ "data": { "refused": "x" } }),
    };
    let mut passed = Vec::new();
    let params = PatchParams { dry_run: true, ..PatchParams::default() };
    if !refused(own.patch(name, &params, &Patch::Merge(&change)).await.map(drop))? {
        passed.push("patch");
    }
    let there = api(admin, thing).get_opt(name).await?;
    let mut changed = there.unwrap_or_else(|| DynamicObject::new(name, &kind(thing.resource)));
    for (field, value) in change.as_object().into_iter().flatten() {
        for (key, value) in value.as_object().into_iter().flatten() {
            changed.data[field][key] = value.clone();
        }
    }
    let params = PostParams { dry_run: true, ..PostParams::default() };
    if !refused(own.replace(name, &params, &changed).await.map(drop))? {
        passed.push("update");
    }
    let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
    if !refused(own.delete(name, &params).await.map(drop))? {
        passed.push("delete");
    }
    Ok(passed)
}

/// Whether RBAC or an admission policy refused; an answer that tells neither is an error.
pub(crate) fn refused(answer: kube::Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(false),
        Err(kube::Error::Api(status)) => {
            Ok(status.code == 403
                || (status.code == 422 && status.message.contains("denied request")))
        }
        Err(error) => bail!(error),
    }
}

fn said(allowed: bool) -> &'static str {
    if allowed { "no refusal" } else { "a refusal" }
}

fn api(client: &kube::Client, thing: &Thing) -> Api<DynamicObject> {
    resource(client, thing.resource, thing.namespace)
}

fn resource(client: &kube::Client, plural: &str, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind(plural))
}

fn kind(plural: &str) -> ApiResource {
    let (group, kind) = match plural {
        "secrets" => ("", "Secret"),
        "configmaps" => ("", "ConfigMap"),
        _ => ("coordination.k8s.io", "Lease"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
}
