//! What a real API server's audit log says of components (C7-1).

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

/// How the user names of components begin.
pub(crate) const COMPONENTS: &str = "system:serviceaccount:regent-system:regent-";

/// Requests of components since `began` that RBAC refused. What an admission policy refuses, as a component's dry run
/// before it starts is to be, was within its Role.
pub(crate) fn refusals(log: &Path, began: Timestamp) -> Result<Vec<String>> {
    let file = std::fs::File::open(log).with_context(|| log.display().to_string())?;
    let (mut asked, mut refused) = (0_u64, Vec::new());
    for line in BufReader::new(file).lines() {
        let event: Value = serde_json::from_str(&line?).context("a line of the audit log")?;
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let at: Timestamp = text("/requestReceivedTimestamp").parse()?;
        if at < began || !text("/user/username").starts_with(COMPONENTS) {
            continue;
        }
        asked += 1;
        if text("/annotations/authorization.k8s.io~1decision") == "forbid" {
            let (user, verb, uri) = (text("/user/username"), text("/verb"), text("/requestURI"));
            refused.push(format!("{user} {verb} {uri}"));
        }
    }
    ensure!(asked > 100, "the audit log tells of only {asked} requests of components");
    Ok(refused)
}
