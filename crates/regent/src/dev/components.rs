//! Runs each component alone under its own identity, as a task or as a process, so that any can be ended and
//! started by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use regent_components::{Context, Endpoints, Shutdown};
use regent_types::access::identity::Identity;
use regent_vault::FileJwt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::Cluster;
use super::folder::Folder;
use super::tokens::Tokens;
use crate::component::{self, Given};
use crate::failure::Failure;
use crate::hosted::{Hosted, Reviewer, Site};

/// Components in the order they become active (C4-2).
pub(super) const ALL: [Identity; 7] = [
    Identity::Intent,
    Identity::Bootstrap,
    Identity::Warden,
    Identity::Orchestrator,
    Identity::Triggers,
    Identity::Materializer,
    Identity::Publisher,
];
/// How long a process may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// What the components share beside their identities.
#[derive(Clone)]
pub struct Wiring {
    /// Their tokens.
    pub(super) tokens: Tokens,
    /// Where the authority answers.
    pub(super) endpoints: Endpoints,
    /// The API server as the authority reaches it.
    pub(super) kubernetes_host: String,
    /// Its CA, for an authority that cannot know it.
    pub(super) kubernetes_ca: Option<String>,
    /// Where files of the run lie.
    pub(super) folder: PathBuf,
    /// The binary that runs components as processes.
    pub(super) processes: Option<PathBuf>,
}

impl Wiring {
    /// Hosts the embedded authority over the lasting storage.
    pub(super) async fn host_authority(
        &self,
        folder: &Folder,
        addr: std::net::SocketAddr,
    ) -> Result<Hosted, Failure> {
        let token_file = self.tokens.api_file(Identity::Authority);
        let folder = folder.lasting().join("authority");
        let site = Site { folder, audit: None, reviewer: Reviewer { token_file, ca_file: None } };
        Hosted::start(site, addr, None).await
    }

    /// The last lines that each process logged; empty where components are tasks.
    pub(super) fn logs(&self) -> String {
        const SHOWN_MAX: usize = 40;
        let mut text = String::new();
        for identity in ALL {
            let log = self.folder.join("processes").join(identity.name()).join("log");
            let Ok(log) = std::fs::read_to_string(log) else { continue };
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(SHOWN_MAX)..];
            text.push_str(&format!("{}:\n  {}\n", identity.name(), last.join("\n  ")));
        }
        text
    }

    fn given(&self) -> Given {
        Given {
            cache: self.folder.join("git-cache"),
            kubernetes_host: self.kubernetes_host.clone(),
            kubernetes_ca: self.kubernetes_ca.clone(),
        }
    }
}

/// A running component.
enum Running {
    Task(watch::Sender<bool>, JoinHandle<()>),
    Process(Box<Child>),
}

/// The running components.
#[derive(Default)]
pub struct Components(BTreeMap<Identity, Running>);

impl Components {
    /// Starts `identity`'s component unless it runs.
    pub(super) fn start(
        &mut self,
        identity: Identity,
        cluster: &Cluster,
        wiring: &Wiring,
    ) -> anyhow::Result<()> {
        if self.0.contains_key(&identity) {
            return Ok(());
        }
        let running = match &wiring.processes {
            Some(binary) => Running::Process(Box::new(process(identity, binary, cluster, wiring)?)),
            None => task(identity, cluster, wiring)?,
        };
        self.0.insert(identity, running);
        Ok(())
    }

    /// Ends it at once, wherever it is, as a crash would.
    pub(super) async fn kill(&mut self, identity: Identity) {
        match self.0.remove(&identity) {
            Some(Running::Task(_stop, task)) => {
                task.abort();
                // Cancelled is what it is to be.
                let _cancelled = task.await;
            }
            Some(Running::Process(mut child)) => {
                // Already ended is what it is to be.
                let _ended = child.kill().await;
            }
            None => {}
        }
    }

    /// Asks all to stop and waits.
    pub(super) async fn stop(&mut self) {
        for (identity, running) in &self.0 {
            match running {
                Running::Task(stop, _) => {
                    stop.send_replace(true);
                }
                Running::Process(child) => terminate(*identity, child).await,
            }
        }
        for (identity, running) in std::mem::take(&mut self.0) {
            let fine = match running {
                Running::Task(_, task) => task.await.is_ok(),
                Running::Process(mut child) => {
                    let ended = tokio::time::timeout(STOP_GRACE, child.wait()).await;
                    // Killed when dropped, where it did not end.
                    matches!(ended, Ok(Ok(status)) if status.success())
                }
            };
            if !fine {
                tracing::error!(component = identity.name(), "component ended badly");
            }
        }
    }
}

/// SIGTERM, as a kubelet sends it.
async fn terminate(identity: Identity, child: &Child) {
    let Some(id) = child.id() else { return };
    let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
    if !sent.is_ok_and(|status| status.success()) {
        tracing::warn!(component = identity.name(), "component had ended already");
    }
}

fn task(identity: Identity, cluster: &Cluster, wiring: &Wiring) -> Result<Running, Failure> {
    let (stop, shutdown) = Shutdown::new();
    let cx = Context {
        identity,
        api: cluster.client(identity, &wiring.tokens)?,
        endpoints: wiring.endpoints.clone(),
        jwt: Arc::new(FileJwt { path: wiring.tokens.authority_file(identity) }),
        shutdown,
    };
    let given = wiring.given();
    let task = tokio::spawn(async move {
        if let Err(error) = component::run(cx, given).await {
            tracing::error!(component = identity.name(), error = %error, "component ended");
        }
    });
    Ok(Running::Task(stop, task))
}

fn process(
    identity: Identity,
    binary: &std::path::Path,
    cluster: &Cluster,
    wiring: &Wiring,
) -> anyhow::Result<Child> {
    let own = wiring.folder.join("processes").join(identity.name());
    std::fs::create_dir_all(&own)?;
    let file = |name: &str, content: &[u8]| -> std::io::Result<PathBuf> {
        let path = own.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    };
    let kubeconfig =
        file("kubeconfig", cluster.kubeconfig_of(identity, &wiring.tokens).as_bytes())?;
    let mut command = Command::new(binary);
    command.args(["run", identity.name(), "--kubeconfig"]).arg(kubeconfig);
    command.arg("--authority-token-file").arg(wiring.tokens.authority_file(identity));
    command.arg("--cache-dir").arg(wiring.folder.join("git-cache"));
    command.args(["--health-address", "none", "--kubernetes-host", &wiring.kubernetes_host]);
    command.args(["--holder", &format!("{}-0", identity.name())]);
    if let Some(ca) = &wiring.endpoints.ca_pem {
        command.arg("--authority-ca-file").arg(file("authority-ca.crt", ca)?);
    }
    if let Some(ca) = &wiring.kubernetes_ca {
        command.arg("--kubernetes-ca-file").arg(file("kubernetes-ca.crt", ca.as_bytes())?);
    }
    for (written, dialled) in &wiring.endpoints.dial {
        command.arg("--dial").arg(format!("{written}={dialled}"));
    }
    // It knows nothing of this process's surroundings but what to log; what it prints is kept for a look.
    let log = std::fs::OpenOptions::new().create(true).append(true).open(own.join("log"))?;
    command.env_clear().env("REGENT_LOG", std::env::var("REGENT_LOG").unwrap_or("info".into()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    Ok(command.spawn()?)
}
