//! What the objects of a manifest say in plain text, and under which names.

use std::rc::Rc;

use super::finding::{Findings, PLAIN_UNDER_RULE, PLAINTEXT_SECRET, RENAMED_FIELD};
use crate::sops::Token;
use crate::tree::{Node, Value};

/// The group of regent's own kinds, with the slash before the version.
const GROUP: &str = "regent.dev/";
/// How `on` is written, and how those write it who read it as YAML 1.1.
const ON: [&str; 6] = ["on", "On", "ON", "true", "True", "TRUE"];
const RENAMED: &str = "spec.on of an EventTrigger is called spec.source: YAML 1.1 reads on as true";

/// Looks at each object of each document; returns the manifests inside EncryptedManifests.
pub(super) fn look<'n>(documents: &'n [Rc<Node>], findings: &mut Findings<'_>) -> Vec<&'n Node> {
    let mut embedded = Vec::new();
    for document in documents {
        walk(document, "", false, findings, &mut embedded);
    }
    embedded
}

/// Whether a node is a Secret. A patch may leave out `apiVersion`; another one is another kind.
pub(super) fn is_secret(node: &Node) -> bool {
    is_core(node, "Secret")
}

/// Items of a list of Secrets need not say what they are.
pub(super) fn is_secret_list(node: &Node) -> bool {
    is_core(node, "SecretList")
}

fn is_core(node: &Node, kind: &str) -> bool {
    let versions = || node.all("apiVersion").filter_map(Node::text);
    node.says("kind", |is| is == kind)
        && (versions().any(|version| version == "v1") || versions().next().is_none())
}

fn is_ours(node: &Node, kind: &str) -> bool {
    node.says("kind", |is| is == kind) && node.says("apiVersion", |is| is.starts_with(GROUP))
}

fn walk<'n>(
    node: &'n Node,
    path: &str,
    listed: bool,
    findings: &mut Findings<'_>,
    embedded: &mut Vec<&'n Node>,
) {
    if let Value::Seq(items) = &node.value {
        for (index, item) in items.iter().enumerate() {
            walk(item, &format!("{path}[{index}]"), listed, findings, embedded);
        }
        return;
    }
    let secret = listed || is_secret(node);
    let secrets = is_secret_list(node);
    for (key, value) in node.entries() {
        let path = child(path, key);
        if secret && matches!(key, "data" | "stringData") {
            plain_values(value, &path, findings);
        } else {
            walk(value, &path, secrets && key == "items", findings, embedded);
        }
    }
    for spec in node.all("spec") {
        if is_ours(node, "EventTrigger") {
            renamed(spec, findings);
        }
        if is_ours(node, "EncryptedManifest") {
            embedded.extend(spec.all("sops"));
        }
    }
}

/// Keys are not secret, and cut short if long.
fn child(path: &str, key: &str) -> String {
    const KEY_CHARS_MAX: usize = 100;
    let key: String = key.chars().take(KEY_CHARS_MAX).collect();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn plain_values(node: &Node, path: &str, findings: &mut Findings<'_>) {
    match &node.value {
        Value::Text(text) => {
            // The rule of the file itself has said so already, and says it better.
            let told = findings.has(node.line, PLAIN_UNDER_RULE);
            if !text.blank && !told && Token::parse(&text.text).is_none() {
                let message = format!("{path} of a Secret in plain text");
                findings.add(node.line, PLAINTEXT_SECRET, message);
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| plain_values(item, path, findings)),
        Value::Map(_) => {
            for (key, value) in node.entries() {
                plain_values(value, &child(path, key), findings);
            }
        }
    }
}

fn renamed(spec: &Node, findings: &mut Findings<'_>) {
    let Value::Map(pairs) = &spec.value else { return };
    for (key, _) in pairs.iter().filter(|(key, _)| key.text().is_some_and(|k| ON.contains(&k))) {
        findings.add(key.line, RENAMED_FIELD, RENAMED.to_owned());
    }
}
