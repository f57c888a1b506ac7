//! `regent verify`: every predicate of PROTOCOLS.md §10 against the live cluster and authority; the exit code says.
//!
//! ```text
//! cluster     objects, Secrets by metadata, conditions     rbac    live RBAC against the table
//! admission   live admission policies against the table
//! authority   records, versions, policies, roles, tokens, ledger, and the audit log where it can be read
//! ```
//!
//! Nothing here judges: the predicates are pure functions in `regent-protocol`.

mod admission;
mod authority;
mod cluster;
mod rbac;

use std::path::PathBuf;

use clap::Args;
use regent_protocol::invariants::{self, Finding, Snapshot};
use regent_vault::Session;
use serde::Serialize;

use crate::cli::ClusterArgs;
use crate::connect;
use crate::output::{Format, Out, Row};

/// Arguments of `regent verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent verify                 exit code 0: every guarantee holds; 1: the findings are printed
  regent verify -o json         for a monitor")]
pub struct VerifyArgs {
    /// The authority's audit log, where it can be read: judges `no-upward-write`.
    #[arg(long, env = "REGENT_AUDIT_LOG")]
    pub audit_log: Option<PathBuf>,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    guarantee: &'static str,
    predicate: &'static str,
    holds: bool,
    object: String,
    message: String,
    expected: String,
    found: String,
    #[serde(rename = "do")]
    action: String,
}

impl Row for Verdict {
    const COLUMNS: &'static [&'static str] =
        &["GUARANTEE", "PREDICATE", "HOLDS", "OBJECT", "MESSAGE"];
    fn cells(&self) -> Vec<String> {
        let holds = if self.holds { "yes" } else { "NO" };
        let (guarantee, predicate) = (self.guarantee.to_owned(), self.predicate.to_owned());
        vec![guarantee, predicate, holds.to_owned(), self.object.clone(), self.message.clone()]
    }
}

/// Checks and prints; exit code 1 where a predicate does not hold.
pub async fn run(args: &VerifyArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let session = connect::reader(&args.cluster, &api).await?;
    let mut snapshot = gather(&api, &session).await?;
    match &args.audit_log {
        Some(path) => snapshot.writes = authority::writes(path)?,
        None if out.format == Format::Table => {
            out.note("no-upward-write was not judged: name the audit log with --audit-log");
        }
        None => {}
    }
    let mut verdicts = Vec::new();
    for predicate in invariants::all() {
        let found = predicate.check(&snapshot);
        if found.is_empty() {
            verdicts.push(Verdict {
                guarantee: predicate.guarantee.as_str(),
                predicate: predicate.name,
                holds: true,
                object: String::new(),
                message: String::new(),
                expected: String::new(),
                found: String::new(),
                action: String::new(),
            });
        }
        verdicts.extend(found.into_iter().map(verdict));
    }
    out.list(&verdicts)?;
    let broken = verdicts.iter().filter(|v| !v.holds).count();
    if out.format == Format::Table {
        for verdict in verdicts.iter().filter(|v| !v.holds) {
            let Verdict { predicate, object, expected, found, action, .. } = verdict;
            out.note(&format!(
                "{predicate}: {object}\n  expected  {expected}\n  found     {found}\n  do        {action}"
            ));
        }
    }
    Ok(u8::from(broken > 0))
}

/// What breaks a guarantee in `snapshot`.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    invariants::check(snapshot)
}

/// Looks at everything once.
pub async fn gather(api: &kube::Client, session: &Session) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    cluster::gather(api, &mut snapshot).await?;
    rbac::gather(api, &mut snapshot).await?;
    admission::gather(api, &mut snapshot).await?;
    authority::gather(api, session, &mut snapshot).await?;
    Ok(snapshot)
}

fn verdict(finding: Finding) -> Verdict {
    Verdict {
        guarantee: finding.guarantee.as_str(),
        predicate: finding.predicate,
        holds: false,
        object: finding.object,
        message: finding.message,
        expected: finding.advice.expected,
        found: finding.advice.found,
        action: finding.advice.action,
    }
}
