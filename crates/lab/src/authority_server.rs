//! The embedded authority of a run: in this process over plain HTTP on loopback, or a process of its own, started as
//! a cluster starts it, over TLS with the certificates that warden makes.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use regent_types::identity::Identity;
use tokio::process::{Child, Command};

use super::folder::Folder;
use super::wiring::Wiring;
use regent_host::hosted::{Hosted, Reserved, Reviewer, Site, SnapshotPlan};

pub(super) struct AuthorityServer {
    /// Where it answers, or will once it has a certificate.
    pub(super) addr: SocketAddr,
    how: How,
}

enum How {
    Here(Box<Hosted>),
    Process(Box<Child>),
}

impl AuthorityServer {
    /// Serves the lasting storage on `addr`.
    pub(super) async fn start(
        wiring: &Wiring,
        folder: &Folder,
        addr: SocketAddr,
    ) -> anyhow::Result<Self> {
        let storage = Wiring::site(folder);
        let token_file = wiring.tokens.api_file(Identity::Authority);
        if let Some(served) = &wiring.authority {
            // Clients are told the address before it listens.
            let addr = TcpListener::bind(addr)?.local_addr()?;
            let own = wiring.folder_of(Identity::Authority, 0);
            std::fs::create_dir_all(&own)?;
            let mut command = Command::new(&served.binary);
            command.args(["authority", "serve", "--grace", "5s", "--listen", &addr.to_string()]);
            command.arg("--data-dir").arg(storage);
            command.arg("--tls-dir").arg(served.projected.tls_dir());
            command.arg("--kubernetes-token-file").arg(token_file);
            if let Some(SnapshotPlan { directory, interval, keep }) = &wiring.snapshots {
                command.arg("--snapshot-dir").arg(directory);
                command.arg(format!("--snapshot-interval={}s", interval.as_secs()));
                command.arg(format!("--snapshot-keep={keep}"));
            }
            let child = spawn(command, &own, &BTreeMap::new())?;
            return Ok(Self { addr, how: How::Process(Box::new(child)) });
        }
        let reviewer = Reviewer::new(token_file, None);
        let site =
            Site { folder: storage, audit: None, reviewer, snapshots: wiring.snapshots.clone() };
        let hosted = Hosted::start(site, Reserved::at(addr)?, None).await?;
        Ok(Self { addr: hosted.addr, how: How::Here(Box::new(hosted)) })
    }

    /// Ends it at once, a process as a crash would.
    pub(super) async fn stop(self) {
        match self.how {
            How::Here(hosted) => hosted.stop().await,
            How::Process(mut child) => {
                // Already ended is what it is to be.
                let _ended = child.kill().await;
            }
        }
    }
}

/// Starts a process that knows nothing of this one's surroundings but what to log, and `variables`; what it logs is kept
/// for a look.
pub(super) fn spawn(
    mut command: Command,
    own: &Path,
    variables: &BTreeMap<String, String>,
) -> std::io::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(own.join("log"))?;
    command.env_clear().env("REGENT_LOG", std::env::var("REGENT_LOG").unwrap_or("info".into()));
    command.envs(variables);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    command.spawn()
}
