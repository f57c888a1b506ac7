//! What is asked: any API server that a kubeconfig names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

/// An API server with regent's definitions.
pub struct Server {
    pub(super) config: kube::Config,
    pub(super) admin: kube::Client,
    pub(super) kubectl: Option<PathBuf>,
    pub(super) kubeconfig: PathBuf,
    pub(super) folder: tempfile::TempDir,
    /// ServiceAccount tokens' own audience.
    pub(super) audience: String,
}

impl Server {
    /// Connects with the kubeconfig and applies regent's definitions.
    pub async fn connect(
        kubeconfig: &Path,
        kubectl: Option<PathBuf>,
        audience: &str,
    ) -> Result<Self> {
        let read = Kubeconfig::read_from(kubeconfig)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(read, &options).await?;
        let admin = kube::Client::try_from(config.clone())?;
        for crd in regent_api::all_crds() {
            define(&admin, &serde_json::to_value(crd)?).await?;
        }
        Ok(Self {
            config,
            admin,
            kubectl,
            kubeconfig: kubeconfig.to_owned(),
            folder: tempfile::tempdir()?,
            audience: audience.to_owned(),
        })
    }

    /// A client that shows this token, or nothing.
    pub(super) fn bearer(&self, token: &str) -> Result<kube::Client> {
        let mut config = self.config.clone();
        let token = (token != "none").then(|| token.to_owned().into());
        config.auth_info = AuthInfo { token, ..AuthInfo::default() };
        Ok(kube::Client::try_from(config)?)
    }
}

/// Applies a definition and waits until it is established.
async fn define(client: &kube::Client, crd: &Value) -> Result<()> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let name = crd["metadata"]["name"].as_str().context("a definition without a name")?;
    api.patch(name, &PatchParams::apply("conformance").force(), &Patch::Apply(crd)).await?;
    let established = |object: Option<&DynamicObject>| {
        let conditions = object.map(|o| o.data["status"]["conditions"].clone());
        conditions.is_some_and(|all| {
            let all = all.as_array().cloned().unwrap_or_default();
            all.iter().any(|c| c["type"] == "Established" && c["status"] == "True")
        })
    };
    let wait = kube::runtime::wait::await_condition(api, name, established);
    tokio::time::timeout(super::run::LIMIT, wait).await.with_context(|| name.to_owned())??;
    Ok(())
}
