//! The system itself: API server, authority, components, wired as on a cluster. `regent dev` and the scenarios
//! both start this.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use regent_api::git_source::{GitSource, GitSourceSpec};
use regent_control::warden;
use regent_gitops::gitrepo;
use regent_install::COMPONENTS;
use regent_manifest::sops::{self, SealOptions};
use regent_types::Sensitive;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_SERVICE_URL, SYSTEM_NAMESPACE};
use regent_types::seal::SealedShares;
use regent_vault::{FileJwt, JwtSource};

use super::account;
use super::authority_server::AuthorityServer;
use super::cluster::Cluster;
use super::components::Components;
use super::drill;
use super::folder::Folder;
use super::install::{self, Installed};
use super::loopback::loopback;
use super::options::{AuthorityChoice, Options};
use super::repository::{self, Repository};
use super::trust::Trust;
use super::wiring::Wiring;
use regent_host::failure::Failure;
use regent_host::hosted::AUDIT_LOG;

/// Seconds between looks at the repository: local and cheap.
const GIT_INTERVAL_S: i64 = 2;

/// A run of the whole system: cluster, authority and components.
pub struct System {
    /// The Kubernetes API that the components talk to.
    pub cluster: Cluster,
    /// Where the run lives.
    pub folder: Folder,
    /// Phase 0; absent where a kept folder's identity file is gone.
    pub trust: Option<Trust>,
    /// URL from which intent fetches the repository.
    pub repo_url: String,
    /// Its commit, where it is local.
    pub commit: Option<String>,
    /// Namespaces with access to Secrets.
    pub namespaces: Vec<String>,
    /// Addresses and files that each component is started with.
    pub wiring: Wiring,
    /// The components that run, as tasks or processes.
    pub components: Components,
    installed: Installed,
    hosted: Option<AuthorityServer>,
    /// Where the embedded authority answers while it runs.
    hosted_at: Option<SocketAddr>,
    keeper: tokio::task::JoinHandle<()>,
    authority: Written,
}

/// The authority as Git writes it and as it is dialled.
struct Written {
    address: String,
    dialled: String,
}

impl System {
    /// Phase 0 and everything that a cluster's admin does; the components then do the rest.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let folder = Folder::open(options.data_dir.as_deref())?;
        let trust = repository::root_of_trust(options, &folder)?;
        let found = repository::open(options, &folder, trust.as_ref())?;
        let mut declared = found.declared();
        declared.namespaces.extend(options.namespaces.iter().cloned());
        declared.namespaces.sort();
        declared.namespaces.dedup();
        folder.claim(declared.installation.as_deref().unwrap_or("none"))?;
        let cluster = match &options.kubeconfig {
            Some(path) => Cluster::real(path).await?,
            None => Cluster::sandbox(options.api_port).await?,
        };
        let admin = cluster.admin();
        let brought = trust.as_ref().map(|t| t.manifest_identities(&declared.holders));
        let installed = install::install(
            &admin,
            &declared.namespaces,
            brought.as_ref(),
            cluster.outlives_run(),
        )
        .await?;
        let begun =
            Begun { cluster, folder, trust, found, namespaces: declared.namespaces, installed };
        begun.wire(options).await
    }

    /// Client that may do everything on this run's cluster.
    pub fn admin(&self) -> kube::Client {
        self.cluster.admin()
    }

    /// Address of the authority.
    pub fn vault_addr(&self) -> String {
        self.authority.dialled.clone()
    }

    /// An unauthenticated client of the authority.
    pub fn vault(&self) -> anyhow::Result<regent_vault::Client> {
        let client = self.wiring.endpoints.client(&self.authority.address);
        Ok(client.map_err(|e| Failure::of("reaching the authority", &e))?)
    }

    /// Ends the embedded authority and starts it again over the same storage: sealed, as any restart leaves it.
    pub async fn restart_authority(&mut self) -> anyhow::Result<()> {
        let Some(addr) = self.hosted_at else {
            anyhow::bail!("this run hosts no authority");
        };
        self.stop_authority().await;
        self.hosted = Some(AuthorityServer::start(&self.wiring, &self.folder, addr).await?);
        Ok(())
    }

    /// Ends the embedded authority.
    pub async fn stop_authority(&mut self) {
        if let Some(hosted) = self.hosted.take() {
            hosted.stop().await;
        }
    }

    /// Commits changes to the run's own repository.
    pub fn commit(&mut self, changes: &BTreeMap<String, Option<Vec<u8>>>) -> anyhow::Result<()> {
        let folder = self.folder.lasting().join("git");
        let id = gitrepo::commit(&folder, changes, "a change", Timestamp::now())
            .map_err(|e| Failure::of("committing to the repository", &e))?;
        self.commit = Some(id);
        Ok(())
    }

    /// Ends one replica of a component where it is, as a crash would.
    pub async fn kill(&mut self, identity: Identity, replica: u8) {
        self.components.kill(identity, replica).await;
    }

    /// Starts one replica of a component, if it does not run; more than one only where they are processes.
    pub fn start_component(&mut self, identity: Identity, replica: u8) -> anyhow::Result<()> {
        self.components.start(identity, replica, &self.cluster, &self.wiring)
    }

    /// Components that ended without being asked to, each with how.
    pub fn ended(&mut self) -> Vec<String> {
        self.components.ended()
    }

    /// The log of one replica of a component that is a process.
    pub fn log(&self, identity: Identity, replica: u8) -> std::path::PathBuf {
        self.wiring.log(identity, replica)
    }

    /// Projects new tokens at once, as a kubelet does for pods that start.
    pub async fn project_tokens(&self) -> anyhow::Result<()> {
        self.wiring.tokens.renew().await
    }

    /// The sealed shares in force, as a person keeps them beside the root of trust.
    pub async fn sealed_shares(&self) -> anyhow::Result<SealedShares> {
        let shares = warden::sealed_shares(&self.admin(), &self.vault()?).await;
        Ok(shares.map_err(|e| Failure::of("reading the sealed shares", &e))?)
    }

    /// Plays the one human act after cluster loss; an external authority needs the shares that were kept.
    pub async fn recover(&self, saved: Option<SealedShares>) -> anyhow::Result<()> {
        let Some(trust) = &self.trust else { anyhow::bail!("no identity file") };
        drill::recover(self.admin(), self.vault()?, trust, saved).await
    }

    /// A kubeconfig of the cluster's admin, for a program of its own.
    pub fn admin_kubeconfig(&self) -> std::io::Result<Sensitive<String>> {
        self.cluster.admin_kubeconfig()
    }

    /// The last lines that component processes logged.
    pub fn logs(&self) -> String {
        self.wiring.logs()
    }

    /// The audit log of the embedded authority; an authority outside this process has its own.
    pub fn audit_log(&self) -> Option<PathBuf> {
        let inside = self.authority.address == AUTHORITY_SERVICE_URL;
        inside.then(|| Wiring::site(&self.folder).join(AUDIT_LOG))
    }

    /// A client of the API server as `identity`, with its own projected token.
    pub fn client_of(&self, identity: Identity) -> anyhow::Result<kube::Client> {
        Ok(self.cluster.client(identity, &self.wiring.tokens)?)
    }

    /// A token of `identity` for the authority.
    pub fn token(&self, identity: Identity) -> anyhow::Result<Sensitive<String>> {
        let file = FileJwt { path: self.wiring.tokens.authority_file(identity) };
        Ok(file.jwt().map_err(|e| Failure::of("reading a token", &e))?)
    }

    /// A token of `identity` for the API server.
    pub fn api_token(&self, identity: Identity) -> anyhow::Result<Sensitive<String>> {
        let file = FileJwt { path: self.wiring.tokens.api_file(identity) };
        Ok(file.jwt().map_err(|e| Failure::of("reading a token", &e))?)
    }

    /// `plain` sealed for this system's manifests, as a person would with `regent seal`.
    pub fn seal(&self, plain: &str) -> anyhow::Result<String> {
        let Some(trust) = &self.trust else { anyhow::bail!("no identity file") };
        let options = SealOptions::new(vec![trust.manifest_recipient()], Timestamp::now());
        Ok(sops::seal(plain, &options).map_err(|e| Failure::of("sealing", &e))?)
    }

    /// Ends the components, each as it ends when asked to.
    pub async fn stop_components(&mut self) {
        self.components.stop().await;
    }

    /// Ends everything and takes away what was put into a cluster that goes on; the temporary folder goes with
    /// `self`.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.components.stop().await;
        self.stop_authority().await;
        self.keeper.abort();
        let removed = match self.cluster.outlives_run() {
            true => self.installed.remove(&self.cluster.admin()).await,
            false => Ok(()),
        };
        self.cluster.stop().await;
        removed
    }

    /// Plays the database operator of the example: a Secret that no person wrote. Its password is derived from
    /// phase 0, so that it is the same after cluster loss, as the database's own would be.
    async fn play_operator(&self) -> anyhow::Result<()> {
        let example = self.namespaces.iter().any(|n| n == "data");
        let Some(trust) = self.trust.as_ref().filter(|_| example) else { return Ok(()) };
        let seed = trust.manifest_identities(&[]);
        let password = Sensitive::new(operator_password(seed.expose()));
        let secrets: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.admin(), "data");
        let secret = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "postgres-app", "labels": { "app.kubernetes.io/managed-by": "postgres-operator" } },
            "stringData": {
                "username": "app", "password": password.expose(),
                "host": "postgres.data.svc", "port": "5432",
            },
        }))?;
        secrets.create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    /// What a person does last: points regent at the repository.
    pub async fn point_at_git(&self, options: &Options) -> anyhow::Result<()> {
        if let Some(account) = &options.account {
            account::lend(&self.admin(), account, !self.cluster.outlives_run()).await?;
        }
        let spec = GitSourceSpec {
            url: self.repo_url.clone(),
            reference: options.reference.clone(),
            path: options.path.clone(),
            interval_seconds: GIT_INTERVAL_S,
            credentials: None,
            service_account_name: options.account.clone(),
            suspend: false,
        };
        let sources: Api<GitSource> = Api::namespaced(self.admin(), SYSTEM_NAMESPACE);
        sources.create(&PostParams::default(), &GitSource::new("platform", spec)).await?;
        Ok(())
    }
}

/// A cluster with regent's objects in it, before anything runs.
struct Begun {
    cluster: Cluster,
    folder: Folder,
    trust: Option<Trust>,
    found: Repository,
    namespaces: Vec<String>,
    installed: Installed,
}

impl Begun {
    /// Projects tokens, brings up the authority and the components, and points them at Git.
    async fn wire(self, options: &Options) -> anyhow::Result<System> {
        let Self { cluster, folder, trust, found, namespaces, installed } = self;
        let mut wiring = Wiring::project(&cluster, &folder, options).await?;
        let keeper = tokio::spawn(wiring.tokens.clone().keep());
        let (hosted, authority) = bring_up(&mut wiring, &folder, options).await?;
        let mut system = System {
            cluster,
            folder,
            trust,
            repo_url: options.repo_url.clone().unwrap_or(found.url),
            commit: found.commit,
            namespaces,
            wiring,
            components: Components::default(),
            installed,
            hosted_at: hosted.as_ref().map(|h| h.addr),
            hosted,
            keeper,
            authority,
        };
        for identity in COMPONENTS.iter().filter(|i| !options.without.contains(i)) {
            system.start_component(*identity, 0)?;
        }
        system.play_operator().await?;
        system.point_at_git(options).await?;
        Ok(system)
    }
}

/// Starts the embedded authority, unless there is another or none, and says where the components reach it.
async fn bring_up(
    wiring: &mut Wiring,
    folder: &Folder,
    options: &Options,
) -> anyhow::Result<(Option<AuthorityServer>, Written)> {
    if let Some(external) = options.authority.external() {
        let address = external.address.clone();
        return Ok((None, Written { dialled: address.clone(), address }));
    }
    let mut addr = loopback(options.authority_port);
    let mut hosted = None;
    if matches!(options.authority, AuthorityChoice::Embedded) {
        let started = AuthorityServer::start(wiring, folder, addr).await?;
        addr = started.addr;
        hosted = Some(started);
    }
    let scheme = if wiring.authority.is_some() { "https" } else { "http" };
    let dialled = format!("{scheme}://{addr}");
    wiring.endpoints.dial = [(AUTHORITY_SERVICE_URL.to_owned(), dialled.clone())].into();
    Ok((hosted, Written { address: AUTHORITY_SERVICE_URL.to_owned(), dialled }))
}

fn operator_password(seed: &str) -> String {
    use std::fmt::Write;
    let digest = ring::hmac::sign(
        &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, seed.as_bytes()),
        b"the example's database operator",
    );
    digest.as_ref().iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
