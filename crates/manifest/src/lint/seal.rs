//! What a sealed file says of itself: its `sops` block, as `regent open` reads it.

use std::rc::Rc;

use super::finding::{BROKEN_SEAL, Finding, Findings, PLAIN_UNDER_RULE};
use super::rules::{is_secret, is_secret_list};
use crate::Error;
use crate::sops::{self, Leaf, Metadata, ScalarKind, Stream, Token};
use crate::tree::{Node, Value};

const ONE_EACH: &str = "seal each Secret into a file of its own with `regent seal`";

/// Looks at the block, and at what its rule covers.
pub(super) fn look(text: &str, documents: &[Rc<Node>], findings: &mut Findings<'_>) {
    let sealed = |document: &&Rc<Node>| document.all("sops").next().is_some();
    let Some(first) = documents.iter().find(sealed) else {
        lost(documents, findings);
        return;
    };
    let read = sops::parse(text);
    let metadata = read.as_ref().map_err(Clone::clone).and_then(Metadata::read);
    match (&read, &metadata) {
        (Ok(stream), Ok(metadata)) => plain_under_rule(stream, metadata, findings),
        (_, Err(error)) | (Err(error), _) => {
            let block = first.key_line("sops").unwrap_or(first.line);
            let ours = documents.iter().any(|document| is_secret(document));
            broken(place(error).unwrap_or(block), error, ours, findings);
        }
    }
    for list in documents.iter().filter(|document| holds_secrets(document)) {
        let message = "a sealed list: a sealed file holds one Secret".to_owned();
        findings.advise(list.line, BROKEN_SEAL, message, ONE_EACH);
    }
}

/// A sealed Secret that `regent open` does not read is of no use; other tools may read what else is sealed.
fn broken(line: usize, error: &Error, ours: bool, findings: &mut Findings<'_>) {
    match error {
        Error::Unsupported { .. } | Error::TooLarge { .. } if ours => {
            let message = format!("`regent open` does not read this sealed file: {error}");
            findings.add(line, BROKEN_SEAL, message);
        }
        Error::Unsupported { .. } | Error::TooLarge { .. } => {
            let why = error.to_string();
            findings.found.push(Finding::not_looked_at(findings.file, line, &why));
        }
        other => findings.add(line, BROKEN_SEAL, other.to_string()),
    }
}

/// Where in the file an error stands.
fn place(error: &Error) -> Option<usize> {
    match error {
        Error::NotYaml { line, .. }
        | Error::DuplicateKey { line, .. }
        | Error::Unsupported { line, .. } => Some(*line).filter(|line| *line > 0),
        _ => None,
    }
}

/// A `List` or `SecretList` with a Secret in it.
fn holds_secrets(document: &Node) -> bool {
    let items = || {
        let lists = document.all("items").map(|items| match &items.value {
            Value::Seq(items) => items.as_slice(),
            _ => &[],
        });
        lists.flatten()
    };
    is_secret_list(document) || items().any(|item| is_secret(item))
}

/// A Secret of ciphertext without a block: nobody can open it, and nothing of it has leaked.
fn lost(documents: &[Rc<Node>], findings: &mut Findings<'_>) {
    for document in documents {
        if let Some((line, path)) = first_token(document, "") {
            let error = Error::LostSeal { path };
            let advice = "restore the file from Git's history: its values are sealed, and nobody \
                          can open them without the block";
            findings.advise(line, BROKEN_SEAL, error.to_string(), advice);
        }
    }
}

fn first_token(node: &Node, path: &str) -> Option<(usize, String)> {
    match &node.value {
        Value::Text(text) => {
            Token::parse(&text.text).map(|_| (node.line, path.trim_start_matches('.').to_owned()))
        }
        Value::Seq(items) => items.iter().find_map(|item| first_token(item, path)),
        Value::Map(_) => {
            let mut entries = node.entries().into_iter();
            entries.find_map(|(key, value)| first_token(value, &format!("{path}.{key}")))
        }
    }
}

fn plain_under_rule(stream: &Stream<'_>, metadata: &Metadata, findings: &mut Findings<'_>) {
    let covered = |leaf: &&Leaf| sops::covered(stream, metadata, leaf);
    for leaf in stream.user_leaves().filter(covered).filter(|leaf| stands_plain(stream, leaf)) {
        let message =
            format!("{} stands in plain text although the rule covers it", stream.display(leaf));
        findings.add(leaf.line, PLAIN_UNDER_RULE, message);
    }
}

fn stands_plain(stream: &Stream<'_>, leaf: &Leaf) -> bool {
    Token::parse(&leaf.text).is_none()
        && stream
            .resolve(leaf)
            .map_or(true, |scalar| scalar.kind != ScalarKind::Null && !scalar.is_blank())
}
