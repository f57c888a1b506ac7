//! One `kubectl` command, and its output without what differs from run to run.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::limit::LIMIT;
use super::server::Server;

/// Runs it in `folder`; returns whether it succeeded and what it printed, errors last.
pub(super) async fn run(server: &Server, folder: &Path, args: &[String]) -> Result<(bool, String)> {
    let kubectl = server.kubectl.as_ref().context("kubectl is not there")?;
    let output = Command::new(kubectl)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", server.folder.path())
        .env("KUBECONFIG", &server.kubeconfig)
        .env("KUBE_EDITOR", "sh edit.sh")
        .current_dir(folder)
        .args(args)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output).await;
    let output = output.context("kubectl does not end")??;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// Splits a command line at spaces outside single quotes.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Ages, times, versions, uids and the width of columns are redacted; `namespace` is `$ns`.
pub(super) fn redact(text: &str, namespace: &str) -> String {
    let mut lines = Vec::new();
    for line in text.replace(namespace, "$ns").lines() {
        // The files that `kubectl diff` compares are of this run.
        if let Some(mark) = ["diff ", "--- ", "+++ "].iter().find(|mark| line.starts_with(**mark)) {
            lines.push(format!("{mark}<file>"));
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        // Columns are separated by two spaces or more; only then is the width of no meaning.
        let cells: Vec<String> = line[indent..]
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .map(|cell| cell.split(' ').map(word).collect::<Vec<_>>().join(" "))
            .collect();
        let line = format!("{}{}", " ".repeat(indent), cells.join("  "));
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn word(word: &str) -> String {
    let bare = word.trim_matches(|c| matches!(c, '"' | ',' | '\''));
    let version = bare.len() < word.len() && bare.chars().all(|c| c.is_ascii_digit());
    let redacted = if version && word.starts_with('"') && bare.len() > 1 {
        "<version>"
    } else if is_age(bare) {
        "<age>"
    } else if is_uid(bare) {
        "<uid>"
    } else if bare.parse::<jiff::Timestamp>().is_ok() {
        "<time>"
    } else {
        return word.to_owned();
    };
    word.replace(bare, redacted)
}

fn is_age(word: &str) -> bool {
    word.ends_with(['s', 'm', 'h', 'd'])
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c))
}

fn is_uid(word: &str) -> bool {
    word.len() == 36
        && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_redacted() {
        let text = "NAME   AGE\na-1    5m10s\n  uid: 01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(redact(text, "ns-1"), "NAME  AGE\na-1  <age>\n  uid: <uid>");
        assert_eq!(words("get 'a b' -o  x"), ["get", "a b", "-o", "x"]);
    }
}
