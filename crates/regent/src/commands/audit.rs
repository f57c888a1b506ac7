//! `regent audit`: the trail of one secret, or of all, from the ledger, with proof of the chains.

use clap::Args;
use regent_protocol::ledger::{self, Entry, Event};
use regent_types::authority_names::REGENT_MOUNT;
use regent_vault::Kv;
use serde::Serialize;

use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use crate::output::{Format, Out, Row};
use regent_host::failure::Failure;

/// Most chains read: three an installation.
const CHAINS_MAX: usize = 3 * 1_000;
/// Most entries of one chain read at a time.
const ENTRIES_MAX: usize = 1_000_000;

/// Arguments of `regent audit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent audit payments/session-key       who, when, why, by which run, which version
  regent audit                            everything")]
pub struct AuditArgs {
    /// `namespace/name` of a RuntimeSecret, or a path; everything by default.
    pub name: Option<String>,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// One line of a trail; its fields are API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trail {
    at: String,
    writer: String,
    event: String,
    path: String,
    version: String,
    actor: String,
    cause: String,
    run: String,
    result: String,
    detail: String,
}

impl Trail {
    fn of(event: &Event) -> Self {
        Self {
            at: event.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            writer: event.writer.clone(),
            event: event.kind.clone(),
            path: event.path.clone().unwrap_or_default(),
            version: event.version.as_ref().map(|v| v.number.to_string()).unwrap_or_default(),
            actor: event.actor.clone(),
            cause: event.cause.clone(),
            run: event.run.clone().unwrap_or_default(),
            result: event.result.clone(),
            detail: event.detail.clone(),
        }
    }

    /// Whether it is an event of `kind`.
    pub fn is(&self, kind: &str) -> bool {
        self.event == kind
    }

    /// What it is about.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line for people.
    pub fn line(&self) -> String {
        let version =
            if self.version.is_empty() { String::new() } else { format!(" v{}", self.version) };
        let run = if self.run.is_empty() { String::new() } else { format!(" run {}", self.run) };
        let (at, kind, path) = (&self.at, &self.event, &self.path);
        format!("{at} {kind:<16} {path}{version} by {}{run} {}", self.actor, self.result)
    }
}

impl Row for Trail {
    const COLUMNS: &'static [&'static str] =
        &["AT", "EVENT", "PATH", "VERSION", "ACTOR", "CAUSE", "RUN", "RESULT"];
    fn cells(&self) -> Vec<String> {
        let Self { at, event, path, version, actor, cause, run, result, .. } = self.clone();
        vec![at, event, path, version, actor, cause, run, result]
    }
}

/// Prints the trail; exit code 1 where a chain does not hold.
pub async fn run(args: &AuditArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let kv = connect::reader(&args.cluster, &api).await?.kv(REGENT_MOUNT);
    let rows = trail(&kv, args.name.as_deref()).await?;
    out.list(&rows)?;
    let mut broken = 0;
    for writer in &chains(&kv).await? {
        let entries = chain(&kv, writer).await?;
        match ledger::verify_chain(&entries) {
            Ok(head) if out.format == Format::Table => {
                out.note(&format!(
                    "chain of {writer} holds: {} entries, head {}",
                    head.seq, head.hash
                ));
            }
            Ok(_) | Err(ledger::ChainError::Empty) => {}
            Err(error) => {
                broken = 1;
                out.note(&format!("chain of {writer} is broken: {error}"));
            }
        }
    }
    Ok(broken)
}

/// The events about `name` (`namespace/name`, or a path), or all, oldest first.
pub async fn trail(kv: &Kv, name: Option<&str>) -> anyhow::Result<Vec<Trail>> {
    let mut events: Vec<Event> = Vec::new();
    for writer in &chains(kv).await? {
        events.extend(chain(kv, writer).await?.into_iter().flat_map(|entry| entry.events));
    }
    events.sort_by_key(|event| event.at);
    let about = |event: &&Event| {
        let Some(name) = name else { return true };
        let path = event.path.as_deref().unwrap_or_default();
        path == name || path.strip_prefix("runtime/") == Some(name)
    };
    Ok(events.iter().filter(about).map(Trail::of).collect())
}

/// Names of all chains, of this installation and of others on the same authority.
pub async fn chains(kv: &Kv) -> anyhow::Result<Vec<String>> {
    let listed = kv.list("ledger").await;
    let mut names = listed.map_err(|e| Failure::of("listing the ledger", &e))?;
    if names.len() > CHAINS_MAX {
        anyhow::bail!("the ledger has more than {CHAINS_MAX} chains");
    }
    names.iter_mut().for_each(|name| *name = name.trim_end_matches('/').to_owned());
    names.sort();
    Ok(names)
}

/// One writer's chain, oldest first.
pub async fn chain(kv: &Kv, writer: &str) -> anyhow::Result<Vec<Entry>> {
    let fail = |e: regent_vault::Error| Failure::of(&format!("reading the ledger of {writer}"), &e);
    let base = format!("ledger/{writer}");
    let mut entries = Vec::new();
    let mut days = kv.list(&base).await.map_err(fail)?;
    days.sort();
    for day in days {
        let folder = format!("{base}/{}", day.trim_end_matches('/'));
        let mut numbers = kv.list(&folder).await.map_err(fail)?;
        numbers.sort();
        for number in numbers {
            if entries.len() >= ENTRIES_MAX {
                anyhow::bail!("the ledger of {writer} has more than {ENTRIES_MAX} entries");
            }
            let read = kv.read_json::<Entry>(&format!("{folder}/{number}")).await.map_err(fail)?;
            entries.extend(read.map(|(entry, _)| entry));
        }
    }
    Ok(entries)
}
