//! Which definitions of External Secrets kinds may be placed: a neighbour's are never changed, and what was not
//! looked at is not known.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use regent_install::definitions;
use regent_install::values::ExternalSecretsCrds;

use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use regent_host::failure::of_any;

pub(super) struct SharedDefinitions {
    /// Names of the definitions that may be placed.
    pub(super) placeable: BTreeSet<String>,
    /// What the person who asked should know.
    pub(super) note: Option<String>,
}

/// Looks at the cluster where that decides anything.
pub(super) async fn look(
    wanted: ExternalSecretsCrds,
    removable: bool,
    cluster: &ClusterArgs,
) -> anyhow::Result<SharedDefinitions> {
    let without = |note| SharedDefinitions { placeable: BTreeSet::new(), note };
    // Definitions are never removed, so that for an uninstall there is nothing to decide.
    if removable || wanted == ExternalSecretsCrds::Never {
        return Ok(without(None));
    }
    if wanted == ExternalSecretsCrds::Always {
        return Ok(SharedDefinitions { placeable: definitions::shared(), note: None });
    }
    match connect::kubernetes(cluster).await {
        Ok(client) => Ok(SharedDefinitions { placeable: placeable(client).await?, note: None }),
        // A cluster that was named has to answer; one that nobody named need not exist.
        Err(error) if cluster.kubeconfig.is_some() => Err(error),
        Err(error) => Ok(without(Some(format!(
            "External Secrets definitions left out: no cluster to look at ({}); where there are none, \
             add --external-secrets-crds always",
            of_any(&error).message
        )))),
    }
}

async fn placeable(client: kube::Client) -> anyhow::Result<BTreeSet<String>> {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    let mut placeable = BTreeSet::new();
    for name in definitions::shared() {
        let found = api.get_metadata_opt(&name).await?;
        let labels = found.map(|crd| crd.metadata.labels.unwrap_or_default());
        if labels.is_none_or(|labels| definitions::is_own(&labels)) {
            placeable.insert(name);
        }
    }
    Ok(placeable)
}
