//! Texts of a file that people read: string literals and comments of Rust, everything of any other file.

use std::path::Path;

/// How a piece is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only what stands in backticks is a command.
    Comment,
    /// A string of Rust: lines indented by two blanks are examples.
    Literal,
    /// A document: fenced blocks are examples.
    Document,
}

pub(super) struct Piece {
    pub(super) kind: Kind,
    /// Line of its first character, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

pub(super) fn pieces(path: &Path, text: &str) -> Vec<Piece> {
    if path.extension().is_some_and(|ending| ending == "rs") {
        return rust(text);
    }
    let paragraphs = path.extension().is_some_and(|ending| ending == "md");
    if paragraphs {
        return vec![Piece { kind: Kind::Document, line: 1, text: text.to_owned() }];
    }
    let piece = |(index, line): (usize, &str)| Piece {
        kind: Kind::Document,
        line: index + 1,
        text: line.to_owned(),
    };
    text.lines().enumerate().map(piece).collect()
}

fn rust(text: &str) -> Vec<Piece> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut all) = (0, 1, Vec::<Piece>::new());
    while at < chars.len() {
        let start = line;
        let (kind, read) = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => (Kind::Comment, comment(&chars, at)),
            ('"', _) => (Kind::Literal, literal(&chars, at)),
            ('r', Some('"' | '#')) if raw(&chars, at).is_some() => {
                (Kind::Literal, raw(&chars, at).unwrap())
            }
            ('\'', Some('\\')) => (Kind::Comment, (at + 3, String::new())),
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => {
                (Kind::Comment, (at + 3, String::new()))
            }
            _ => (Kind::Comment, (at + 1, String::new())),
        };
        line += chars[at..read.0.min(chars.len())].iter().filter(|c| **c == '\n').count();
        at = read.0;
        if read.1.is_empty() {
            continue;
        }
        match all.last_mut() {
            // Comments of lines one below the other are one text.
            Some(last)
                if kind == Kind::Comment
                    && last.kind == Kind::Comment
                    && last.line + last.text.matches('\n').count() + 1 == start =>
            {
                last.text.push('\n');
                last.text.push_str(&read.1);
            }
            _ => all.push(Piece { kind, line: start, text: read.1 }),
        }
    }
    all
}

fn comment(chars: &[char], at: usize) -> (usize, String) {
    let end = chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n);
    let text: String = chars[at..end].iter().collect();
    (end, text.trim_start_matches(['/', '!']).to_owned() + " ")
}

fn literal(chars: &[char], start: usize) -> (usize, String) {
    let (mut at, mut text) = (start + 1, String::new());
    while at < chars.len() && chars[at] != '"' {
        if chars[at] != '\\' {
            text.push(chars[at]);
            at += 1;
            continue;
        }
        match chars.get(at + 1) {
            Some('\n') => {
                at += 2;
                while chars.get(at).is_some_and(|c| c.is_whitespace()) {
                    at += 1;
                }
            }
            Some('n') => {
                text.push('\n');
                at += 2;
            }
            Some(c) => {
                text.push(*c);
                at += 2;
            }
            None => at += 1,
        }
    }
    (at + 1, text)
}

fn raw(chars: &[char], start: usize) -> Option<(usize, String)> {
    // An identifier that ends in `r` before a string is no raw string.
    if start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_') {
        return None;
    }
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let first = start + 1 + hashes;
    if chars.get(first) != Some(&'"') {
        return None;
    }
    let end: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
    let rest: String = chars[first + 1..].iter().collect();
    let text = rest.split_once(&end)?.0;
    Some((first + 1 + text.chars().count() + end.chars().count(), text.to_owned()))
}
