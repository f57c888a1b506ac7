//! A real control plane as child processes: etcd, kube-apiserver and kube-controller-manager.
//!
//! ```text
//! tools      where the binaries are, or that they are not
//! pki        a throw-away CA, certificates, the key of ServiceAccount tokens
//! process    a child with a log; a guard that ends all of them even when this process is killed
//! options    how it is set up            flags      what each is started with
//! mod        start until ready, clients, kill and restart
//! ```
//!
//! Nothing is shared between two of them: folder, ports, CA and keys are their own, so that they run side by side.
//! **Everything here is the real thing:** RBAC, ServiceAccount tokens, admission and audit are on.

mod error;
mod flags;
mod options;
mod pki;
mod process;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};

pub use error::Error;
pub use options::{Controllers, Options};
pub use tools::{Tools, all_worlds_wanted};

use crate::ports;
use crate::waits;
use pki::Pki;
use process::{Child, Guard};

/// Longest wait until it is ready; it takes about five seconds where nothing else runs.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// First and longest pause between two looks at `/readyz`.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// Starts with another port, where somebody took the one that was free a moment ago.
const STARTS_MAX: usize = 3;

/// A running control plane. Its children end, and its folder goes, when it is dropped or this process ends.
pub struct Real {
    tools: Tools,
    ca_pem: String,
    options: Options,
    port: u16,
    config: kube::Config,
    folder: PathBuf,
    children: Mutex<Children>,
    // Last: what is left after the children were ended is the guard's to remove.
    guard: Guard,
}

#[derive(Default)]
struct Children {
    etcd: Option<Child>,
    api: Option<Child>,
    controllers: Option<Child>,
}

impl Real {
    /// Starts one and waits until it is ready and the `default` ServiceAccount exists.
    pub async fn start(options: Options) -> Result<Self, Error> {
        // Installing twice is an error that does not matter: somebody else was first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let tools = Tools::find()?;
        let mut starts = 0;
        loop {
            starts += 1;
            match Self::attempt(tools.clone(), options.clone()).await {
                Err(Error::Ended { log, .. })
                    if starts < STARTS_MAX && log.contains("address already in use") => {}
                done => return done,
            }
        }
    }

    async fn attempt(tools: Tools, options: Options) -> Result<Self, Error> {
        let guard = Guard::start()?;
        let folder = guard.folder().to_owned();
        let pki = Pki::make(options.controllers)?;
        let free = |source| Error::Io { what: "a free loopback port", source };
        let port = ports::free().map_err(free)?;
        flags::write_files(&folder, &pki, port)?;
        let config = config(&pki, port).await?;
        let children = Mutex::default();
        let real =
            Self { tools, ca_pem: pki.ca_pem, options, port, config, folder, children, guard };
        real.children().etcd = Some(real.spawn("etcd", flags::etcd(&real.folder))?);
        real.restart_api().await?;
        let args = flags::controllers(&real.folder, real.options.controllers);
        real.children().controllers = Some(real.spawn("kube-controller-manager", args)?);
        real.first_account().await?;
        Ok(real)
    }

    /// A client of the cluster's admin. Made anew: a client must not outlive the runtime it was made on.
    pub fn admin(&self) -> Result<kube::Client, Error> {
        Self::client(self.config.clone())
    }

    /// A client that impersonates `user` in `groups` (beside those that the API server adds by itself).
    pub fn impersonating(&self, user: &str, groups: &[&str]) -> Result<kube::Client, Error> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            Some(groups.iter().map(|g| (*g).to_owned()).collect());
        Self::client(config)
    }

    /// A client that shows a bearer token and no certificate.
    pub fn bearer(&self, token: String) -> Result<kube::Client, Error> {
        let mut config = self.config.clone();
        config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        Self::client(config)
    }

    /// A client that shows nothing of its own: for what hands on others' requests.
    pub fn anonymous(&self) -> Result<kube::Client, Error> {
        let mut config = self.config.clone();
        config.auth_info = AuthInfo::default();
        config.read_timeout = None;
        config.default_retry = false;
        Self::client(config)
    }

    fn client(config: kube::Config) -> Result<kube::Client, Error> {
        kube::Client::try_from(config).map_err(|e| Error::Client { source: Box::new(e) })
    }

    /// A kubeconfig of the admin, for `kubectl`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join(flags::KUBECONFIG)
    }

    /// Where the API is served.
    pub fn url(&self) -> String {
        flags::url(self.port)
    }

    /// The CA that signed the serving certificate.
    pub fn ca_pem(&self) -> String {
        self.ca_pem.clone()
    }

    /// Every request so far, one JSON event a line, level Metadata.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join(flags::AUDIT_LOG)
    }

    /// The folder of this control plane: logs of its processes, keys, etcd's data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `kubectl` of the same build.
    pub fn kubectl(&self) -> PathBuf {
        self.tools.path("kubectl")
    }

    /// The serving certificate and its key, in PEM: good for any server on this loopback address.
    pub fn serving_files(&self) -> (PathBuf, PathBuf) {
        (self.folder.join(flags::SERVING.0), self.folder.join(flags::SERVING.1))
    }

    /// Halts etcd for `pause`, as a disk that does not answer does.
    pub async fn stall_etcd(&self, pause: Duration) -> Result<(), Error> {
        let halted = match &self.children().etcd {
            Some(etcd) => etcd.halt()?,
            None => return Ok(()),
        };
        // The pause is the fault itself; nobody waits for anything here.
        tokio::time::sleep(pause).await;
        halted.go_on()
    }

    /// Kills the API server as a power cut would.
    pub fn kill_api(&self) {
        // Taken out first: no lock is held while the process is waited for.
        let api = self.children().api.take();
        drop(api);
    }

    /// Starts the API server again, on the same port over the same data, and waits until it is ready.
    pub async fn restart_api(&self) -> Result<(), Error> {
        self.kill_api();
        let args = flags::api(&self.folder, self.port, &self.options);
        let api = self.spawn("kube-apiserver", args)?;
        self.children().api = Some(api);
        self.ready().await
    }

    /// Ends every process of the control plane; what it stored goes with it.
    pub fn stop(self) {
        drop(self);
    }

    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, what: &'static str, args: Vec<String>) -> Result<Child, Error> {
        self.guard.spawn(what, &self.tools.path(what), &args)
    }

    /// Polls `/readyz`, which nothing announces, with growing pauses.
    async fn ready(&self) -> Result<(), Error> {
        let client = self.admin()?;
        let deadline = tokio::time::Instant::now() + READY_LIMIT;
        let mut pause = LOOK_AGAIN.0;
        loop {
            self.ended()?;
            let request = Request::get("/readyz").body(Vec::new());
            let request = request.map_err(|e| Error::Client { source: Box::new(e) })?;
            let Err(found) = client.request_text(request).await else { return Ok(()) };
            if tokio::time::Instant::now() > deadline {
                return Err(Error::NotReady { found: found.to_string(), limit: READY_LIMIT });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN.1);
        }
    }

    async fn first_account(&self) -> Result<(), Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin()?, "default");
        let there = |account: Option<&ServiceAccount>| match account {
            Some(_) => Ok(()),
            None => Err("no default ServiceAccount".to_owned()),
        };
        match waits::object(accounts, "default", there).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.ended()?;
                Err(Error::NotReady { found: error.to_string(), limit: waits::LIMIT })
            }
        }
    }

    /// An error where a child ended that should run.
    fn ended(&self) -> Result<(), Error> {
        let mut children = self.children();
        let Children { etcd, api, controllers } = &mut *children;
        [etcd, api, controllers].into_iter().flatten().try_for_each(Child::running)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // Clients of etcd first, so that none of them complains about its end.
        let children = std::mem::take(&mut *self.children());
        drop(children.controllers);
        drop(children.api);
        drop(children.etcd);
    }
}

async fn config(pki: &Pki, port: u16) -> Result<kube::Config, Error> {
    let fail = |detail: String| Error::Crypto { what: "a client configuration", detail };
    let kubeconfig: Kubeconfig = serde_json::from_value(flags::kubeconfig(pki, port, &pki.admin))
        .map_err(|e| fail(e.to_string()))?;
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|e| fail(e.to_string()))
}
