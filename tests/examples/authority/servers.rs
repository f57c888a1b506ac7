//! The two servers: started, initialized, and given the same to keep.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::load::{Ask, once};

/// Longest that a server may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// From one look at its health to the next.
const LOOK: Duration = Duration::from_millis(5);
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux that this runs on.
const TICKS: u64 = 100;

/// A server that is unsealed and holds a secret, a policy, a role and two tokens. Ends with its value.
pub(crate) struct Served {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) root: String,
    /// A token of one policy and `default`.
    pub(crate) reader: String,
    command: Command,
    child: Child,
    #[expect(dead_code, reason = "deleted with its value")]
    folder: tempfile::TempDir,
    share: String,
}

impl Served {
    /// `regent authority serve` of `binary`.
    pub(crate) async fn regent(binary: &Path, api_server: &str) -> Result<Self> {
        let (folder, addr) = (tempfile::tempdir()?, free()?);
        let mut command = Command::new(binary);
        command.args(["authority", "serve", "--listen", &addr.to_string(), "--data-dir"]);
        command.arg(folder.path().join("data"));
        Self::start("regent", command, folder, addr, api_server).await
    }

    /// The same, with a place for snapshots.
    pub(crate) async fn with_snapshots(binary: &Path, api_server: &str) -> Result<Self> {
        let (folder, addr) = (tempfile::tempdir()?, free()?);
        let place = folder.path().join("snapshots");
        std::fs::create_dir(&place)?;
        let mut command = Command::new(binary);
        command.args(["authority", "serve", "--listen", &addr.to_string(), "--data-dir"]);
        command.arg(folder.path().join("data")).arg("--snapshot-dir").arg(place);
        Self::start("regent", command, folder, addr, api_server).await
    }

    /// `bao server` with one raft node.
    pub(crate) async fn bao(binary: &Path, api_server: &str) -> Result<Self> {
        let (folder, addr, cluster) = (tempfile::tempdir()?, free()?, free()?);
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(folder.path().join("raft"))?;
        let configuration = format!(
            "ui = false\ndisable_mlock = true\nlog_level = \"warn\"\napi_addr = \"http://{addr}\"\n\
             cluster_addr = \"http://{cluster}\"\n\
             storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"one\"\n}}\n\
             listener \"tcp\" {{\n  address = \"{addr}\"\n  cluster_address = \"{cluster}\"\n  tls_disable = true\n}}\n\
             audit \"file\" \"file\" {{\n  options {{\n    file_path = \"{}\"\n  }}\n}}\n",
            at("raft"),
            at("audit.log"),
        );
        std::fs::write(folder.path().join("server.hcl"), configuration)?;
        let mut command = Command::new(binary);
        command.arg("server").arg(format!("-config={}", at("server.hcl")));
        Self::start("OpenBao", command, folder, addr, api_server).await
    }

    async fn start(
        name: &'static str,
        mut command: Command,
        folder: tempfile::TempDir,
        addr: SocketAddr,
        api_server: &str,
    ) -> Result<Self> {
        let log = std::fs::File::create(folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let (root, reader, share) = (String::new(), String::new(), String::new());
        let mut served = Self { name, addr, root, reader, command, child, folder, share };
        served.until_health(501).await?;
        let made = served
            .ask("PUT", "sys/init", &json!({"secret_shares": 1, "secret_threshold": 1}))
            .await?;
        served.root = text(&made["root_token"])?;
        served.share = text(&made["keys_base64"][0])?;
        served.unseal().await?;
        served.fill(api_server).await?;
        Ok(served)
    }

    async fn unseal(&self) -> Result<()> {
        self.ask("PUT", "sys/unseal", &json!({"key": self.share})).await?;
        self.until_health(200).await
    }

    /// Ends it as `signal` does, starts it anew, and returns how long it took from its start to the first answer, which
    /// comes once its storage is open.
    pub(crate) async fn again(&mut self, signal: &str) -> Result<Duration> {
        let id = self.child.id().to_string();
        if !Command::new("kill").args(["-s", signal, &id]).status()?.success() {
            bail!("{} could not be sent {signal}", self.name);
        }
        self.child.wait()?;
        let began = Instant::now();
        self.child = self.command.spawn()?;
        self.until_health(503).await?;
        let took = began.elapsed();
        self.unseal().await?;
        Ok(took)
    }

    async fn fill(&mut self, api_server: &str) -> Result<()> {
        let policy = "path \"secret/data/*\" { capabilities = [\"read\"] }";
        let secret =
            json!({"data": {"username": "app", "password": "correct horse battery staple"}});
        // Never used, for the API server is asked without TLS, and never left out.
        let key = rcgen::KeyPair::generate()?;
        let ca = rcgen::CertificateParams::new(Vec::new())?.self_signed(&key)?.pem();
        for (path, body) in [
            ("sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}})),
            ("sys/policies/acl/reader", json!({"policy": policy})),
            ("sys/auth/kubernetes", json!({"type": "kubernetes"})),
            (
                "auth/kubernetes/config",
                json!({"kubernetes_host": api_server, "token_reviewer_jwt": crate::api_server::account_token(),
                       "kubernetes_ca_cert": ca, "disable_local_ca_jwt": true}),
            ),
            (
                "auth/kubernetes/role/app",
                json!({"bound_service_account_names": ["app"], "token_policies": ["reader"],
                       "bound_service_account_namespaces": ["payments"], "token_ttl": "1h"}),
            ),
        ] {
            self.ask("POST", path, &body).await?;
        }
        self.until_written("secret/data/read", &secret).await?;
        let made = self.ask("POST", "auth/token/create", &json!({"policies": ["reader"]})).await?;
        self.reader = text(&made["auth"]["client_token"])?;
        Ok(())
    }

    /// Processor time of all its threads since it was started, to a hundredth of a second.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>()?.iter().sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Memory that it has in use.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, said) =
            once(self.addr, &Ask::new(method, path, &self.root, Some(body))).await?;
        if !(200..300).contains(&status) {
            bail!("{} answered {status} to {method} {path}: {said}", self.name);
        }
        Ok(said)
    }

    /// A KV mount may still be made ready when its making is answered.
    async fn until_written(&self, path: &str, body: &Value) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = self.ask("POST", path, body).await {
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn until_health(&self, wanted: u16) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let ask = Ask::new("GET", "sys/health", "", None);
        loop {
            let found = once(self.addr, &ask).await;
            if found.as_ref().is_ok_and(|(status, _)| *status == wanted) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} did not come to health {wanted}: {found:?}", self.name);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended is what it is to be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("expected a text, found {value}"))
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
