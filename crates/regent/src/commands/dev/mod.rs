//! `regent dev`: the whole system on this machine, as `regent-lab` starts it.
//!
//! ```text
//! run      tells phases, waits, sums up      summary  timings, access, audit trail
//! measure  what the bench has measured
//! ```

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::output::Out;
use regent_host::hosted::SnapshotPlan;
use regent_lab::options::Options;

mod measure;
mod run;
mod summary;

use measure::Samples;
use run::Goal;

/// Arguments of `regent dev`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent dev                                     the example platform, until Ctrl-C
  regent dev --until steady                      the same, ends at steady state (exit code says)
  regent dev --data-dir D                        keeps authority and Git; a second start is the cluster-loss drill
  regent dev --repo ./platform --identity FILE   your own repository and root of trust
  regent dev --repo https://git.example/p --path clusters/test --identity FILE   a folder of a remote one
  regent dev --kubeconfig FILE                   on a real cluster of yours, which is left as it was")]
pub struct DevArgs {
    /// Your own repository: a folder or an https URL; the example platform by default.
    #[arg(long, requires = "identity")]
    pub repo: Option<String>,
    /// Branch or tag of the repository.
    #[arg(long, default_value = "main")]
    pub reference: String,
    /// Folder of the repository to apply; all of it by default.
    #[arg(long, default_value = "", requires = "repo")]
    pub path: String,
    /// A namespace with access to Secrets, beside those that the repository names; may be given again.
    #[arg(long = "namespace", value_name = "NAMESPACE", requires = "repo")]
    pub namespaces: Vec<String>,
    /// Account in regent-system that kinds beyond regent's own are applied as.
    #[arg(long, requires = "repo")]
    pub account: Option<String>,
    /// Root of trust: a file of age identities. With --data-dir, by default DATA-DIR.root-of-trust beside it.
    #[arg(long)]
    pub identity: Option<PathBuf>,
    /// Keeps the authority's storage and Git here; everything else still dies with the process.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Takes snapshots of the authority every hour to this folder, made if it is not there, and keeps 24.
    #[arg(long)]
    pub snapshot_dir: Option<PathBuf>,
    /// Ends when this is reached.
    #[arg(long, value_enum)]
    pub until: Option<Until>,
    /// How long to wait for it.
    #[arg(long, default_value = "120s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Loopback port of the Kubernetes API; a free one by default.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Loopback port of the authority; a free one by default.
    #[arg(long, default_value_t = 0)]
    pub authority_port: u16,
    /// A real cluster instead of the in-process one; what is put there is taken away at the end.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Serves the authority by a process of its own, over TLS with warden's certificates, as a cluster does.
    #[arg(long, hide = true)]
    pub authority_process: bool,
    /// Adds this many secrets to the example platform, for measuring.
    #[arg(long, default_value_t = 0, hide = true)]
    pub secrets: u32,
    /// After steady state, measures for this long while nothing changes.
    #[arg(long, hide = true, value_parser = parse_duration)]
    pub idle_sample: Option<Duration>,
    /// After that, starts all components anew and watches them for this long.
    #[arg(long, hide = true, value_parser = parse_duration)]
    pub restart_sample: Option<Duration>,
}

/// What `--until` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Phase 4, everything ready, every run ended.
    Steady,
}

/// `90s`, `5m`, `1h`, or plain seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| "expected such as 90s, 5m or 1h".to_owned())?;
    Ok(Duration::from_secs(number.saturating_mul(unit)))
}

/// Runs until Ctrl-C, or until what `--until` names.
pub async fn run(args: DevArgs, out: Out) -> anyhow::Result<u8> {
    let authority_process = match args.authority_process {
        true => Some(std::env::current_exe()?),
        false => None,
    };
    if let Some(folder) = &args.snapshot_dir {
        std::fs::create_dir_all(folder)?;
    }
    let interval = Duration::from_secs(3_600);
    let plan = |directory| SnapshotPlan { directory, interval, keep: 24 };
    let options = Options {
        snapshots: args.snapshot_dir.map(plan),
        repo: args.repo,
        reference: args.reference,
        path: args.path,
        namespaces: args.namespaces,
        account: args.account,
        identity: args.identity,
        data_dir: args.data_dir,
        api_port: args.port,
        authority_port: args.authority_port,
        kubeconfig: args.kubeconfig,
        extra_secrets: args.secrets,
        authority_process,
        ..Options::default()
    };
    let goal = Goal {
        until_steady: args.until == Some(Until::Steady),
        timeout: args.timeout,
        samples: Samples { idle: args.idle_sample, restart: args.restart_sample },
    };
    run::run(options, goal, out).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        assert!(parse_duration("soon").is_err());
    }
}
