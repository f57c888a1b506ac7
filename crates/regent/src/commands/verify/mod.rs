//! `regent verify`: every predicate of PROTOCOLS.md §10 against the live cluster and authority; the exit code says.
//!
//! ```text
//! cluster     objects, Secrets by metadata, conditions     rbac    live RBAC against what is to be installed
//! admission   live admission policies against what is to be installed
//! authority   records, versions, policies, roles, ledger, and the audit log where it can be read
//! beside      engines, auth methods, identities, tokens, and the top of regent's mount
//! ```
//!
//! Nothing here judges: the predicates are pure functions in `regent-protocol`.

mod admission;
mod authority;
mod beside;
mod cluster;
mod rbac;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use regent_install::Values;
use regent_protocol::invariants::{self, Finding, Guarantee, Snapshot, WriteSeen};
use regent_types::neighbour::Neighbour;
use regent_vault::Session;
use serde::Serialize;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::install::values_file;
use crate::connect;
use crate::output::{Format, Out, Row};
use regent_host::failure::Failure;

/// Arguments of `regent verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent verify                 exit code 0: every guarantee holds; 1: the findings are printed
  regent verify -o json         for a monitor
  regent verify --values values.yaml      an installation with values of its own: components left out, other exempt users")]
pub struct VerifyArgs {
    /// The values that were installed with, as for `regent install` and the Helm chart; without them the defaults, in
    /// the namespaces where the materializer is bound.
    #[arg(long)]
    pub values: Option<PathBuf>,
    /// The authority's audit log, where it can be read: judges `no-upward-write`.
    #[arg(long, env = "REGENT_AUDIT_LOG")]
    pub audit_log: Option<PathBuf>,
    /// Kubeconfig and context of the cluster that is asked.
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

impl Verdict {
    fn holds(
        guarantee: &'static str,
        predicate: &'static str,
        object: String,
        message: String,
    ) -> Self {
        let (expected, found, action) = Default::default();
        Self { guarantee, predicate, holds: true, object, message, expected, found, action }
    }
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
    let values = args.values.as_deref().map(values_file).transpose()?;
    let mut log = Vec::new();
    match &args.audit_log {
        Some(path) => log = authority::writes(path)?,
        None if out.format == Format::Table => {
            out.note("no-upward-write was not judged: name the audit log with --audit-log");
        }
        None => {}
    }
    let Looked { findings: mut all, neighbours, exempt } =
        look(&api, &session, values.as_ref(), &log).await?;
    let mut verdicts: Vec<Verdict> = neighbours.into_iter().map(neighbour).collect();
    verdicts.extend(exempt.into_iter().map(exempted));
    for predicate in invariants::all() {
        let (found, others) = all.into_iter().partition(|f| f.predicate == predicate.name);
        all = others;
        let found: Vec<Finding> = found;
        if found.is_empty() {
            let (guarantee, name) = (predicate.guarantee.as_str(), predicate.name);
            verdicts.push(Verdict::holds(guarantee, name, String::new(), String::new()));
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

/// What a look came to.
#[derive(Debug)]
pub struct Looked {
    /// What breaks a guarantee.
    pub findings: Vec<Finding>,
    /// Other installations on the same authority, each as the table says.
    pub neighbours: Vec<Neighbour>,
    /// Why something is no finding, though it may change secret state → what it is.
    pub exempt: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What breaks a guarantee, and who else is there. Nothing reads a cluster and an authority at one moment: where something is found, all is
/// looked at again, and what is not found a second time was on its way.
pub async fn look(
    api: &kube::Client,
    session: &Session,
    values: Option<&Values>,
    log: &[WriteSeen],
) -> anyhow::Result<Looked> {
    let once = async || {
        let mut snapshot = gather(api, session, values).await?;
        snapshot.writes = log.to_vec();
        let findings = invariants::check(&snapshot);
        let exempt = invariants::exempted(&snapshot);
        anyhow::Ok(Looked { findings, neighbours: snapshot.neighbours, exempt })
    };
    let first = once().await?;
    if first.findings.is_empty() {
        return Ok(first);
    }
    let mut second = once().await?;
    let known = |f: &Finding| (f.predicate, f.object.clone());
    let first: BTreeSet<_> = first.findings.iter().map(known).collect();
    second.findings.retain(|f| first.contains(&known(f)));
    Ok(second)
}

/// Looks at everything once; `values` are those that were installed with, where they are not the defaults.
async fn gather(
    api: &kube::Client,
    session: &Session,
    values: Option<&Values>,
) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    cluster::gather(api, &mut snapshot).await?;
    let live = rbac::Live::read(api).await?;
    let by_default = || Values { namespaces: live.named_namespaces(), ..Values::default() };
    let values = values.cloned().unwrap_or_else(by_default);
    let table = regent_install::objects(&values, &BTreeSet::new())
        .map_err(|e| Failure::of("preparing what should be installed", &e))?;
    let admission = &values.admission;
    snapshot.named_users = admission.kubernetes.iter().chain(&admission.gitops).cloned().collect();
    live.compare(&table, &mut snapshot);
    admission::gather(api, &table, &mut snapshot).await?;
    authority::gather(api, session, &mut snapshot).await?;
    Ok(snapshot)
}

/// An installation beside this one is named, and breaks nothing.
fn neighbour(neighbour: Neighbour) -> Verdict {
    let Neighbour { mount, installation, policies, grants } = neighbour;
    let name = installation.map(|name| format!(" {name}")).unwrap_or_default();
    let count = policies.len();
    let mut message =
        format!("another installation{name} logs in here: {count} policies, as the table says");
    if !grants.is_empty() {
        message.push_str(&format!("; granted beyond the trees: {}", grants.join(", ")));
    }
    let guarantee = Guarantee::NoHiddenMutation.as_str();
    Verdict::holds(guarantee, "writers-known", format!("auth/{mount}"), message)
}

/// What is not counted is named with the reason.
fn exempted((why, what): (&'static str, BTreeSet<String>)) -> Verdict {
    let (guarantee, predicate) =
        (Guarantee::NoHiddenMutation.as_str(), invariants::WAYS_AROUND_KNOWN);
    let objects: Vec<String> = what.into_iter().collect();
    let object = match objects.as_slice() {
        [first, second, third, others @ .., _] => {
            format!("{first}, {second}, {third} and {} more", others.len() + 1)
        }
        few => few.join(", "),
    };
    let found = objects.join(", ");
    Verdict { found, ..Verdict::holds(guarantee, predicate, object, format!("exempt: {why}")) }
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
