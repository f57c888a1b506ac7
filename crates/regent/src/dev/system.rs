//! The system itself: API server, authority, components, wired as on a cluster. `regent dev` and the scenarios
//! both start this.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use regent_components::{Endpoints, gitrepo};
use regent_manifest::sops::{self, SealOptions};
use regent_sandbox::{Sandbox, Serving};
use regent_types::access::identity::Identity;
use regent_types::labels::{AUTHORITY_SERVICE_URL, SYSTEM_NAMESPACE};
use regent_types::resources::git_source::{GitSource, GitSourceSpec};
use regent_types::{Advice, Sensitive};
use regent_vault::{FileJwt, JwtSource};

use super::authority::Hosted;
use super::components::{ALL, Components, Wiring};
use super::folder::Folder;
use super::tokens::Tokens;
use super::trust::Trust;
use super::{drill, example, install};
use crate::failure::Failure;

/// Seconds between looks at the repository: local and cheap.
const GIT_INTERVAL_S: i64 = 2;

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The user's own repository; the example by default.
    pub repo: Option<String>,
    /// Branch or tag.
    pub reference: String,
    /// Identity file.
    pub identity: Option<PathBuf>,
    /// What is kept.
    pub data_dir: Option<PathBuf>,
    /// Port of the API server, 0 for a free one.
    pub api_port: u16,
    /// Port of the authority, 0 for a free one.
    pub authority_port: u16,
    /// A real cluster.
    pub kubeconfig: Option<PathBuf>,
    /// Further secrets for the example.
    pub extra_secrets: u32,
    /// Changes to the example's files before they are committed: path → new content, `None` removes.
    pub overlay: BTreeMap<String, Option<Vec<u8>>>,
    /// Components that are not started.
    pub without: Vec<Identity>,
    /// Whether the authority is started.
    pub with_authority: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            repo: None,
            reference: "main".into(),
            identity: None,
            data_dir: None,
            api_port: 0,
            authority_port: 0,
            kubeconfig: None,
            extra_secrets: 0,
            overlay: BTreeMap::new(),
            without: Vec::new(),
            with_authority: true,
        }
    }
}

/// The running system.
pub struct System {
    /// The API server.
    pub sandbox: Sandbox,
    /// Its loopback listener.
    pub serving: Serving,
    /// Where the run lives.
    pub folder: Folder,
    /// Phase 0; absent where a kept folder's identity file is gone.
    pub trust: Option<Trust>,
    /// The repository's URL.
    pub repo_url: String,
    /// Its commit, where it is local.
    pub commit: Option<String>,
    /// Namespaces with access to Secrets.
    pub namespaces: Vec<String>,
    /// The components' wiring.
    pub wiring: Wiring,
    /// The components.
    pub components: Components,
    hosted: Option<Hosted>,
    keeper: tokio::task::JoinHandle<()>,
    authority_addr: SocketAddr,
}

impl System {
    /// Phase 0 and everything that a cluster's admin does; the components then do the rest.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        if let Some(path) = &options.kubeconfig {
            let advice = Advice::new(
                "the in-process Kubernetes API",
                format!("--kubeconfig {}", path.display()),
                "leave --kubeconfig out; real clusters come with `regent install`",
            );
            let message = "a real cluster is not supported by dev in this release";
            return Err(Failure::new("Unsupported", message, advice).code(2).into());
        }
        let folder = Folder::open(options.data_dir.as_deref())?;
        let trust = root_of_trust(options, &folder)?;
        let (repo_url, commit, files) = repository(options, &folder, trust.as_ref())?;
        let declared = Declared::read(&files);
        folder.claim(declared.installation.as_deref().unwrap_or("none"))?;
        let sandbox = Sandbox::start(regent_sandbox::Options::default())
            .map_err(|e| Failure::of("starting the Kubernetes API", &e))?;
        let serving = sandbox
            .serve(loopback(options.api_port))
            .await
            .map_err(|e| Failure::of("serving the Kubernetes API (--port)", &e))?;
        let admin = sandbox.admin();
        let brought = trust.as_ref().map(|t| t.manifest_identities(&declared.holders));
        install::install(&admin, &declared.namespaces, brought.as_ref()).await?;
        let tokens = Tokens::project(admin.clone(), &folder.temporary().join("identities")).await?;
        let keeper = tokio::spawn(tokens.clone().keep());
        let mut hosted = None;
        let mut authority_addr = loopback(options.authority_port);
        if options.with_authority {
            let started = Hosted::start(
                &folder.lasting().join("authority"),
                authority_addr,
                tokens.api_file(Identity::Authority),
            )
            .await?;
            authority_addr = started.addr;
            hosted = Some(started);
        }
        let dial = [(AUTHORITY_SERVICE_URL.to_owned(), format!("http://{authority_addr}"))];
        let wiring = Wiring {
            sandbox: sandbox.clone(),
            tokens,
            endpoints: Endpoints { dial: dial.into(), ca_pem: None },
            kubernetes_host: format!("https://{}", serving.addr()),
            kubernetes_ca: sandbox.ca_pem(),
            cache: folder.temporary().join("git-cache"),
        };
        let mut system = Self {
            sandbox,
            serving,
            folder,
            trust,
            repo_url,
            commit,
            namespaces: declared.namespaces,
            wiring,
            components: Components::default(),
            hosted,
            keeper,
            authority_addr,
        };
        for identity in ALL.iter().filter(|i| !options.without.contains(i)) {
            system.components.start(*identity, &system.wiring);
        }
        system.play_operator().await?;
        system.point_at_git(&options.reference).await?;
        Ok(system)
    }

    /// The cluster's admin.
    pub fn admin(&self) -> kube::Client {
        self.sandbox.admin()
    }

    /// Address of the authority.
    pub fn vault_addr(&self) -> String {
        format!("http://{}", self.authority_addr)
    }

    /// An unauthenticated client of the authority.
    pub fn vault(&self) -> anyhow::Result<regent_vault::Client> {
        let client = self.wiring.endpoints.client(AUTHORITY_SERVICE_URL);
        Ok(client.map_err(|e| Failure::of("reaching the authority", &e))?)
    }

    /// Ends the authority and starts it again over the same storage: sealed, as any restart leaves it.
    pub async fn restart_authority(&mut self) -> anyhow::Result<()> {
        self.stop_authority().await;
        let started = Hosted::start(
            &self.folder.lasting().join("authority"),
            self.authority_addr,
            self.wiring.tokens.api_file(Identity::Authority),
        )
        .await?;
        self.hosted = Some(started);
        Ok(())
    }

    /// Ends the authority.
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

    /// Ends one component where it is, as a crash would.
    pub async fn kill(&mut self, identity: Identity) {
        self.components.kill(identity).await;
    }

    /// Starts one component that does not run.
    pub fn start_component(&mut self, identity: Identity) {
        self.components.start(identity, &self.wiring);
    }

    /// Plays the one human act after cluster loss.
    pub async fn recover(&self) -> anyhow::Result<()> {
        let Some(trust) = &self.trust else { anyhow::bail!("no identity file") };
        drill::recover(&self.admin(), &self.vault()?, trust).await
    }

    /// A token of `identity` for the authority.
    pub fn token(&self, identity: Identity) -> anyhow::Result<Sensitive<String>> {
        let file = FileJwt { path: self.wiring.tokens.authority_file(identity) };
        Ok(file.jwt().map_err(|e| Failure::of("reading a token", &e))?)
    }

    /// `plain` sealed for this system's manifests, as a person would with `regent seal`.
    pub fn seal(&self, plain: &str) -> anyhow::Result<String> {
        let Some(trust) = &self.trust else { anyhow::bail!("no identity file") };
        let options = SealOptions::new(vec![trust.manifest_recipient()], Timestamp::now());
        Ok(sops::seal(plain, &options).map_err(|e| Failure::of("sealing", &e))?)
    }

    /// Ends everything; the temporary folder goes with `self`.
    pub async fn stop(mut self) {
        self.components.stop().await;
        self.stop_authority().await;
        self.keeper.abort();
        self.serving.stop().await;
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
    async fn point_at_git(&self, reference: &str) -> anyhow::Result<()> {
        let spec = GitSourceSpec {
            url: self.repo_url.clone(),
            reference: reference.to_owned(),
            path: String::new(),
            interval_seconds: GIT_INTERVAL_S,
            credentials: None,
            service_account_name: None,
            suspend: false,
        };
        let sources: Api<GitSource> = Api::namespaced(self.admin(), SYSTEM_NAMESPACE);
        sources.create(&PostParams::default(), &GitSource::new("platform", spec)).await?;
        Ok(())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
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

fn root_of_trust(options: &Options, folder: &Folder) -> Result<Option<Trust>, Failure> {
    if let Some(path) = &options.identity {
        return Trust::read(path).map(Some);
    }
    let path = folder.default_identity();
    if path.exists() {
        return Trust::read(&path).map(Some);
    }
    // A kept folder without its identity is an installation whose root of trust is lost: a new one would open
    // nothing, so none is made, and the authority stays sealed.
    let used = folder.lasting().join("git").exists();
    if used { Ok(None) } else { Trust::create(&path).map(Some) }
}

type Files = BTreeMap<String, Vec<u8>>;

fn repository(
    options: &Options,
    folder: &Folder,
    trust: Option<&Trust>,
) -> anyhow::Result<(String, Option<String>, Files)> {
    let git = |e: &gitrepo::GitError| Failure::of("reading the repository", e);
    if let Some(repo) = &options.repo {
        if repo.contains("://") && !repo.starts_with("file://") {
            return Ok((repo.clone(), None, Files::new()));
        }
        let path = std::path::absolute(repo.trim_start_matches("file://"))?;
        let files = gitrepo::list(&path, &options.reference).map_err(|e| git(&e))?;
        return Ok((path.display().to_string(), None, files));
    }
    let place = folder.lasting().join("git");
    let url = std::path::absolute(&place)?.display().to_string();
    if place.exists() {
        let files = gitrepo::list(&place, &options.reference).map_err(|e| git(&e))?;
        return Ok((url, None, files));
    }
    let Some(trust) = trust else { anyhow::bail!("a new repository needs a root of trust") };
    let now = Timestamp::now();
    let mut files = example::files(trust, options.extra_secrets, now)?;
    for (name, content) in &options.overlay {
        match content {
            Some(content) => files.insert(name.clone(), content.clone()),
            None => files.remove(name),
        };
    }
    let commit =
        gitrepo::create(&place, &files, "the example platform", now).map_err(|e| git(&e))?;
    Ok((url, Some(commit), files))
}

/// What the admin must know of the repository to install for it: its namespaces, and who holds shares.
#[derive(Default)]
struct Declared {
    namespaces: Vec<String>,
    holders: Vec<String>,
    installation: Option<String>,
}

impl Declared {
    fn read(files: &Files) -> Self {
        let mut found = Self::default();
        for (name, content) in files {
            let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
            let Some(text) = std::str::from_utf8(content).ok().filter(|_| yaml) else { continue };
            let documents: Vec<serde_json::Value> =
                serde_saphyr::from_multiple(text).unwrap_or_default();
            for document in &documents {
                found.take(document);
            }
        }
        found.namespaces.sort();
        found.namespaces.dedup();
        found
    }

    fn take(&mut self, document: &serde_json::Value) {
        let text = |pointer: &str| document.pointer(pointer).and_then(|v| v.as_str());
        let own = text("/metadata/namespace");
        let namespace =
            if text("/kind") == Some("Namespace") { text("/metadata/name") } else { own };
        self.namespaces.extend(namespace.filter(|n| *n != SYSTEM_NAMESPACE).map(str::to_owned));
        if text("/kind") == Some("RuntimeAuthority") {
            self.installation = text("/spec/installation").map(str::to_owned);
            let holders = document.pointer("/spec/seal/holders").and_then(|v| v.as_array());
            let recipients = holders.into_iter().flatten().filter_map(|h| h["recipient"].as_str());
            self.holders.extend(recipients.map(str::to_owned));
        }
    }
}
