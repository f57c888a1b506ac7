//! The world of a scenario, wired by the same code as `regent dev`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use regent_gitops::gitrepo;
use regent_host::connect;
use regent_host::view::View;
use regent_lab::cluster::Cluster;
use regent_lab::options::{AuthorityChoice, External, Options};
use regent_lab::system::System;
use regent_lab::watch::Watch;
use regent_types::identity::Identity;
use regent_types::labels::AUTHORITY_SERVICE_URL;
use regent_types::login::{Login, LoginMethod};
use regent_types::seal::SealedShares;
use regent_vault::Session;
use serde_json::Value;

use crate::binary;
use crate::git::GitServer;
use crate::named;
use crate::openbao::{self, OpenBao};
use crate::ports;
use crate::proxy::Proxies;
use crate::second::Second;
use crate::used;
use crate::waits;
use crate::worlds::{self, Api, Authority, Lent, WorldKind};

pub use crate::waits::LIMIT;

/// Where Git declares the authority, in the example.
pub(crate) const DECLARED: &str = "regent/authority.yaml";

/// Whether nothing is left to wait for; the first thing that is, where there is one.
pub fn steady(view: &View) -> Result<(), String> {
    view.unmet().first().map_or(Ok(()), |first| Err(format!("not steady: {first:?}")))
}

/// What steps act on.
pub struct World {
    /// How the system is to be started.
    pub options: Options,
    /// Values remembered by name.
    pub remembered: BTreeMap<String, String>,
    pub(crate) kind: WorldKind,
    pub(crate) lent: Option<Lent>,
    /// Between components and the API server, where the scenario asks for it.
    pub(crate) proxies: Option<Proxies>,
    /// Requests of components that were refused.
    refused: Vec<String>,
    openbao: Option<OpenBao>,
    /// Serves the repository, where it is not read in place.
    git: Option<GitServer>,
    /// Sealed shares that a person kept.
    saved: Option<SealedShares>,
    place: tempfile::TempDir,
    system: Option<System>,
    watch: Option<Watch>,
    /// Another cluster from the same Git on the same authority.
    pub(crate) second: Option<Second>,
}

impl World {
    /// A world in which nothing of regent runs yet.
    pub async fn new(kind: WorldKind) -> Result<Self> {
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
        options.authority_process.clone_from(&options.processes);
        options.authority_port = ports::free()?;
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
                ..External::default()
            });
            openbao = Some(server);
        }
        if kind.authority == Authority::Named {
            options.authority = AuthorityChoice::External(named::authority().await?);
        }
        Ok(Self {
            options,
            remembered: BTreeMap::new(),
            kind,
            lent,
            proxies: None,
            refused: Vec::new(),
            openbao,
            git: None,
            saved: None,
            place,
            system: None,
            watch: None,
            second: None,
        })
    }

    /// Whether components are processes, which work only while they hold their Leases.
    pub fn has_leases(&self) -> bool {
        self.options.processes.is_some()
    }

    /// A file's text, where `${authority}` stands for the authority's address.
    pub fn text(&self, block: &str) -> String {
        let address = match &self.options.authority {
            AuthorityChoice::External(external) => external.address.as_str(),
            AuthorityChoice::Embedded | AuthorityChoice::Absent => AUTHORITY_SERVICE_URL,
        };
        block.replace("${authority}", address)
    }

    /// A folder of this world.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Puts the authority outside the cluster: it has neither an account nor a way to the API server, and judges
    /// tokens by the keys that warden keeps at `mount`.
    pub fn authority_outside(&mut self, mount: &str) -> Result<()> {
        let AuthorityChoice::External(external) = &mut self.options.authority else {
            bail!("an authority outside is OpenBao")
        };
        external.pod = None;
        external.login = Login { mount: mount.to_owned(), method: LoginMethod::Keys };
        self.openbao.as_mut().context("no OpenBao runs")?.without_account()
    }

    /// Has intent fetch the repository over http from a server that keeps count.
    pub fn serve_git(&mut self) -> Result<()> {
        let kept = self.folder("kept");
        let server = GitServer::start(&kept)?;
        self.options.data_dir = Some(kept);
        self.options.repo_url = Some(server.url("git"));
        self.git = Some(server);
        Ok(())
    }

    /// The server of the repository.
    pub fn git(&self) -> Result<&GitServer> {
        self.git.as_ref().context("the repository is not served over http")
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

    /// Waits until `enough` holds for what can be seen. Everything is listed anew: what was seen before may be older than
    /// what the step before has done.
    pub async fn until(&mut self, enough: impl Fn(&View) -> Result<(), String>) -> Result<()> {
        let admin = self.system().await?.admin();
        let watch = self.watch.insert(Watch::start(admin));
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

    /// Commits to the repository; what outlived its cluster changes without one.
    pub async fn commit(&mut self, changes: &BTreeMap<String, Option<Vec<u8>>>) -> Result<()> {
        let git = self.folder("kept").join("git");
        if self.system.is_none() && git.exists() {
            gitrepo::commit(&git, changes, "a change", Timestamp::now())?;
            return Ok(());
        }
        self.system().await?.commit(changes)
    }

    /// The lost cluster is followed by one of another installation, over the same authority and from the same Git
    /// but for the installation's name (C9-1).
    pub async fn another_installation(&mut self, name: &str) -> Result<()> {
        ensure!(self.system.is_none(), "an installation runs: lose its cluster first");
        let kept = self.folder("kept");
        let files = gitrepo::list(&kept.join("git"), "main")?;
        let declared = files.get(DECLARED).context("no RuntimeAuthority in Git")?;
        let declared = String::from_utf8(declared.clone())?;
        let (before, after) = ("installation: example-platform", format!("installation: {name}"));
        ensure!(declared.contains(before), "expected {before:?} in {DECLARED}");
        let declared = declared.replace(before, &after).into_bytes();
        self.commit(&BTreeMap::from([(DECLARED.to_owned(), Some(declared))])).await?;
        // The folder was the first installation's; that it is another's now is a person's decision.
        std::fs::remove_file(kept.join("installation"))?;
        Ok(())
    }

    /// Ends the authority and starts it again over the same storage: sealed, as any restart leaves it.
    pub async fn restart_authority(&mut self) -> Result<()> {
        match &mut self.openbao {
            Some(server) => server.restart(),
            None => self.system().await?.restart_authority().await,
        }
    }

    /// Ends the authority, so that nothing answers at its address.
    pub async fn stop_authority(&mut self) -> Result<()> {
        match &mut self.openbao {
            Some(server) => server.kill(),
            None => {
                self.system().await?.stop_authority().await;
                Ok(())
            }
        }
    }

    /// Copies the authority's storage, whole: it is stopped for as long. One that is embedded keeps it in a kept folder.
    pub async fn copy_storage(&mut self) -> Result<()> {
        self.stop_authority().await?;
        copy_folder(&self.storage(), &self.folder("storage-copy"))?;
        self.restart_authority().await
    }

    /// Puts the copy in the place of what the authority has by now.
    pub async fn put_storage_back(&mut self) -> Result<()> {
        self.stop_authority().await?;
        let storage = self.storage();
        std::fs::remove_dir_all(&storage)?;
        copy_folder(&self.folder("storage-copy"), &storage)?;
        self.restart_authority().await
    }

    fn storage(&self) -> PathBuf {
        match &self.openbao {
            Some(server) => server.storage(),
            None => self.folder("kept").join("authority"),
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
        let Some(mut system) = self.system.take() else { return Ok(()) };
        system.stop_components().await;
        let heard = self.hear(&system);
        let stopped = system.stop().await;
        heard?;
        stopped
    }

    /// Takes in what components asked while this system ran: nothing of it may have been refused.
    fn hear(&mut self, system: &System) -> Result<()> {
        let by_api = match (&mut self.lent, &system.cluster) {
            (Some(lent), _) => lent.hear()?,
            (None, Cluster::Sandbox { sandbox, .. }) => used::hear_sandbox(sandbox.refusals()),
            // The audit log of a user's own cluster is theirs.
            (None, Cluster::Real { .. }) => Vec::new(),
        };
        let log = match &self.openbao {
            Some(server) => Some(server.audit_log()),
            None => system.audit_log(),
        };
        // An authority that was never up noted nothing.
        let by_authority = match log.filter(|log| log.exists()) {
            Some(log) => used::hear_authority(&log)?,
            None => Vec::new(),
        };
        self.refused.extend(by_api.into_iter().chain(by_authority));
        Ok(())
    }

    /// The API of `kind` in `namespace`, as the cluster's admin.
    pub async fn api(
        &mut self,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<kube::Api<DynamicObject>> {
        Ok(api_of(self.system().await?.admin(), kind, namespace))
    }

    /// Waits until the object (or its absence, `None`) satisfies `fine`.
    pub async fn await_object(
        &mut self,
        kind: &str,
        name: &str,
        fine: impl Fn(Option<&Value>) -> Result<(), String> + Send + Sync,
    ) -> Result<()> {
        let admin = self.system().await?.admin();
        await_object(admin, kind, name, fine).await
    }

    /// The audit log of the real API server that was lent.
    pub fn api_audit_log(&self) -> Result<PathBuf> {
        let lent = self.lent.as_ref().context("there is no real API server")?;
        Ok(lent.real()?.audit_log())
    }

    /// A session of the reader with the authority.
    pub async fn reader(&mut self) -> Result<Session> {
        let system = self.system().await?;
        let vault = system.vault()?;
        let role = Identity::Reader.account();
        let admin = system.admin();
        let mount = waits::ask(|| connect::login_mount(&admin)).await?;
        waits::login(&vault, &mount, &role, || system.token(Identity::Reader)).await
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

    /// Ends everything; also returns the requests of components that were refused. It is an error where a component
    /// had ended by itself, as no pod is to do.
    pub async fn end(mut self) -> (Vec<String>, Result<()>) {
        let alone = self.system.as_mut().map(System::ended).unwrap_or_default();
        let second = match self.second.take() {
            Some(second) => second.end().await,
            None => Ok(()),
        };
        let mut ended = self.end_system().await.and(second);
        if ended.is_ok() && !alone.is_empty() {
            ended = Err(anyhow!("components ended by themselves: {alone:?}"));
        }
        if let Some(lent) = self.lent.take().filter(|_| ended.is_ok()) {
            lent.give_back();
        }
        (self.refused, ended)
    }
}

/// The API of `kind` in `namespace`.
fn api_of(admin: kube::Client, kind: &str, namespace: Option<&str>) -> kube::Api<DynamicObject> {
    let (group, version) = match kind {
        "Secret" | "ConfigMap" | "Namespace" => ("", "v1"),
        "ExternalSecret" | "ClusterSecretStore" | "SecretStore" => ("external-secrets.io", "v1"),
        "PushSecret" => ("external-secrets.io", "v1alpha1"),
        "ValidatingAdmissionPolicyBinding" | "ValidatingWebhookConfiguration" => {
            ("admissionregistration.k8s.io", "v1")
        }
        "Event" => ("events.k8s.io", "v1"),
        "Lease" => ("coordination.k8s.io", "v1"),
        "RoleBinding" | "Role" | "ClusterRole" => ("rbac.authorization.k8s.io", "v1"),
        _ => ("regent.dev", "v1alpha1"),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => kube::Api::namespaced_with(admin, namespace, &resource),
        None => kube::Api::all_with(admin, &resource),
    }
}

/// Waits until the object of the cluster that `admin` is of, or its absence (`None`), satisfies `fine`.
pub async fn await_object(
    admin: kube::Client,
    kind: &str,
    name: &str,
    fine: impl Fn(Option<&Value>) -> Result<(), String> + Send + Sync,
) -> Result<()> {
    let (namespace, short) = split(name);
    let found = |object: Option<&DynamicObject>| {
        let value = object.map(serde_json::to_value).transpose().map_err(|e| e.to_string())?;
        fine(value.as_ref())
    };
    waits::object(api_of(admin, kind, namespace), short, found)
        .await
        .with_context(|| format!("{kind} {name}"))
}

/// Takes `namespace/name` apart; a `name` alone has no namespace.
pub fn split(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    }
}

/// Copies files and folders, each as it is.
fn copy_folder(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to)?,
            false => drop(std::fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}
