//! The commands and their arguments.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::commands::cluster_args::ClusterArgs;
use crate::output::{Format, Out};
use regent_host::failure::of_any;

/// GitOps-native, Vault-first secret operations for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "regent", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Start here:  regent dev")]
pub struct Cli {
    /// Format of results on standard output.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// What to log, as tracing filters; logs go to standard error. By default components log `info`, others nothing.
    #[arg(long, global = true, env = "REGENT_LOG")]
    pub log: Option<String>,
    /// Format of log lines.
    #[arg(long, global = true, env = "REGENT_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// The command, with its own arguments.
    #[command(subcommand)]
    pub command: Command,
}

/// Format of log lines on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text an event, for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Every command of the binary, in the order of `regent help`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole system on this machine, from an empty cluster to steady state.
    #[cfg(feature = "dev")]
    Dev(commands::dev::DevArgs),
    /// Makes a root of trust: an age identity to keep offline, and its recipient.
    Keygen(commands::keygen::KeygenArgs),
    /// Encrypts a Secret manifest in SOPS format.
    Seal(commands::seal::SealArgs),
    /// Opens an encrypted manifest, with its MAC checked.
    Open(commands::open::OpenArgs),
    /// Refuses what must not be in Git: plaintext Secrets, private keys, unencrypted data.
    Lint(commands::lint::LintArgs),
    /// Prints what an installation on a cluster consists of; the Helm chart is the same.
    Install(commands::install::InstallArgs),
    /// Phase, authority, seal and what is not ready.
    Status(ClusterArgs),
    /// Every secret, by class.
    Secrets(commands::secrets::SecretsArgs),
    /// The trail of one secret: who, when, why, by which run.
    Audit(commands::audit::AuditArgs),
    /// Runs: what they did, what they wait for; cancel, suspend, resume, retry.
    Runs(commands::runs::RunsArgs),
    /// Decides a handover that stands still.
    #[command(subcommand)]
    Handover(commands::handover::HandoverCommand),
    /// Takes over a secret that already lives in the authority; its value is neither read nor written.
    Adopt(commands::adopt::AdoptArgs),
    /// A path whose RuntimeSecret is gone goes to the one that declares it now.
    Release(commands::release::ReleaseArgs),
    /// Checks every guarantee against the live cluster; the exit code says.
    Verify(commands::verify::VerifyArgs),
    /// One component as a process of its own, as on a cluster.
    Run(commands::run::RunArgs),
    /// The runtime authority: serve it, or open its seal as a share holder.
    #[command(subcommand)]
    Authority(commands::authority::AuthorityCommand),
}

/// Threads for blocking work; each brings a stack and an allocator arena.
const BLOCKING_THREADS_MAX: usize = 8;

/// Parses, runs, prints the error, returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out { format: cli.output };
    let serves = matches!(
        cli.command,
        Command::Run(_) | Command::Authority(commands::authority::AuthorityCommand::Serve(_))
    );
    let by_default = if serves { "info" } else { "off" };
    logging(cli.log.as_deref().unwrap_or(by_default), cli.log_format);
    // ring is the one crypto provider; a second installation cannot happen, this is the first line that runs.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // Blocking work is storage and decryption: more threads than this only cost memory.
    let runtime = match builder.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.failure(&of_any(&error.into()));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(cli.command, out));
    runtime.shutdown_timeout(std::time::Duration::from_millis(300));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let failure = of_any(&error);
            out.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

async fn run(command: Command, out: Out) -> anyhow::Result<u8> {
    match command {
        #[cfg(feature = "dev")]
        Command::Dev(args) => commands::dev::run(args, out).await,
        Command::Keygen(args) => commands::keygen::run(&args, out),
        Command::Seal(args) => commands::seal::run(&args, out),
        Command::Open(args) => commands::open::run(&args, out),
        Command::Lint(args) => commands::lint::run(&args, out),
        Command::Install(args) => commands::install::run(args, out).await,
        Command::Status(args) => commands::status::run(&args, out).await,
        Command::Secrets(args) => commands::secrets::run(&args, out).await,
        Command::Audit(args) => commands::audit::run(&args, out).await,
        Command::Runs(args) => commands::runs::run(&args, out).await,
        Command::Handover(command) => commands::handover::run(&command, out).await,
        Command::Adopt(args) => commands::adopt::run(&args, out).await,
        Command::Release(args) => commands::release::run(&args, out).await,
        Command::Verify(args) => commands::verify::run(&args, out).await,
        Command::Run(args) => commands::run::run(args).await,
        Command::Authority(command) => commands::authority::run(&command, out).await,
    }
}

fn logging(filter: &str, format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    // Colours are for people at a terminal, unless they said no (https://no-color.org).
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !plain);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
