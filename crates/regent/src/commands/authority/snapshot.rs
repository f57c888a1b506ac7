//! `regent authority snapshot`: one now, beside those of the schedule.

use std::time::Duration;

use clap::Args;
use regent_host::connect::UNREACHABLE;
use regent_host::failure::Failure;
use regent_types::Advice;
use regent_vault::{Method, Session};
use serde::{Deserialize, Serialize};

use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use crate::output::{Format, Out};

/// Where the authority tells of snapshots.
const PATH: &str = "sys/regent/snapshots";
/// How often it is asked.
const ASKED_EVERY: Duration = Duration::from_millis(500);
/// Longest wait: longer than writing it and restoring it on trial may take together.
const WAIT_MAX: Duration = Duration::from_secs(25 * 60);

/// Arguments of `regent authority snapshot`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent authority snapshot             its name, records, size, and that all of it could be restored
  regent authority snapshot -o json

The embedded authority takes it itself, to the place that it was started with (--snapshot-dir; `snapshots` in the values
of an installation). Three of those that were asked for stay, beside those of the schedule.")]
pub struct SnapshotArgs {
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// What the authority answers.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(default)]
    place: String,
    running: Option<Running>,
    #[serde(default)]
    snapshots: Vec<Taken>,
    last_error: Option<LastError>,
}

#[derive(Debug, Deserialize)]
struct Running {
    name: String,
}

#[derive(Debug, Deserialize)]
struct LastError {
    error: String,
}

/// A snapshot, as the authority tells of it and as it is printed: its JSON fields are API.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    name: String,
    at: String,
    keys: u64,
    bytes: u64,
    /// `good` where every record could be restored.
    trial: String,
    error: Option<String>,
}

pub(super) async fn run(args: &SnapshotArgs, out: Out) -> anyhow::Result<u8> {
    let session = match connect::given_session(&args.cluster)? {
        Some(session) => session,
        None => connect::reader(&args.cluster, &connect::kubernetes(&args.cluster).await?).await?,
    };
    let asked: Running = ask(&session, Method::POST).await?;
    let waiting = tokio::time::timeout(WAIT_MAX, taken(&session, &asked.name)).await;
    let (place, taken) = waiting.map_err(|_| not_taken("it is still being taken".to_owned()))??;
    let is_good = taken.trial == "good";
    match out.format {
        Format::Table => out.line(&format!(
            "{}: {} records, {} bytes, {} in {place}",
            taken.name,
            taken.keys,
            taken.bytes,
            if is_good { "restored on trial," } else { "NOT restored on trial," },
        )),
        Format::Json | Format::Yaml => out.value(&taken)?,
    }
    Ok(u8::from(!is_good))
}

/// The snapshot `name` once it was restored on trial, and where it lies.
async fn taken(session: &Session, name: &str) -> anyhow::Result<(String, Taken)> {
    let mut ticks = tokio::time::interval(ASKED_EVERY);
    loop {
        ticks.tick().await;
        let told: Told = ask(session, Method::GET).await?;
        if told.running.is_some_and(|running| running.name == name) {
            continue;
        }
        let found = told.snapshots.into_iter().find(|taken| taken.name == name);
        return match (found, told.last_error) {
            (Some(found), _) => Ok((told.place, found)),
            (None, Some(failure)) => Err(not_taken(failure.error).into()),
            (None, None) => Err(not_taken("it knows none of that name".to_owned()).into()),
        };
    }
}

async fn ask<T: for<'a> Deserialize<'a>>(session: &Session, method: Method) -> anyhow::Result<T> {
    let answer = session.request(method, PATH, None).await;
    let answer = answer.map_err(|error| {
        let code = if error.is_unreachable() { UNREACHABLE } else { 1 };
        Failure::of("asking the authority for a snapshot", &error).code(code)
    })?;
    let data = answer.map(|mut answer| answer["data"].take()).unwrap_or_default();
    Ok(serde_json::from_value(data)?)
}

fn not_taken(found: String) -> Failure {
    let advice = Advice::new(
        "a snapshot that was restored on trial",
        found,
        "see to the place of the snapshots, and run this again",
    );
    Failure::new("SnapshotFailed", "no snapshot was taken", advice)
}
