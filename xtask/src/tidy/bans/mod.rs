//! What is banned, what is used instead, and the places that are allowed to do it, each with its reason. An entry that
//! allows a file which no longer needs it is a finding too, so that the table stays as short as the truth.

mod ban;
mod expose;
mod table;

use super::file::File;
use super::report::Report;
use super::tokens::{Token, starts_with};
use super::tree::Tree;
use ban::{Ban, Scope};
use table::{BANS, WORDS};

/// Finds banned code, banned words, and permissions that nobody needs.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    for ban in BANS {
        check_ban(&mut report, &tree.files, ban);
    }
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            for (word, instead) in WORDS {
                let word = word.concat();
                if has_word(line, &word) {
                    report.find(&file.path, number + 1, format!("{word} is banned, {instead}"));
                }
            }
        }
    }
    report
}

fn check_ban(report: &mut Report, files: &[File], ban: &Ban) {
    let mut needed = vec![false; ban.allowed.len()];
    for file in files {
        let permission = ban.allowed.iter().position(|(place, _)| covers(place, &file.path));
        for (pattern, token) in occurrences(&file.tokens, ban.patterns) {
            let in_scope = match ban.scope {
                Scope::Everywhere => true,
                Scope::Product => file.ships(token),
                Scope::Below(folders) => {
                    file.ships(token) && folders.iter().any(|folder| covers(folder, &file.path))
                }
            };
            if !in_scope {
                continue;
            }
            match permission {
                Some(at) => needed[at] = true,
                None => {
                    let shown = pattern.replace(' ', "");
                    report.find(
                        &file.path,
                        token.line,
                        format!("{shown} is banned, {}", ban.instead),
                    );
                }
            }
        }
    }
    for ((place, _), _) in ban.allowed.iter().zip(needed).filter(|(_, needed)| !needed) {
        let what = format!(
            "has no {} any more, take it off the list in xtask/src/tidy/bans/table.rs",
            ban.patterns[0].replace(' ', "")
        );
        report.find(place, 1, what);
    }
}

fn covers(place: &str, path: &str) -> bool {
    if place.ends_with('/') { path.starts_with(place) } else { path == place }
}

fn occurrences<'a>(code: &'a [Token], patterns: &[&'static str]) -> Vec<(&'static str, &'a Token)> {
    let mut found = Vec::new();
    for pattern in patterns {
        let spread = pattern.replace("::", ": :");
        let words: Vec<&str> = spread.split_whitespace().collect();
        for at in 0..code.len() {
            if starts_with(&code[at..], &words) {
                found.push((*pattern, &code[at]));
            }
        }
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        edge(line[..at].chars().next_back()) && edge(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tokens::tokens;

    /// Code that breaks each ban once, in the order of the table.
    const BREACHES: &[&str] = &[
        "Timestamp::now()",
        "tokio::time::Instant::now()",
        "store.wait_until_ready()",
        "kube::runtime::watcher(api, config)",
        "PostParams { dry_run: false, ..x }",
        "value.expose()",
        "std::env::var(\"A\")",
        "tokio::sync::mpsc::unbounded_channel()",
        "std::thread::sleep(x)",
        "std::fs::read(path)",
    ];

    #[test]
    fn every_ban_is_found_once_and_not_in_text_or_tests() {
        assert_eq!(
            BREACHES.len() + 1,
            BANS.len(),
            "one breach for each ban; the last is an attribute"
        );
        for (ban, breach) in BANS.iter().zip(BREACHES) {
            let found = |text: String| {
                let tree = Tree::fixture(&[("crates/manifest/src/lib.rs", &text)]);
                let mut report = Report::default();
                check_ban(&mut report, &tree.files, ban);
                report.findings.retain(|finding| finding.path == "crates/manifest/src/lib.rs");
                report.findings
            };
            assert_eq!(found(format!("//! A.\nfn a() {{ {breach}; }}\n")).len(), 1, "{breach}");
            assert_eq!(found(format!("//! A.\nfn a() {{ }} // {breach}\n")), [], "{breach}");
            let in_tests =
                format!("//! A.\n#[cfg(test)]\nmod tests {{ fn a() {{ {breach}; }} }}\n");
            assert_eq!(found(in_tests).is_empty(), ban.scope != Scope::Everywhere, "{breach}");
        }
    }

    #[test]
    fn a_test_that_is_switched_off_a_word_and_a_permission_without_need_are_found() {
        let off = "//! A.\n#[cfg(test)]\nmod tests {\n#[test]\n#[ignore]\nfn a() {} }\n";
        let marked = format!("//! B.\nfn b() {{}} // {}: later\n", ["TO", "DO"].concat());
        let files = [("crates/new/src/lib.rs", off), ("crates/other/src/lib.rs", &marked)];
        let found = check(&Tree::fixture(&files)).findings;
        let at = |path: &str| found.iter().filter(|f| f.path == path).count();
        assert_eq!((at(files[0].0), at(files[1].0)), (1, 1), "{found:?}");
        let permissions = BANS.iter().map(|ban| ban.allowed.len()).sum::<usize>();
        assert_eq!(found.len(), 2 + permissions, "nobody needs one in this tree");
    }

    #[test]
    fn patterns_are_tokens() {
        assert_eq!(
            occurrences(&tokens("a . expose (b); c.exposed()").unwrap(), &[". expose ("]).len(),
            1
        );
        assert!(!has_word("MASTODON", &["TO", "DO"].concat()));
    }
}
