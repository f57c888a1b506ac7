//! What a user reads names nothing that only this repository's authors know: no number of a requirement, no section of
//! a design document. Users read `kubectl explain`, help, conditions, errors, the chart and `docs/`.

use super::report::Report;
use super::tokens::Kind;
use super::tree::Tree;

/// Texts that users read, as files or folders.
const TEXTS: [&str; 5] = ["config/", "charts/", "docs/", "examples/", "README.md"];
/// Documentation comments that become help.
const HELP: [&str; 2] = ["crates/regent/src/commands/", "crates/regent/src/cli.rs"];
/// Documents that users do not have.
const DOCUMENTS: [&str; 3] = ["DESIGN.md", "PROTOCOLS.md", "REQUIREMENTS.md"];

/// Finds internal numbers and documents in texts, help and string literals of the product.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    for (path, text) in &tree.texts {
        if TEXTS.iter().any(|place| path.starts_with(place)) {
            for (number, line) in text.lines().enumerate() {
                judge(&mut report, path, number + 1, line);
            }
        }
    }
    for file in tree.files.iter().filter(|file| file.product) {
        let help = HELP.iter().any(|place| file.path.starts_with(place));
        for token in file.tokens.iter().filter(|token| !token.test) {
            if token.kind == Kind::Literal || (help && token.kind == Kind::Doc) {
                judge(&mut report, &file.path, token.line, &token.text);
            }
        }
    }
    report
}

fn judge(report: &mut Report, path: &str, line: usize, text: &str) {
    if let Some(internal) = internal(text) {
        report.find(
            path,
            line,
            format!("{internal} means nothing to users, say what it stands for"),
        );
    }
}

/// The first internal name in a text: `S5.2-3`, `C7-1`, `DESIGN.md`.
fn internal(text: &str) -> Option<String> {
    if let Some(document) = DOCUMENTS.iter().find(|document| text.contains(**document)) {
        return Some((*document).to_owned());
    }
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'));
    words
        .map(|word| word.trim_end_matches(['.', '-']))
        .find(|word| is_number(word))
        .map(str::to_owned)
}

fn is_number(word: &str) -> bool {
    let numbers = |rest: &str, mark: char| {
        rest.split_once(mark).is_some_and(|(major, minor)| {
            let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            let minor = minor
                .split_once('-')
                .map_or(minor, |(section, row)| if digits(row) { section } else { "" });
            digits(major) && major.len() <= 2 && digits(minor)
        })
    };
    match word.split_at_checked(1) {
        Some(("S", rest)) => numbers(rest, '.'),
        Some(("C", rest)) => numbers(rest, '-'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_names_are_found_in_definitions_help_and_messages_and_nowhere_else() {
        let tree = Tree::fixture(&[
            (
                "config/crds/a.yaml",
                "description: Read only.\ndescription: no right to push (S5.2-3).\n",
            ),
            ("ARCHITECTURE.md", "C7-1\n"),
            (
                "crates/regent/src/lib.rs",
                "//! R (C7-1).\nmod commands;\n/// C7-1: fine here.\nfn a() { fail(\"see DESIGN.md\") }\n",
            ),
            (
                "crates/regent/src/commands/mod.rs",
                "//! C.\n/// Tests it (C7-1).\nstruct Verify;\n#[cfg(test)]\nmod t { const A: &str = \"C7-1\"; }\n",
            ),
        ]);
        let found: Vec<String> = check(&tree).findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("config/crds/a.yaml:2: error: S5.2-3 means nothing"));
        assert!(found[1].starts_with("crates/regent/src/commands/mod.rs:2: error: C7-1"));
        assert!(found[2].starts_with("crates/regent/src/lib.rs:4: error: DESIGN.md"));
    }

    #[test]
    fn other_words_are_no_internal_names() {
        for text in ["AES-256-GCM", "TLS1.3", "C-style", "SC1-2", "S3.bucket", "v1.2-3", "UTC-1"] {
            assert_eq!(internal(text), None, "{text}");
        }
        assert_eq!(internal("(C9-1).").as_deref(), Some("C9-1"));
        assert_eq!(internal("S5.2").as_deref(), Some("S5.2"));
    }
}
