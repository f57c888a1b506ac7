//! Where a text names the binary, and what follows.

use super::pieces::{Kind, Piece};

/// The binary's name and what stands behind it.
pub(super) struct Mention {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// As something to type, and not as the name of the product.
    pub(super) code: bool,
    pub(super) words: Vec<String>,
}

const NAME: &str = "regent";
/// Words before it that make it the name of something else: a release, a package.
const OTHER: [&str; 9] = [
    "install",
    "upgrade",
    "uninstall",
    "template",
    "-p",
    "--package",
    "release",
    "namespace",
    "test",
];
/// What ends a command on a line.
const ENDS: [&str; 8] = ["|", ">", ">>", "<", "#", "&&", "2>&1", "→"];

pub(super) fn mentions(piece: &Piece) -> Vec<Mention> {
    let text = piece.text.as_str();
    let mut all = Vec::new();
    for (at, _) in text.match_indices(NAME) {
        let (before, after) = (&text[..at], &text[at + NAME.len()..]);
        let own =
            before.chars().next_back().is_none_or(|c| c.is_whitespace() || "`(\"'$".contains(c));
        let previous = before.split_whitespace().next_back().unwrap_or_default();
        if !own || !after.starts_with(char::is_whitespace) || is_other(before, previous) {
            continue;
        }
        let end = code_end(piece, before, after);
        if piece.kind == Kind::Comment && end.is_none() {
            continue;
        }
        // A sentence goes on neither in the next paragraph nor, in a string, on the next line.
        let stop = if piece.kind == Kind::Literal { "\n" } else { "\n\n" };
        let sentence = after.find(stop).unwrap_or(after.len());
        let words = words(&after[..end.unwrap_or(sentence)], end.is_some());
        let line = piece.line + before.matches('\n').count();
        all.push(Mention { line, code: end.is_some(), words });
    }
    all
}

fn is_other(before: &str, previous: &str) -> bool {
    before.ends_with(char::is_whitespace) && OTHER.contains(&previous.trim_start_matches('`'))
}

/// Where the code ends that a mention stands in; `None` in prose.
fn code_end(piece: &Piece, before: &str, after: &str) -> Option<usize> {
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = &before[line_start..];
    let line_end = after.find('\n').unwrap_or(after.len());
    let starts = line.trim().is_empty() || line.trim_end().ends_with(['|', '$', ';', '=']);
    let fenced = piece.kind == Kind::Document
        && before.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1;
    let example = piece.kind == Kind::Literal && line.starts_with("  ");
    if fenced {
        return Some(if starts { line_end } else { 0 });
    }
    if example && starts {
        return Some(line_end);
    }
    let paragraph = before.rfind("\n\n").map_or(0, |at| at + 2);
    let inside = before[paragraph..].replace("```", "").matches('`').count() % 2 == 1;
    inside.then(|| after.find('`').unwrap_or(line_end))
}

fn words(text: &str, code: bool) -> Vec<String> {
    // Two blanks stand between a command and what is said of it.
    let text = if code { text.trim_start().split("  ").next().unwrap_or_default() } else { text };
    let mut all = Vec::new();
    for word in text.split_whitespace() {
        if ENDS.contains(&word) || (!code && all.len() == 3) {
            break;
        }
        let bare = word.trim_end_matches(['.', ',', ';', ':', ')', '!', '?', '\'', '"']);
        all.push(bare.to_owned());
        if bare != word {
            break;
        }
    }
    all
}
