//! What Kubernetes itself ends, it ends: dependents of an owner that is gone, and a whole namespace. Needs the
//! API server's controllers; the sandbox is its own.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams};
use kube::runtime::wait::{Condition, conditions};
use serde_json::Value;

use super::fixtures::{self, apply};
use crate::waits;

/// Its own namespace, because it ends.
const ENDING: &str = "admission-ending";

/// Runs both; the policies are in force.
pub async fn endings(admin: &kube::Client) -> Result<()> {
    let here = |mut object: Value| {
        object["metadata"]["namespace"] = ENDING.into();
        object
    };
    apply(admin, &fixtures::namespace(ENDING)).await?;
    let external = here(fixtures::external("owner"));
    let owner = apply(admin, &external).await?.metadata.uid.context("a uid")?;
    let mut owned = here(fixtures::materialized("owned"));
    owned["metadata"]["ownerReferences"] = fixtures::owner("owner", &owner);
    let uid = apply(admin, &owned).await?.metadata.uid.context("a uid")?;
    let bootstrap = here(fixtures::bootstrap("bootstrap"));
    apply(admin, &bootstrap).await?;

    let secrets: Api<Secret> = Api::namespaced(admin.clone(), ENDING);
    fixtures::api(admin, &external).delete("owner", &DeleteParams::default()).await?;
    waits::object(secrets, "owned", |found| gone(&uid, found))
        .await
        .context("the owned Secret was not collected")?;

    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let uid = namespaces.get(ENDING).await?.metadata.uid.context("a uid")?;
    namespaces.delete(ENDING, &DeleteParams::default()).await?;
    waits::object(namespaces, ENDING, |found| gone(&uid, found))
        .await
        .context("the namespace did not end")
}

/// Whether the object of this uid is there no longer.
fn gone<K: kube::Resource>(uid: &str, found: Option<&K>) -> Result<(), String> {
    match conditions::is_deleted(uid).matches_object(found) {
        true => Ok(()),
        false => Err("it is still there".to_owned()),
    }
}
