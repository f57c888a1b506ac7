//! Edits of the original text, and values written as YAML.

use std::ops::Range;

use granit_parser::ScalarStyle;
use zeroize::Zeroizing;

use super::document::{Leaf, Stream};
use super::scalar::{Scalar, ScalarKind, resolve};
use crate::Error;

/// Replaces one range of the text.
pub(crate) struct Edit {
    range: Range<usize>,
    with: Zeroizing<String>,
}

impl Edit {
    pub(crate) fn new(range: Range<usize>, with: impl Into<String>) -> Self {
        Self { range, with: Zeroizing::new(with.into()) }
    }
}

/// Applies edits that do not overlap; everything else stays byte for byte.
pub(crate) fn apply(text: &str, mut edits: Vec<Edit>) -> Result<Zeroizing<String>, Error> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    // Sized up front, so that growing leaves no copy of a plaintext behind.
    let mut out = Zeroizing::new(String::with_capacity(text.len() + added));
    let mut at = 0;
    for edit in &edits {
        let kept = text.get(at..edit.range.start).ok_or(Error::NotFaithful)?;
        out.push_str(kept);
        out.push_str(&edit.with);
        at = edit.range.end;
    }
    out.push_str(text.get(at..).ok_or(Error::NotFaithful)?);
    Ok(out)
}

/// Edits that put `with` (one line) where a leaf stands.
pub(crate) fn replace_leaf(
    stream: &Stream<'_>,
    leaf: &Leaf,
    with: String,
) -> Result<Vec<Edit>, Error> {
    if !matches!(leaf.style, ScalarStyle::Literal | ScalarStyle::Folded) {
        return Ok(vec![Edit::new(leaf.span.clone(), with)]);
    }
    // The header goes, a comment behind it stays, then the content goes.
    let header = block_header(stream.text, leaf.after, leaf.span.start)
        .ok_or_else(|| Error::unsupported("this block scalar", leaf.line))?;
    let rest = stream.text.get(header.end..).unwrap_or_default();
    let line_end = header.end + rest.find(['\r', '\n']).unwrap_or(rest.len());
    let content = stream.text.get(line_end..leaf.span.end.max(line_end)).unwrap_or_default();
    let kept = content.trim_end_matches([' ', '\t', '\r', '\n']);
    let mut edits = vec![Edit::new(header, with)];
    if !kept.is_empty() {
        edits.push(Edit::new(line_end..line_end + kept.len(), ""));
    }
    Ok(edits)
}

/// `|`, `>-`, `|2+`: between the token before and the content, outside comments.
pub(crate) fn block_header(text: &str, after: usize, content: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = after;
    while at < content.max(after + 1).min(bytes.len()) {
        match bytes[at] {
            b'#' => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'|' | b'>' => {
                let indicators = bytes[at + 1..]
                    .iter()
                    .take_while(|byte| matches!(byte, b'+' | b'-' | b'1'..=b'9'))
                    .count();
                return Some(at..at + 1 + indicators);
            }
            _ => at += 1,
        }
    }
    None
}

/// A scalar as YAML text for the place of `leaf`, which must be a one-line token.
pub(crate) fn render(
    stream: &Stream<'_>,
    leaf: &Leaf,
    scalar: &Scalar,
) -> Result<Zeroizing<String>, Error> {
    let text = std::str::from_utf8(&scalar.bytes)
        .map_err(|_| Error::unsupported("binary data in a value", leaf.line))?;
    let out = match scalar.kind {
        ScalarKind::Int | ScalarKind::Time | ScalarKind::Comment => text.to_owned(),
        ScalarKind::Null => "null".to_owned(),
        ScalarKind::Bool => if text == "True" { "true" } else { "false" }.to_owned(),
        ScalarKind::Float => match text {
            "NaN" => ".nan".to_owned(),
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            // Without the point it would read back as an integer.
            whole if !whole.contains('.') => format!("{whole}.0"),
            fraction => fraction.to_owned(),
        },
        ScalarKind::Str | ScalarKind::Bytes => match literal(stream, leaf, text) {
            Some(block) => return Ok(block),
            None => quote_if_needed(text),
        },
    };
    Ok(Zeroizing::new(out))
}

/// A literal block, where the text has several ordinary lines and the place allows one.
fn literal(stream: &Stream<'_>, leaf: &Leaf, text: &str) -> Option<Zeroizing<String>> {
    let (body, chomp) = match text.strip_suffix('\n') {
        Some(body) => (body, "|"),
        None => (text, "|-"),
    };
    let ordinary = |line: &str| {
        !line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    };
    let first = body.lines().next()?;
    let several = body.contains('\n') || chomp == "|";
    let fits = several
        && !first.starts_with([' ', '\t'])
        && !first.is_empty()
        && !body.ends_with('\n')
        && body.split('\n').all(ordinary);
    // The rest of the line must be free, and not the end of the text (clip needs a line end).
    let rest = stream.text.get(leaf.span.end..).unwrap_or_default();
    let free = rest.split_once('\n').is_some_and(|(line, _)| line.trim().is_empty());
    let token = matches!(leaf.style, ScalarStyle::Plain | ScalarStyle::DoubleQuoted);
    if !fits || stream.in_flow(leaf) || !free || !token || leaf.tag.is_some() {
        return None;
    }
    let indent = " ".repeat(stream.containers[leaf.container].column + 2);
    let lines = body.split('\n').count();
    let mut out = Zeroizing::new(String::with_capacity(text.len() + lines * (indent.len() + 1)));
    out.push_str(chomp);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&indent);
            out.push_str(line);
        }
    }
    Some(out)
}

/// Plain where every YAML reader takes it as text, else double-quoted.
pub(crate) fn quote_if_needed(text: &str) -> String {
    // YAML 1.1 readers (kubectl among them) take these for booleans.
    const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    let safe = |c: char| c.is_ascii_alphanumeric() || "_./@+=-".contains(c);
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_/".contains(c));
    let plain = first
        && text.chars().all(safe)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && matches!(resolve(text, ScalarStyle::Plain, None), Ok(s) if s.kind == ScalarKind::Str);
    if plain { text.to_owned() } else { double_quoted(text) }
}

fn double_quoted(text: &str) -> String {
    // Worst case is `\u0000` for one byte: sized up front, so that growing leaves no copy behind.
    let mut out = String::with_capacity(text.len() * 6 + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
