//! Files into documents: YAML streams are cut at document markers, so that each document keeps its
//! text and its line.

use serde_json::Value;

use super::IntentError;
use super::error::FileLine;

/// Documents in one file; a file of 1 MiB cannot hold more useful ones.
const DOCUMENTS_MAX: usize = 2_000;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// Line of its first character, from 1.
    pub(super) line: usize,
    pub(super) text: &'a str,
    pub(super) value: Value,
}

/// Whether a file can hold objects, by its name.
pub(super) fn is_manifest(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending))
}

/// The documents of `text`; those without content are left out.
pub(super) fn parse<'a>(file: &str, text: &'a str) -> Result<Vec<Document<'a>>, IntentError> {
    let invalid = |line: usize, problem: &str| IntentError::Invalid {
        file_line: FileLine { file: file.to_owned(), line },
        problem: problem.to_owned(),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if file.ends_with(".json") {
        let value =
            serde_json::from_str(text).map_err(|e| invalid(e.line(), "this is not valid JSON"))?;
        return Ok(vec![Document { line: 1, text, value }]);
    }
    let pieces = split(text);
    if pieces.len() > DOCUMENTS_MAX {
        return Err(invalid(1, "more than 2,000 documents in one file"));
    }
    let mut all = Vec::new();
    for (line, piece) in pieces {
        if is_blank(piece) {
            continue;
        }
        // The message of the parser may quote the text, so that only the line is kept.
        let value: Value = serde_saphyr::from_str(piece).map_err(|e| {
            let within = e.location().map_or(1, |l| usize::try_from(l.line()).unwrap_or(1));
            invalid(line + within.saturating_sub(1), "this is not valid YAML")
        })?;
        if !value.is_null() {
            all.push(Document { line, text: piece, value });
        }
    }
    Ok(all)
}

/// Pieces between document markers with the line they begin at. A line that starts with `---` or
/// `...` ends a document even inside a block or quoted scalar (YAML 1.2.2, 9.1.2 and rule
/// c-forbidden), so that a cut by lines is exact. What follows `---` on its line belongs to the
/// document.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut all = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let end = at + line.len();
        let marker = |m: &str| {
            line.strip_prefix(m)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        if marker("---") {
            all.push((start_line, &text[start..at]));
            (start, start_line) = (at + 3, index + 1);
        } else if marker("...") {
            all.push((start_line, &text[start..at]));
            (start, start_line) = (end, index + 2);
        }
        at = end;
    }
    all.push((start_line, &text[start..]));
    all
}

/// Nothing but comments, directives and space.
fn is_blank(piece: &str) -> bool {
    piece.lines().map(str::trim_start).all(|l| l.is_empty() || l.starts_with(['#', '%']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stream_is_cut_into_documents_with_their_lines() {
        let text = "# head\n---\na: 1\n--- # second\nb: |\n  x\n  ---\n...\n---\n---\nc: 2\n";
        let all = parse("f.yaml", text).unwrap();
        let seen: Vec<(usize, Value)> = all.into_iter().map(|d| (d.line, d.value)).collect();
        let expected = [(2, json!({"a": 1})), (4, json!({"b": "x\n---\n"})), (10, json!({"c": 2}))];
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_text_of_the_only_document_of_a_file_is_the_file() {
        let text = "a: 1 # kept\nb:   2\n";
        assert_eq!(parse("f.yml", text).unwrap()[0].text, text);
    }

    #[test]
    fn a_broken_file_is_named_with_its_line_and_not_quoted() {
        let error = parse("f.yaml", "a: 1\n---\nb: [1\nc: planted\n").unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("f.yaml:"), "{text}");
        assert!(!text.contains("planted"));
        let error = parse("f.json", "{\n  \"a\": planted }").unwrap_err();
        assert_eq!(error.to_string(), "f.json:2: this is not valid JSON");
    }

    #[test]
    fn one_key_twice_is_an_error() {
        assert!(parse("f.yaml", "a: 1\na: 2\n").is_err());
    }
}
