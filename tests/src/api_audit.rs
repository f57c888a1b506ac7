//! What was asked of a server, by its audit log: a line of JSON for each request or answer.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

/// How many lines `log` has.
pub fn len(log: &Path) -> Result<usize> {
    Ok(BufReader::new(std::fs::File::open(log)?).lines().count())
}

/// What `log` tells after its first `before` lines.
pub fn lines(log: &Path, before: usize) -> Result<Vec<Value>> {
    let all = BufReader::new(std::fs::File::open(log)?).lines().skip(before);
    // The last one may be half written.
    Ok(all.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect())
}

/// How often the user whose name ends with `account` asked the API server what (`get secrets`, `update gitsources/status`)
/// after the first `before` lines of its log.
pub fn asked(log: &Path, before: usize, account: &str) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for event in lines(log, before)? {
        let text = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or_default();
        if !text("/user/username").ends_with(account) || text("/stage") != "ResponseComplete" {
            continue;
        }
        let sub = text("/objectRef/subresource");
        let slash = if sub.is_empty() { "" } else { "/" };
        let line = format!("{} {}{slash}{sub}", text("/verb"), text("/objectRef/resource"));
        *counts.entry(line).or_default() += 1;
    }
    Ok(counts)
}
