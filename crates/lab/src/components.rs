//! Runs each component alone under its own identity, as a task or as a process, so that any can be ended and
//! started by itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regent_operator::{Context, Shutdown};
use regent_types::identity::Identity;
use regent_vault::FileJwt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::authority_server;
use super::cluster::Cluster;
use super::wiring::{REPLICAS_MAX, Wiring, holder};
use regent_host::component;
use regent_host::failure::Failure;

/// How long a process may take to stop before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(30);

enum Running {
    Task(watch::Sender<bool>, JoinHandle<()>),
    Process(Box<Child>),
}

impl Running {
    /// How it ended, where it did.
    fn end(&mut self) -> Option<String> {
        match self {
            Self::Task(_, task) => task.is_finished().then(|| "its task ended".to_owned()),
            Self::Process(child) => match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(status.to_string()),
                Err(error) => Some(error.to_string()),
            },
        }
    }
}

/// The running components, replica by replica.
#[derive(Default)]
pub struct Components(BTreeMap<(Identity, u8), Running>);

impl Components {
    /// Starts a replica of `identity`'s component unless it runs.
    pub(super) fn start(
        &mut self,
        identity: Identity,
        replica: u8,
        cluster: &Cluster,
        wiring: &Wiring,
    ) -> anyhow::Result<()> {
        if self.0.contains_key(&(identity, replica)) {
            return Ok(());
        }
        anyhow::ensure!(replica < REPLICAS_MAX, "at most {REPLICAS_MAX} replicas, not {replica}");
        let running = match &wiring.processes {
            Some(binary) => {
                let child = process(identity, replica, binary, cluster, wiring)?;
                Running::Process(Box::new(child))
            }
            None if replica == 0 => task(identity, cluster, wiring)?,
            None => anyhow::bail!("a task holds no lease: a second replica must be a process"),
        };
        self.0.insert((identity, replica), running);
        Ok(())
    }

    /// Those that ended by themselves, each with how: a component ends when it is told to, and never else.
    pub(super) fn ended(&mut self) -> Vec<String> {
        let all = self.0.iter_mut();
        all.filter_map(|((identity, replica), running)| {
            running.end().map(|how| format!("{}: {how}", holder(*identity, *replica)))
        })
        .collect()
    }

    /// Ends it at once, wherever it is, as a crash would.
    pub(super) async fn kill(&mut self, identity: Identity, replica: u8) {
        match self.0.remove(&(identity, replica)) {
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
        for ((identity, _), running) in &self.0 {
            match running {
                Running::Task(stop, _) => {
                    stop.send_replace(true);
                }
                Running::Process(child) => terminate(*identity, child).await,
            }
        }
        for ((identity, _), running) in std::mem::take(&mut self.0) {
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
    replica: u8,
    binary: &std::path::Path,
    cluster: &Cluster,
    wiring: &Wiring,
) -> anyhow::Result<Child> {
    let own = wiring.folder_of(identity, replica);
    let holder = holder(identity, replica);
    std::fs::create_dir_all(&own)?;
    let file = |name: &str, content: &[u8]| -> std::io::Result<PathBuf> {
        let path = own.join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    };
    let url = wiring.api_via.get(&holder).cloned().unwrap_or_else(|| cluster.url());
    let kubeconfig =
        file("kubeconfig", cluster.kubeconfig_of(identity, &url, &wiring.tokens).as_bytes())?;
    let mut command = Command::new(binary);
    command.args(["run", identity.name(), "--kubeconfig"]).arg(kubeconfig);
    command.arg("--authority-token-file").arg(wiring.tokens.authority_file(identity));
    command.arg("--cache-dir").arg(wiring.folder.join("git-cache"));
    command.args(["--health-address", "none", "--kubernetes-host", &wiring.kubernetes_host]);
    command.args(["--holder", &holder]);
    if let Some(ca) = &wiring.endpoints.ca_pem {
        command.arg("--authority-ca-file").arg(file("authority-ca.crt", ca)?);
    }
    if let Some(file) = &wiring.endpoints.ca_file {
        command.arg("--authority-ca-file").arg(file);
    }
    if let Some(ca) = &wiring.kubernetes_ca {
        command.arg("--kubernetes-ca-file").arg(file("kubernetes-ca.crt", ca.as_bytes())?);
    }
    for (written, dialled) in &wiring.endpoints.dial {
        command.arg("--dial").arg(format!("{written}={dialled}"));
    }
    let none = BTreeMap::new();
    Ok(authority_server::spawn(command, &own, wiring.variables.get(&holder).unwrap_or(&none))?)
}
