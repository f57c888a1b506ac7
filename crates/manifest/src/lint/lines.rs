//! Text that is no YAML (a template, a broken file): judged by its lines, and never passed.

use std::sync::LazyLock;

use regex::Regex;

use super::finding::{Finding, Findings, PLAINTEXT_SECRET};
use crate::sops::TOKEN_PREFIX;
use crate::tree::Unread;

/// A kind in any spelling that is still a line or two of text: quoted, tagged, anchored.
static KIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?m)(?:^|[\s{,-])["']?kind["']?\s*:\s*(?:[&!]\S*\s+)*["']?Secret(?:List)?\b"#)
        .ok()
});
static DATA: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?m)(?:^|[\s{,-])["']?(?:data|stringData)["']?\s*:"#).ok());
/// What templates of Helm and Jinja have and YAML hardly ever has.
const TEMPLATE: [&str; 2] = ["{{", "{%"];

/// Finds a Secret in the text; without one a text that is no template is told to be unread.
pub(super) fn look(text: &str, unread: &Unread, findings: &mut Findings<'_>) {
    let Unread { line, why } = unread;
    let kind = KIND.as_ref().and_then(|regex| regex.find(text));
    let secret = kind.filter(|_| DATA.as_ref().is_some_and(|regex| regex.is_match(text)));
    match secret {
        Some(_) if text.contains(TOKEN_PREFIX) => {
            let why =
                format!("{why}, so that nobody can tell whether all of this Secret is sealed");
            findings.found.push(Finding::not_looked_at(findings.file, *line, &why));
        }
        Some(kind) => {
            let start = text.get(..kind.end()).unwrap_or_default();
            let at = 1 + start.matches('\n').count();
            let message = format!("looks like a Secret in plain text ({why}, line {line})");
            findings.add(at, PLAINTEXT_SECRET, message);
        }
        // A template is no manifest yet, and comments in JSON are what editors write.
        None if TEMPLATE.iter().any(|mark| text.contains(mark)) => {}
        None if findings.file.to_ascii_lowercase().ends_with(".json") => {}
        None => findings.found.push(Finding::not_looked_at(findings.file, *line, why)),
    }
}
