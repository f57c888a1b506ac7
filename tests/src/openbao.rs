//! A real OpenBao as a child process: a private folder, loopback, TLS, file storage that survives a restart, an audit
//! device. Nothing initializes or unseals it here: that is warden's.
//!
//! OpenBao reviews tokens with the pod's own account, which it reads at a fixed place
//! (`/var/run/secrets/kubernetes.io/serviceaccount`). In a private mount namespace of the child the account's folder is
//! bound there, as a kubelet would: a file renewed in that folder is seen by the server, and no reviewer token is
//! stored in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::ports;

/// Longest wait for the server to say that it runs.
const START_LIMIT: Duration = Duration::from_secs(60);
/// What the server prints once it listens.
const STARTED: &str = "OpenBao server started!";
/// Names under which the binary may be found.
const NAMES: [&str; 2] = ["bao", "openbao"];
/// Gives the server the account that a kubelet would mount, then becomes the server.
const KUBELET: &str = r#"set -e
run=$(readlink -f /var/run)
account=$1; shift
exec 3<"$account"
mount -t tmpfs -o mode=0755 tmpfs "$run"
mkdir -p "$run/secrets/kubernetes.io/serviceaccount"
mount --bind /proc/self/fd/3 "$run/secrets/kubernetes.io/serviceaccount"
exec 3<&-
exec "$@""#;

/// There is no OpenBao on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no OpenBao: expected one of {NAMES:?} in {}; build it with `cargo xtask tools`", place.display())]
pub struct NotThere {
    /// The folder that was looked in.
    pub place: PathBuf,
}

/// The binary: in the folder that `REGENT_TOOLS_BIN` names, else in the workspace's `target/tools/bin`.
pub fn binary() -> Result<PathBuf, NotThere> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    let place = std::env::var_os("REGENT_TOOLS_BIN").map_or_else(own, PathBuf::from);
    let found = NAMES.iter().map(|name| place.join(name)).find(|path| path.exists());
    found.ok_or(NotThere { place })
}

/// The binary, or `None` after a line that says so; an error where every world must run (`REGENT_WORLDS=all`).
#[allow(clippy::print_stderr, reason = "an absent world is not skipped in silence")]
pub fn binary_or_skip() -> Result<Option<PathBuf>> {
    match binary() {
        Ok(path) => Ok(Some(path)),
        Err(absent) if std::env::var("REGENT_WORLDS").as_deref() == Ok("all") => Err(absent.into()),
        Err(absent) => {
            eprintln!("skipped: {absent}");
            Ok(None)
        }
    }
}

/// A server and its folder. Ends with its value.
pub struct OpenBao {
    binary: PathBuf,
    folder: PathBuf,
    account: Option<PathBuf>,
    port: u16,
    ca_pem: String,
    child: Option<Child>,
}

impl OpenBao {
    /// Starts one in `folder`, which is made and becomes private. `account` is the folder with `token` and `ca.crt` of
    /// the account that reviews tokens.
    pub fn start(binary: &Path, folder: &Path, account: Option<&Path>) -> Result<Self> {
        private_folder(folder)?;
        private_folder(&folder.join("storage"))?;
        let (port, cluster_port) = (ports::free()?, ports::free()?);
        let ca_pem = certificates(folder)?;
        std::fs::write(folder.join("server.hcl"), configuration(folder, port, cluster_port))?;
        let account = account.map(Path::to_owned);
        let (binary, folder) = (binary.to_owned(), folder.to_owned());
        let mut server = Self { binary, folder, account, port, ca_pem, child: None };
        server.restart()?;
        Ok(server)
    }

    /// URL that the server answers at, `https://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The CA of its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Its audit log: a JSON object a line.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// File that the server's own log goes to.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Kills it as a power cut would. Nothing happens if it does not run.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts it again at the same address with the same storage, killing it first if it runs; it is sealed then.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let mut child = self.command().spawn().context("starting OpenBao")?;
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
            child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
        ];
        self.child = Some(child);
        let (sender, lines) = channel();
        for stream in streams.into_iter().flatten() {
            let mut options = std::fs::OpenOptions::new();
            let log = options.create(true).append(true).open(self.log())?;
            let sender = sender.clone();
            std::thread::spawn(move || copy(stream, log, &sender));
        }
        drop(sender);
        until_started(&lines).with_context(|| format!("see {}", self.log().display()))
    }

    /// Starts it again as one that no pod is: it finds no account and no CA of an API server.
    pub fn without_account(&mut self) -> Result<()> {
        self.account = None;
        self.restart()
    }

    /// Where its storage lies.
    pub fn storage(&self) -> PathBuf {
        self.folder.join("storage")
    }

    /// Deletes its storage, as a person does about lost keys; it must not run.
    pub fn wipe(&self) -> Result<()> {
        if self.child.is_some() {
            bail!("its storage cannot be deleted while it runs: kill it first");
        }
        std::fs::remove_dir_all(self.folder.join("storage"))?;
        private_folder(&self.folder.join("storage"))
    }

    fn command(&self) -> Command {
        let configuration = format!("-config={}", self.folder.join("server.hcl").display());
        let mut command = match &self.account {
            None => Command::new(&self.binary),
            Some(account) => {
                let mut command = Command::new("unshare");
                // Whoever is not root becomes root of a namespace of their own, to be allowed to mount.
                command.args(["--mount", "--map-root-user"].iter().take(if is_root() {
                    1
                } else {
                    2
                }));
                command.args(["--", "sh", "-c", KUBELET, "sh"]).arg(account).arg(&self.binary);
                command
            }
        };
        command.args(["server", &configuration]);
        // What this shell's user does with OpenBao or Vault is none of the server's business.
        for name in ["BAO_TOKEN", "BAO_ADDR", "VAULT_TOKEN", "VAULT_ADDR"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ended = self.kill();
    }
}

/// Copies to the log, and hands on each line while somebody waits.
fn copy(stream: Box<dyn Read + Send>, mut log: std::fs::File, lines: &Sender<String>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        // A log that cannot be written is seen by whoever reads it.
        let _written = writeln!(log, "{line}");
        let _nobody_waits = lines.send(line);
    }
}

fn until_started(lines: &Receiver<String>) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(STARTED) => return Ok(()),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => bail!("OpenBao did not start in {START_LIMIT:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("OpenBao ended before it had started"),
        }
    }
}

fn configuration(folder: &Path, port: u16, cluster_port: u16) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        r#"ui            = false
disable_mlock = true
log_level     = "info"
api_addr      = "https://127.0.0.1:{port}"

storage "file" {{
  path = "{storage}"
}}

listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file   = "{certificate}"
  tls_key_file    = "{key}"
}}

audit "file" "file" {{
  options {{
    file_path = "{audit}"
    mode      = "0600"
  }}
}}
"#,
        storage = at("storage"),
        certificate = at("tls.pem"),
        key = at("tls.key"),
        audit = at("audit.log"),
    )
}

/// Writes a serving certificate; returns its CA.
fn certificates(folder: &Path) -> Result<String> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "openbao-test-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let serving = CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned))?;
    let key = KeyPair::generate()?;
    let certificate = serving.signed_by(&key, &Issuer::new(ca, ca_key))?;
    std::fs::write(folder.join("tls.pem"), certificate.pem() + &ca_pem)?;
    std::fs::write(folder.join("tls.key"), key.serialize_pem())?;
    Ok(ca_pem)
}

fn private_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
