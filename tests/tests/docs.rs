//! `docs/handover.md`, `docs/workflows.md` and what `docs/recovery.md` says of accepting a restore: what they show is said in
//! a scenario, word for word, and every reason for which a person is asked has its row.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use std::path::{Path, PathBuf};

use serde_json::Value;

fn place(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of)
}

fn text(of: &str) -> String {
    std::fs::read_to_string(place(of)).unwrap()
}

/// The blocks of `language` in `text`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let blocks = text.split(begin.as_str()).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn scenarios() -> Vec<String> {
    let folder = std::fs::read_dir(place("tests/scenarios")).unwrap();
    folder.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn what_the_pages_say_is_said_in_a_scenario() {
    let accept = text("docs/recovery.md");
    let accept = accept.split("\n## ").find(|part| part.starts_with("Accept what")).unwrap();
    let pages = [text("docs/handover.md"), text("docs/workflows.md"), accept.to_owned()];
    let scenarios = scenarios();
    let said = |command: &str| {
        let says = format!(" says {command}");
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(" is told ");
        scenarios
            .iter()
            .flat_map(|s| s.lines())
            .any(|line| line.split_once(says.as_str()).is_some_and(|(_, rest)| ends(rest)))
    };
    let mut seen = 0;
    for command in pages
        .iter()
        .flat_map(|page| blocks(page, "sh"))
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
    {
        assert!(said(&command), "no scenario says: {command}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} commands were found");
}

#[test]
fn what_the_pages_declare_is_declared_in_a_scenario() {
    let mut declared: Vec<Value> = Vec::new();
    for scenario in scenarios() {
        for block in scenario.split(":\n  apiVersion").skip(1) {
            let lines =
                block.lines().take_while(|line| line.starts_with("  ") || line.starts_with(": "));
            let body: Vec<&str> =
                lines.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
            let yaml = format!("apiVersion{}", body.join("\n"));
            declared.extend(regent_lab::yaml(&yaml).ok());
        }
    }
    let wanted = blocks(&text("docs/workflows.md"), "yaml");
    assert_eq!(wanted.len(), 2);
    for block in wanted {
        let value: Value = regent_lab::yaml(&block).unwrap();
        assert!(declared.contains(&value), "no scenario declares\n{block}");
    }
}

/// S5.7-1: whoever is asked finds what he is asked, and what he can do.
#[test]
fn every_reason_for_which_a_person_is_asked_has_its_row() {
    let (source, page) = (text("crates/protocol/src/reason.rs"), text("docs/handover.md"));
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let asks = |line: &str| {
        ["/// Conflict:", "/// Held:", "/// Wait or hold:"]
            .iter()
            .any(|begin| line.starts_with(begin))
    };
    let mut seen = 0;
    for (index, _) in lines.iter().enumerate().filter(|(_, line)| asks(line)) {
        let name = lines[index..].iter().find(|line| !line.starts_with("///")).unwrap();
        let name = name.trim_end_matches(',');
        assert!(page.contains(&format!("`{name}`")), "{name} has no row in docs/handover.md");
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} reasons were found");
}
