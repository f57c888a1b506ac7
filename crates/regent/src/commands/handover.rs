//! `regent handover`: what a person decides about a handover that stands still.

use clap::{Args, Subcommand, ValueEnum};
use regent_api::workflow::Uses;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::object_name::ObjectName;
use crate::commands::person_run::{Asked, RunArgs, ask, tell};
use crate::connect;
use crate::output::Out;

/// What is done about a handover.
#[derive(Debug, Subcommand)]
pub enum HandoverCommand {
    /// Decides which value stays where a handover, or a path that somebody else wrote to, stands still.
    Resolve(ResolveArgs),
}

/// Arguments of `regent handover resolve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent handover resolve payments/db --keep authority     what lies at the path stays: Occupied, Unreadable,
                                                           ChangedDuringHandover, UnknownVersion, UnknownValue
  regent handover resolve payments/db --keep bootstrap     the bootstrap Secret's value replaces it, before the
                                                           secret is handed over")]
pub struct ResolveArgs {
    /// The RuntimeSecret, as NAMESPACE/NAME.
    pub name: ObjectName,
    /// Which of two values stays: the authority's, or the bootstrap Secret's.
    #[arg(long, value_enum)]
    pub keep: Keep,
    /// How the run is made and waited for.
    #[command(flatten)]
    pub run: RunArgs,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which of two values stays where only one can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// The newest version at the path.
    Authority,
    /// What the bootstrap Secret holds, in place of that.
    Bootstrap,
}

/// Runs the subcommand and returns the exit code of the process.
pub async fn run(command: &HandoverCommand, out: Out) -> anyhow::Result<u8> {
    let HandoverCommand::Resolve(args) = command;
    let api = connect::kubernetes(&args.cluster).await?;
    let mut asked = Asked::step(&args.name.namespace, &args.name.name, Uses::Resolve);
    let keep = match args.keep {
        Keep::Authority => "authority",
        Keep::Bootstrap => "bootstrap",
    };
    asked.with.insert("keep".to_owned(), keep.to_owned());
    tell(&[ask(&api, asked, &args.run, out).await?], out)
}
