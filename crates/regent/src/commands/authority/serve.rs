//! `regent authority serve`: the embedded authority as a process of its own.
//!
//! A kubelet probes the Vault API itself, on the same port and scheme:
//! `/v1/sys/health?standbyok=true&sealedcode=200&uninitcode=200` answers 200 whenever the server turns, also while
//! it is sealed or empty, which is warden's to change.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use regent_authority::Audit;
use regent_operator::Shutdown;

use regent_host::hosted::{Certificates, Hosted, Reserved, Reviewer, Site, SnapshotPlan};
use regent_host::signals;

/// Longest `--grace`: a kubelet waits no longer for anybody.
const GRACE_MAX: Duration = Duration::from_secs(600);

/// Shortest and longest `--snapshot-interval`.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// Arguments of `regent authority serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent authority serve --data-dir /data --listen 0.0.0.0:8200 --tls-dir /tls    as on a cluster
  regent authority serve --data-dir ./authority                                   plain, loopback only
  regent authority serve --data-dir /data --snapshot-dir /snapshots --snapshot-interval 15m --snapshot-keep 96

It starts sealed; warden initializes and unseals it. SIGTERM ends it gracefully, a second one at once. SIGHUP opens
the audit log anew, as after a log rotation, and looks at the certificates at once; it never ends the server.")]
pub struct ServeArgs {
    /// Folder of its storage.
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Where it answers; without --tls-dir on loopback only.
    #[arg(long, default_value = "127.0.0.1:8200")]
    pub listen: SocketAddr,
    /// Folder with tls.crt and tls.key: awaited at the start, read anew while it runs.
    #[arg(long)]
    pub tls_dir: Option<PathBuf>,
    /// File of its audit log, or `-` for standard output; by default audit.log beside its storage.
    #[arg(long)]
    pub audit_log: Option<PathBuf>,
    /// Token with which it asks for TokenReviews, read anew for each.
    #[arg(long, default_value = "/var/run/secrets/kubernetes.io/serviceaccount/token")]
    pub kubernetes_token_file: PathBuf,
    /// CA of the API server that reviews, where the authority's configuration names none.
    #[arg(long, default_value = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")]
    pub kubernetes_ca_file: PathBuf,
    /// How long requests under way may take to end after SIGTERM. One that takes longer waits for somebody
    /// else, such as an API server that does not answer.
    #[arg(long, default_value = "1s", value_parser = grace)]
    pub grace: Duration,
    /// Where and how often snapshots are taken.
    #[command(flatten)]
    pub snapshots: SnapshotArgs,
}

/// Where and how often snapshots are taken.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Directory of its snapshots, on another volume than its storage; without it none are taken.
    #[arg(long)]
    pub snapshot_dir: Option<PathBuf>,
    /// From one snapshot to the next.
    #[arg(long, default_value = "1h", value_parser = interval)]
    pub snapshot_interval: Duration,
    /// How many good snapshots stay.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub snapshot_keep: u32,
}

impl SnapshotArgs {
    fn plan(&self) -> Option<SnapshotPlan> {
        let keep = usize::try_from(self.snapshot_keep).unwrap_or(usize::MAX);
        let interval = self.snapshot_interval;
        self.snapshot_dir.clone().map(|directory| SnapshotPlan { directory, interval, keep })
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| "expected a time such as 1h")?;
    let span = Duration::try_from(span).map_err(|_| "a time that is not negative")?;
    let bounds = INTERVAL_MIN..=INTERVAL_MAX;
    bounds.contains(&span).then_some(span).ok_or_else(|| "from 1s to 31 days (744h)".to_owned())
}

fn grace(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| "expected a time such as 20s")?;
    let span = Duration::try_from(span).map_err(|_| "a time that is not negative")?;
    (span <= GRACE_MAX).then_some(span).ok_or_else(|| "at most 10m".to_owned())
}

/// Serves until SIGTERM or Ctrl-C.
pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<u8> {
    let (stop, shutdown) = Shutdown::new();
    signals::stop_with(stop)?;
    // From here on it ends nothing, whatever it is too early for.
    let mut hangups = signals::Hangups::listen()?;
    // Before the certificate is awaited, so that nobody takes the port meanwhile.
    let place = Reserved::at(args.listen)?;
    let mut certificates = None;
    if let Some(folder) = &args.tls_dir {
        tokio::select! {
            found = Certificates::wait(folder) => certificates = Some(found),
            () = shutdown.clone().wait() => return Ok(0),
        }
    }
    let audit = args.audit_log.as_ref().map(|path| match path.as_os_str() == "-" {
        true => Audit::Stdout,
        false => Audit::File(path.clone()),
    });
    let ca_file = Some(args.kubernetes_ca_file.clone());
    let reviewer = Reviewer::new(args.kubernetes_token_file.clone(), ca_file);
    let snapshots = args.snapshots.plan();
    let site = Site { folder: args.data_dir.clone(), audit, reviewer, snapshots };
    let mut hosted = Hosted::start(site, place, certificates.as_ref()).await?;
    tracing::info!(address = %hosted.addr, tls = certificates.is_some(), "the authority is served");
    loop {
        let looks = async {
            match &mut certificates {
                Some(certificates) => certificates.keep().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.clone().wait() => break,
            () = hangups.given() => {}
            failure = hosted.ended() => return Err(failure.into()),
            () = looks => {}
        }
        hosted.reopen_audit().await;
        if let Some(certificates) = &mut certificates {
            certificates.reload();
        }
    }
    hosted.stop_within(args.grace).await;
    tracing::info!("the authority has stopped");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_and_an_interval_are_bounded_times() {
        assert_eq!(grace("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(interval("15m"), Ok(Duration::from_secs(900)));
        assert!(interval("0s").is_err() && interval("745h").is_err() && interval("-1h").is_err());
        assert!(grace("1h").is_err() && grace("-1s").is_err() && grace("soon").is_err());
    }
}
