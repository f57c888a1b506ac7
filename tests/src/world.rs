//! The world of a scenario, wired by the same code as `regent dev`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use regent::dev::cluster::Cluster;
use regent::dev::view::View;
use regent::dev::{AuthorityChoice, External, Options, System, Watch};
use regent_types::access::identity::Identity;
use regent_types::seal::SealedShares;
use regent_vault::Session;
use serde_json::Value;

use crate::audit;
use crate::binary;
use crate::openbao::{self, OpenBao};
use crate::worlds::{self, Api, Authority, Kind, Lent};

/// Longest wait for anything in a scenario: a limit against hanging, never a measure.
pub const LIMIT: Duration = Duration::from_secs(90);

/// What steps act on.
pub struct World {
    /// How the system is to be started.
    pub options: Options,
    /// Values remembered by name.
    pub remembered: BTreeMap<String, String>,
    kind: Kind,
    lent: Option<Lent>,
    began: Timestamp,
    openbao: Option<OpenBao>,
    /// Sealed shares that a person kept.
    saved: Option<SealedShares>,
    place: tempfile::TempDir,
    system: Option<System>,
    watch: Option<Watch>,
}

impl World {
    /// A world in which nothing of regent runs yet.
    pub async fn new(kind: Kind) -> Result<Self> {
        let mut options = Options::default();
        let mut lent = None;
        match kind.api {
            Api::Sandbox => {}
            Api::Real => {
                let cluster = Lent::take().await?;
                options.kubeconfig = Some(cluster.real()?.kubeconfig());
                options.processes = Some(binary::path()?);
                lent = Some(cluster);
            }
            Api::Own => {
                options.kubeconfig = Some(worlds::own_kubeconfig()?);
                options.processes = Some(binary::path()?);
            }
        }
        let place = tempfile::tempdir()?;
        let mut openbao = None;
        if kind.authority == Authority::OpenBao {
            let pod = place.path().join("pod");
            std::fs::create_dir(&pod)?;
            let server =
                OpenBao::start(&openbao::binary()?, &place.path().join("bao"), Some(&pod))?;
            options.authority = AuthorityChoice::External(External {
                address: server.address(),
                ca_pem: Some(server.ca_pem().as_bytes().to_vec()),
                pod: Some(pod),
            });
            openbao = Some(server);
        }
        Ok(Self {
            options,
            remembered: BTreeMap::new(),
            kind,
            lent,
            began: Timestamp::now(),
            openbao,
            saved: None,
            place,
            system: None,
            watch: None,
        })
    }

    /// A folder of this world.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The running system; started at the first use.
    pub async fn system(&mut self) -> Result<&mut System> {
        if self.system.is_none() {
            let system = System::start(&self.options).await?;
            self.watch = Some(Watch::start(system.admin()));
            self.system = Some(system);
        }
        self.system.as_mut().context("the system does not run")
    }

    /// Waits until `enough` holds for what can be seen.
    pub async fn until(&mut self, enough: impl Fn(&View) -> Result<(), String>) -> Result<()> {
        self.system().await?;
        let watch = self.watch.as_mut().context("nothing is watched")?;
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let Err(missing) = watch.look(&enough) else { return Ok(()) };
            tokio::select! {
                () = watch.changed() => {}
                () = tokio::time::sleep_until(deadline) => bail!("{missing}"),
            }
        }
    }

    /// Plays the one human act after cluster loss.
    pub async fn recover(&mut self) -> Result<()> {
        let wanted = "NoUnsealIdentity";
        self.until(|view| match &view.authority {
            Some((ready, ..)) if ready.reason == wanted => Ok(()),
            other => Err(format!("expected RuntimeAuthority {wanted}, found {other:?}")),
        })
        .await?;
        let saved = self.saved.take();
        self.system().await?.recover(saved).await
    }

    /// Ends the system: the cluster is gone, the kept folder stays. What starts next finds another cluster, with
    /// other CA and keys.
    pub async fn lose_cluster(&mut self) -> Result<()> {
        if self.openbao.is_some() {
            self.saved = Some(self.system().await?.sealed_shares().await?);
        }
        self.end_system().await?;
        if let Some(server) = &mut self.openbao {
            server.restart()?;
        }
        if let Some(lent) = &mut self.lent {
            lent.lose().await?;
            self.options.kubeconfig = Some(lent.real()?.kubeconfig());
        }
        Ok(())
    }

    /// Ends the authority and starts it again over the same storage: sealed, as any restart leaves it.
    pub async fn restart_authority(&mut self) -> Result<()> {
        match &mut self.openbao {
            Some(server) => server.restart(),
            None => self.system().await?.restart_authority().await,
        }
    }

    /// Ends the authority.
    pub async fn stop_authority(&mut self) -> Result<()> {
        match &mut self.openbao {
            Some(server) => server.kill(),
            None => {
                self.system().await?.stop_authority().await;
                Ok(())
            }
        }
    }

    /// There is an authority to be, and it does not answer.
    pub fn without_authority(&mut self) -> Result<()> {
        match &mut self.openbao {
            Some(server) => server.kill(),
            None => {
                self.options.authority = AuthorityChoice::Absent;
                Ok(())
            }
        }
    }

    async fn end_system(&mut self) -> Result<()> {
        self.watch = None;
        match self.system.take() {
            Some(system) => system.stop().await,
            None => Ok(()),
        }
    }

    /// The API of `kind` in `namespace`, as the cluster's admin.
    pub async fn api(
        &mut self,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<kube::Api<DynamicObject>> {
        let (group, version) = match kind {
            "Secret" | "ConfigMap" | "Namespace" => ("", "v1"),
            "ExternalSecret" | "ClusterSecretStore" | "SecretStore" => {
                ("external-secrets.io", "v1")
            }
            "PushSecret" => ("external-secrets.io", "v1alpha1"),
            "ValidatingAdmissionPolicyBinding" => ("admissionregistration.k8s.io", "v1"),
            "RoleBinding" | "Role" | "ClusterRole" => ("rbac.authorization.k8s.io", "v1"),
            _ => ("regent.dev", "v1alpha1"),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let admin = self.system().await?.admin();
        Ok(match namespace {
            Some(namespace) => kube::Api::namespaced_with(admin, namespace, &resource),
            None => kube::Api::all_with(admin, &resource),
        })
    }

    /// Waits until the object (or its absence, `None`) satisfies `fine`.
    pub async fn await_object(
        &mut self,
        kind: &str,
        name: &str,
        fine: impl Fn(Option<&Value>) -> Result<(), String> + Send + Sync,
    ) -> Result<()> {
        let (namespace, name) = split(name);
        let api = self.api(kind, namespace).await?;
        // A watch that breaks is taken up again: the API server may answer 429 for a moment, or be restarted.
        let mut seen = watch_object(api, name).default_backoff().boxed();
        let mut last = "it was never seen".to_owned();
        let waited = tokio::time::timeout(LIMIT, async {
            while let Some(event) = seen.next().await {
                let found = match event {
                    Ok(object) => object.map(serde_json::to_value).transpose(),
                    Err(error) => {
                        last = error.to_string();
                        continue;
                    }
                };
                match fine(found?.as_ref()) {
                    Ok(()) => return Ok(()),
                    Err(why) => last = why,
                }
            }
            bail!("the watch ended")
        });
        match waited.await {
            Ok(done) => done,
            Err(_) => bail!("{kind} {name}: {last}"),
        }
    }

    /// A session of the reader with the authority.
    pub async fn reader(&mut self) -> Result<Session> {
        let system = self.system().await?;
        let jwt = system.token(Identity::Reader)?;
        let vault = system.vault()?;
        let role = Identity::Reader.account();
        let login = vault.login_kubernetes("kubernetes", &role, &jwt).await?;
        Ok(Session::with_token(vault, login.token))
    }

    /// Requests of components that RBAC refused in this world: from the API server's audit log, or the sandbox's own.
    pub async fn refusals(&mut self) -> Result<Vec<String>> {
        let began = self.began;
        if let Some(lent) = &self.lent {
            return audit::refusals(&lent.real()?.audit_log(), began);
        }
        match &self.system().await?.cluster {
            Cluster::Sandbox { sandbox, .. } => Ok(sandbox
                .refusals()
                .into_iter()
                .filter(|l| l.starts_with(audit::COMPONENTS))
                .collect()),
            Cluster::Real { .. } => bail!("the audit log of this cluster is not known"),
        }
    }

    /// What is not as it should be, for the message of a failed scenario.
    pub async fn describe(&mut self) -> String {
        let Some(watch) = &self.watch else { return "nothing runs".into() };
        let unmet = watch.look(View::unmet);
        let lines: Vec<String> =
            unmet.iter().map(|u| format!("{}: {} {}", u.object, u.reason, u.message)).collect();
        let logs = self.system.as_ref().map(System::logs).unwrap_or_default();
        format!("{}, not steady:\n  {}\n{logs}", self.kind, lines.join("\n  "))
    }

    /// Ends everything.
    pub async fn end(mut self) -> Result<()> {
        self.end_system().await?;
        if let Some(lent) = self.lent.take() {
            lent.give_back();
        }
        Ok(())
    }
}

/// `namespace/name` or `name`.
pub fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    }
}
