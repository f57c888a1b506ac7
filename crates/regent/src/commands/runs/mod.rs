//! `regent runs`: the runs, what they did and wait for, and what a person wants of one.

mod control;
mod list;

use clap::{Args, Subcommand};

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::object_name::ObjectName;
use crate::commands::person_run::RunArgs;
use crate::connect;
use crate::output::Out;

/// Arguments of `regent runs`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  regent runs                              all, oldest first
  regent runs payments/db -w               those of one secret, and each change from now on
  regent runs cancel payments/rotate-db-x7k2p --reason 'wrong secret'
  regent runs retry payments/nightly-db-3f")]
pub struct RunsArgs {
    /// What is wanted of one run.
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// Only runs of this RuntimeSecret, as NAMESPACE/NAME.
    pub secret: Option<ObjectName>,
    /// Go on with each change, until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// What a person wants of a run.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Ends a run; what it has written down to do is brought to its end before.
    Cancel(ControlArgs),
    /// Lets a run stand still until it is resumed.
    Suspend(ControlArgs),
    /// Lets a suspended run go on.
    Resume(ControlArgs),
    /// Makes a run that goes on with one that failed or was canceled.
    Retry(RetryArgs),
}

/// Which run, and why.
#[derive(Debug, Args)]
pub struct ControlArgs {
    /// The run, as NAMESPACE/NAME.
    pub name: ObjectName,
    /// A sentence for auditors: why.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which run is gone on with.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The run that failed or was canceled, as NAMESPACE/NAME.
    pub name: ObjectName,
    /// How the run is made and waited for.
    #[command(flatten)]
    pub run: RunArgs,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Runs the subcommand and returns the exit code of the process.
pub async fn run(args: &RunsArgs, out: Out) -> anyhow::Result<u8> {
    match &args.command {
        None => {
            let api = connect::kubernetes(&args.cluster).await?;
            list::run(&api, args, out).await
        }
        Some(RunsCommand::Cancel(args)) => control::run(args, control::Wish::Cancel, out).await,
        Some(RunsCommand::Suspend(args)) => control::run(args, control::Wish::Suspend, out).await,
        Some(RunsCommand::Resume(args)) => control::run(args, control::Wish::Resume, out).await,
        Some(RunsCommand::Retry(args)) => control::retry(args, out).await,
    }
}
