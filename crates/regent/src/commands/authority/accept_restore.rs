//! `regent authority accept-restore`: a person accepts that the authority was restored to an older state.

use clap::Args;
use kube::{Api, ResourceExt};
use regent_api::RuntimeSecret;
use regent_api::condition::{self, READY};
use regent_api::workflow::Uses;
use regent_host::failure::Failure;
use regent_types::Advice;
use regent_types::labels::SYSTEM_NAMESPACE;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::person_run::{Asked, RunArgs, RunResult, ask, tell};
use crate::connect;
use crate::output::Out;

/// Why a secret stands still after a restore.
const REASONS: [&str; 4] =
    ["RecordBehindStatus", "AuthorityWentBack", "ValueMissing", "LedgerWentBack"];
/// What a run says that found nothing to accept.
const NOTHING: &str = "there is no restore to accept";

/// Arguments of `regent authority accept-restore`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent authority accept-restore --reason 'disk lost on Monday, snapshot of Sunday night'
  regent authority accept-restore --path runtime/payments/db

What was made since that state is given up: versions, rotations and events of the ledger. Without --path the
ledger goes on behind the gap, and each secret that stands still for it counts as it is now.")]
pub struct AcceptRestoreArgs {
    /// Only the secret at this path in the secret/ mount.
    #[arg(long)]
    pub path: Option<String>,
    /// How the runs are made and waited for.
    #[command(flatten)]
    pub run: RunArgs,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

pub(super) async fn run(args: &AcceptRestoreArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let mut results: Vec<RunResult> = Vec::new();
    let mut nothing = None;
    if args.path.is_none() {
        let asked = Asked::step(SYSTEM_NAMESPACE, "", Uses::AcceptRestore);
        let ledger = ask(&api, asked, &args.run, out).await?;
        match ledger.message.contains(NOTHING) {
            true => nothing = Some(ledger),
            false => results.push(ledger),
        }
    }
    let all: Api<RuntimeSecret> = Api::all(api.clone());
    for secret in all.list(&Default::default()).await?.items.iter().filter(|s| waits(s, args)) {
        let namespace = secret.namespace().unwrap_or_default();
        let asked = Asked::step(&namespace, &secret.name_any(), Uses::AcceptRestore);
        let accepted = ask(&api, asked, &args.run, out).await?;
        // One that only stood still for the ledger goes on by itself.
        if args.path.is_some() || !accepted.message.contains(NOTHING) {
            results.push(accepted);
        }
    }
    match (results.is_empty(), nothing, &args.path) {
        (true, Some(nothing), _) => tell(&[nothing], out),
        (true, None, Some(path)) => {
            let advice = Advice::new(
                format!("a RuntimeSecret that declares {path}"),
                "none",
                "see regent secrets for the paths that are declared",
            );
            Err(Failure::new("NothingToAccept", "there is nothing to accept", advice).into())
        }
        _ => tell(&results, out),
    }
}

/// Whether the secret is the one that is named, or one that stands still since a restore.
fn waits(secret: &RuntimeSecret, args: &AcceptRestoreArgs) -> bool {
    if let Some(path) = &args.path {
        return secret.secret_path().is_ok_and(|p| p.as_str() == path);
    }
    let status = secret.status.as_ref();
    let ready = status.and_then(|s| condition::get(&s.conditions, READY));
    ready.is_some_and(|c| REASONS.contains(&c.reason.as_str()))
}
