//! `regent run COMPONENT`: one component as a process of its own, with nothing but its own identity.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use regent_operator::lease;
use regent_operator::lease::Leadership;
use regent_operator::{Context, Endpoints, Shutdown, crd_check};
use regent_types::Advice;
use regent_types::identity::Identity;
use regent_vault::FileJwt;
use tokio::sync::watch;

use crate::output::escape;
use regent_host::component;
use regent_host::component::Given;
use regent_host::connect;
use regent_host::failure::Failure;
use regent_host::{health, signals};

/// Arguments of `regent run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent run materializer                               in a pod: everything by default
  regent run intent --kubeconfig intent.kubeconfig --leader-elect=false --health-address none

`regent install` prints the Deployments that run this.")]
pub struct RunArgs {
    /// Component that this process is.
    #[arg(value_enum)]
    pub component: Component,
    /// Kubeconfig of the component's own account; in a pod, its ServiceAccount.
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Its projected token for the authority (audience regent-authority), read anew for each login.
    #[arg(long, default_value = "/var/run/secrets/regent.dev/authority/token")]
    pub authority_token_file: PathBuf,
    /// CA certificates that the authority's own is trusted by: followed while it changes, awaited while it is not
    /// there.
    #[arg(long, default_value = "/var/run/secrets/regent.dev/authority-ca/ca.crt")]
    pub authority_ca_file: PathBuf,
    /// Where an authority answers from here: ADDRESS-AS-WRITTEN=ADDRESS-TO-DIAL.
    #[arg(long, value_parser = parse_dial, hide = true)]
    pub dial: Vec<(String, String)>,
    /// intent: where bare copies of remote repositories are kept.
    #[arg(long, default_value = "/var/cache/regent")]
    pub cache_dir: PathBuf,
    /// warden: the API server as the authority reaches it.
    #[arg(long, default_value = "https://kubernetes.default.svc")]
    pub kubernetes_host: String,
    /// warden: CA of that API server, for an authority outside the cluster.
    #[arg(long)]
    pub kubernetes_ca_file: Option<PathBuf>,
    /// Where /livez and /readyz answer, or `none`.
    #[arg(long, default_value = "0.0.0.0:8081", value_parser = health::parse)]
    pub health_address: health::Address,
    /// Works only while it holds its Lease in regent-system, so that several replicas may run.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// Name under which the Lease is held: the same after a restart, another in each replica. In a pod its name;
    /// by default the host's.
    #[arg(long, env = "POD_NAME")]
    pub holder: Option<String>,
}

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Component {
    /// GitOps controller: Git → objects.
    Intent,
    /// Bootstrap decryption: EncryptedManifest → bootstrap Secret.
    Bootstrap,
    /// The authority's steward: initializes, unseals, configures.
    Warden,
    /// Orchestration engine: handover, generation, rotation.
    Orchestrator,
    /// Event triggers: schedules and changes → WorkflowRuns.
    Triggers,
    /// Materialization: authority → Kubernetes Secrets.
    Materializer,
    /// Publication: PushSecrets → authority.
    Publisher,
}

impl Component {
    fn identity(self) -> Identity {
        match self {
            Self::Intent => Identity::Intent,
            Self::Bootstrap => Identity::Bootstrap,
            Self::Warden => Identity::Warden,
            Self::Orchestrator => Identity::Orchestrator,
            Self::Triggers => Identity::Triggers,
            Self::Materializer => Identity::Materializer,
            Self::Publisher => Identity::Publisher,
        }
    }
}

fn parse_dial(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("expected WRITTEN=DIALLED")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(args: RunArgs) -> anyhow::Result<u8> {
    let identity = args.component.identity();
    let (stop, shutdown) = Shutdown::new();
    signals::stop_with(stop)?;
    let config = connect::config(args.kubeconfig.as_deref()).await?;
    let endpoints = Endpoints {
        dial: args.dial.iter().cloned().collect::<BTreeMap<_, _>>(),
        ca_pem: None,
        ca_file: Some(args.authority_ca_file.clone()),
    };
    let cx = Context {
        identity,
        api: connect::component(config)?,
        endpoints,
        jwt: Arc::new(FileJwt { path: args.authority_token_file.clone() }),
        shutdown,
    };
    let kubernetes_ca = match &args.kubernetes_ca_file {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?),
        None => None,
    };
    let given = Given {
        cache: args.cache_dir.clone(),
        kubernetes_host: args.kubernetes_host.clone(),
        kubernetes_ca,
    };
    let (told, leadership) = watch::channel(Leadership::Unknown);
    let probes = health::serve(args.health_address, leadership).await?;
    tracing::info!(component = identity.name(), "started");
    let done = if !crd_check::wait(&cx).await {
        Ok(())
    } else if args.leader_elect {
        let me = args.holder.clone().unwrap_or_else(hostname);
        lease::run_as_leader(&cx, &me, &told, |stop| {
            let cx = Context { shutdown: stop, ..cx.clone() };
            component::run(cx, given.clone())
        })
        .await
    } else {
        told.send_replace(Leadership::Leading);
        component::run(cx, given).await
    };
    probes.stop().await;
    done?;
    tracing::info!(component = identity.name(), "stopped");
    Ok(0)
}

/// A pod's name is its host name.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "regent".to_owned() } else { name.to_owned() }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let found = format!("{}: {error}", escape::path(path));
    Failure::new(
        "UnreadableFile",
        "a file of certificates cannot be read",
        Advice::new("PEM certificates", found, "mount it, or name another file"),
    )
}
