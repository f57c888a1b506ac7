//! What the orchestrator asks of the authority until steady state, from the authority's audit log: by kind of request, and
//! for each secret. The aims are of the issue "The house".

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// How its tokens are called.
const ORCHESTRATOR: &str = "kubernetes-regent-system-regent-orchestrator";
/// Namespace of the secrets that the bench adds.
const SCALE: &str = "/scale/";

/// Prints the requests of the audit log at `log` in a run that added `secrets` handovers.
pub(crate) fn print(log: &Path, secrets: u32) -> Result<()> {
    let file = std::fs::File::open(log).context("the authority's audit log")?;
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for line in BufReader::new(file).lines() {
        let entry: Value = serde_json::from_str(&line?).context("a line of the audit log")?;
        if let Some(kind) = kind(&entry) {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let mut kinds: Vec<(String, u64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: u64 = kinds.iter().map(|(_, count)| count).sum();
    println!(
        "{:<20} {:>9.1} requests of the orchestrator to the authority each   aim <= 12",
        format!("{secrets} handovers"),
        all as f64 / f64::from(secrets),
    );
    for (kind, count) in kinds {
        println!("    {count:>6}  {kind}");
    }
    Ok(())
}

/// The kind of a request of the orchestrator about one of the added secrets, or to its ledger.
fn kind(entry: &Value) -> Option<String> {
    let text = |at: &str| entry.pointer(at).and_then(Value::as_str).unwrap_or_default();
    if text("/type") != "request" || text("/auth/display_name") != ORCHESTRATOR {
        return None;
    }
    let (path, operation) = (text("/request/path"), text("/request/operation"));
    let place = match path.split_once("/runtime/") {
        Some((place, _)) if path.contains(SCALE) => place,
        _ if path.starts_with("regent/data/ledger/") => "regent/data/ledger",
        _ => return None,
    };
    Some(format!("{operation} {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_asked_for_the_added_secrets_counts() {
        let entry = |kind: &str, name: &str, path: &str| {
            json!({
                "type": kind, "auth": { "display_name": name },
                "request": { "operation": "read", "path": path },
            })
        };
        let path = "regent/data/record/runtime/scale/s-1";
        let found = kind(&entry("request", ORCHESTRATOR, path));
        assert_eq!(found.as_deref(), Some("read regent/data/record"));
        let ledger = "regent/data/ledger/orchestrator/20261129/00000001";
        assert!(kind(&entry("request", ORCHESTRATOR, ledger)).is_some());
        assert!(kind(&entry("response", ORCHESTRATOR, path)).is_none());
        assert!(kind(&entry("request", "root", path)).is_none());
        let other = "regent/data/record/runtime/payments/db";
        assert!(kind(&entry("request", ORCHESTRATOR, other)).is_none());
    }
}
