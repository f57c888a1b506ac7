//! Least privilege proved from what was asked (C7-1, C5a-3): while scenarios run, the audit logs of API servers and of
//! authorities are read into *which cells of the access table were used*; after them, two claims per table.
//!
//! ```text
//! cells    the RBAC table as cells: verb × resource × name × scope; which ones a request needs. Pure
//! api      a line of an API server's audit log as a request of a component. Pure
//! paths    the authority table as cells: path × capability; which one a request needs. Pure
//! vault    a line of an authority's audit log as a request of a component. Pure
//! spared   cells that no scenario can reach, each with the test that does
//! claims   nothing was refused, nothing was granted in vain
//! heard    what this process has heard so far
//! ```
//!
//! What a request is judged by is the server's own verdict; what it used is judged by the table.

mod api;
mod cells;
mod claims;
mod heard;
mod paths;
mod spared;
mod vault;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

pub use claims::{Claim, claims};

use heard::heard;

/// How the user names of components begin.
pub(crate) const COMPONENTS: &str = "system:serviceaccount:regent-system:regent-";

/// Reads an API server's audit log from byte `from`; returns where it ends now, and what was refused in between. What was
/// let through at another time in between is granted: an API server that has just started refuses it until it has read
/// the bindings.
pub(crate) fn hear_api(log: &Path, from: u64) -> Result<(u64, Vec<String>)> {
    let mut refused = Vec::new();
    let mut granted = BTreeSet::new();
    let end = lines(log, from, |line| {
        match api::event(line) {
            api::Event::Other => {}
            api::Event::Granted(ask) => {
                granted.insert(ask.right());
                heard().api.granted(ask.identity, cells::needed(&ask));
            }
            api::Event::Refused(ask, what) => refused.push((ask.right(), what)),
        }
        Ok(())
    })?;
    let beyond = refused.into_iter().filter(|(right, _)| !granted.contains(right));
    let refused: Vec<String> = beyond.map(|(_, what)| what).collect();
    heard().api.refused.extend(refused.iter().cloned());
    Ok((end, refused))
}

/// Takes what the sandbox refused to components, which its own record names.
pub(crate) fn hear_sandbox(refusals: Vec<String>) -> Vec<String> {
    let refused: Vec<String> =
        refusals.into_iter().filter(|line| line.starts_with(COMPONENTS)).collect();
    heard().api.refused.extend(refused.iter().cloned());
    refused
}

/// Reads an authority's audit log, embedded or OpenBao; returns what was refused.
pub(crate) fn hear_authority(log: &Path) -> Result<Vec<String>> {
    let mut refused = Vec::new();
    lines(log, 0, |line| {
        match vault::event(line) {
            vault::Event::Other => {}
            vault::Event::Granted(ask) => {
                heard().authority.granted(ask.identity, paths::needed(&ask));
            }
            vault::Event::Refused(what) => refused.push(what),
        }
        Ok(())
    })?;
    heard().authority.refused.extend(refused.iter().cloned());
    Ok(refused)
}

/// Calls `each` for every whole line after byte `from`; returns where the last one ended.
fn lines(log: &Path, from: u64, mut each: impl FnMut(&Value) -> Result<()>) -> Result<u64> {
    let told = || log.display().to_string();
    let mut reader = BufReader::new(std::fs::File::open(log).with_context(told)?);
    reader.seek(SeekFrom::Start(from)).with_context(told)?;
    let (mut end, mut line) = (from, String::new());
    loop {
        line.clear();
        let read = reader.read_line(&mut line).with_context(told)?;
        // Half a line is one that is being written: it is whole the next time.
        if read == 0 || !line.ends_with('\n') {
            return Ok(end);
        }
        each(&serde_json::from_str(&line).with_context(told)?)?;
        end += u64::try_from(read)?;
    }
}

#[cfg(test)]
mod tests {
    use regent_types::identity::Identity;
    use serde_json::json;

    use super::*;

    fn line(verb: &str, decision: &str) -> String {
        let line = json!({
            "verb": verb, "requestURI": "/api/v1/namespaces/payments/secrets",
            "user": { "username": Identity::Materializer.user_name() },
            "objectRef": { "resource": "secrets", "namespace": "payments", "apiVersion": "v1" },
            "responseStatus": { "code": if decision == "allow" { 200 } else { 403 } },
            "annotations": { "authorization.k8s.io/decision": decision },
        });
        format!("{line}\n")
    }

    #[test]
    fn what_was_let_through_at_another_time_is_granted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit");
        let all = [("watch", "allow"), ("watch", "forbid"), ("delete", "forbid")];
        let text: String = all.iter().map(|(verb, decision)| line(verb, decision)).collect();
        std::fs::write(&log, &text).unwrap();
        let (end, refused) = hear_api(&log, 0).unwrap();
        assert_eq!(end, u64::try_from(text.len()).unwrap());
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].contains(" delete "), "{refused:?}");
    }
}
