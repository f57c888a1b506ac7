//! What must not stand in Git, found without keys (S5.2-5). Used by `regent lint`, and by intent to
//! refuse a repository.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::sops::{self, Leaf, Metadata, PathStep, ScalarKind, Stream, TOKEN_PREFIX};

/// A Secret whose `data` or `stringData` stands in plain text.
pub const PLAINTEXT_SECRET: &str = "plaintext-secret";
/// A private key of any kind.
pub const PRIVATE_KEY: &str = "private-key";
/// A value in plain text although the file's own rule says encrypted.
pub const PLAIN_UNDER_RULE: &str = "plain-under-rule";
/// A `sops` block that cannot be used (no rule that compiles, no recipient, no MAC).
pub const BROKEN_SEAL: &str = "broken-seal";
/// A field under a name that it no longer has: the API server would drop it, or be sent another one.
pub const RENAMED_FIELD: &str = "renamed-field";

/// One thing found. It never holds the value that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as given.
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Which rule: one of this module's constants.
    pub rule: &'static str,
    /// What was found there, in a sentence without any value.
    pub message: String,
    /// What the author of the file can do about it.
    pub advice: &'static str,
}

/// Checks one file. `path` is only copied into the findings and tells YAML by its ending.
#[must_use]
pub fn lint_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Findings { file: path, found: Vec::new() };
    private_keys(text, &mut findings);
    let lower = path.to_ascii_lowercase();
    if [".yaml", ".yml", ".json"].iter().any(|ending| lower.ends_with(ending)) {
        match sops::parse(text) {
            Ok(stream) => {
                manifests(&stream, 0, &mut findings);
                renamed_fields(&stream, &mut findings);
            }
            Err(_) => unparsed(text, &mut findings),
        }
    }
    findings.found.sort_by_key(|finding| finding.line);
    findings.found
}

struct Findings<'f> {
    file: &'f str,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, line: usize, rule: &'static str, message: String) {
        let advice = match rule {
            PLAINTEXT_SECRET => {
                "seal it with `regent seal`, and replace the value: it is in Git's history"
            }
            PRIVATE_KEY => "remove it and make a new key: this one is in Git's history",
            PLAIN_UNDER_RULE => "use `regent edit` instead of a text editor, and replace the value",
            RENAMED_FIELD => "write source in place of on",
            _ => "restore the file from Git's history or seal it again",
        };
        let file = self.file.to_owned();
        self.found.push(Finding { file, line, rule, message, advice });
    }
}

/// Whole keys only, so that a text which mentions the format is not a finding.
static PRIVATE_KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        "(?i:AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{20,})\
         |-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    )
    .ok()
});

fn private_keys(text: &str, findings: &mut Findings<'_>) {
    let Some(regex) = PRIVATE_KEYS.as_ref() else { return };
    for (index, line) in text.lines().enumerate() {
        if let Some(found) = regex.find(line) {
            let what = if found.as_str().starts_with("-----") { "a PEM" } else { "an age" };
            findings.add(index + 1, PRIVATE_KEY, format!("{what} private key"));
        }
    }
}

/// Group of EventTriggers, with the slash before the version.
const TRIGGER_GROUP: &str = "regent.dev/";
/// A manifest inside an EncryptedManifest is looked at as a manifest of its own, once.
const EMBEDDED_DEPTH_MAX: usize = 1;

fn manifests(stream: &Stream<'_>, depth: usize, findings: &mut Findings<'_>) {
    let sealed = stream.sops_mark(0).map(|mark| (mark.line, Metadata::read(stream)));
    let metadata = match sealed {
        None => None,
        Some((_, Ok(metadata))) => Some(metadata),
        Some((line, Err(error))) => {
            findings.add(line, BROKEN_SEAL, error.to_string());
            None
        }
    };
    let secrets = roots(stream, |version| version == "v1", "Secret");
    for leaf in stream.user_leaves().filter(|leaf| stands_plain(stream, leaf)) {
        let under_rule = metadata.as_ref().is_some_and(|m| sops::covered(stream, m, leaf));
        let path = stream.display(leaf);
        if under_rule {
            let message = format!("{path} stands in plain text although the rule covers it");
            findings.add(leaf.line, PLAIN_UNDER_RULE, message);
        } else if in_secret(stream, leaf, &secrets) {
            findings.add(leaf.line, PLAINTEXT_SECRET, format!("{path} of a Secret in plain text"));
        } else if depth < EMBEDDED_DEPTH_MAX && path == "spec.sops" {
            embedded(leaf, findings);
        }
    }
}

fn embedded(leaf: &Leaf, findings: &mut Findings<'_>) {
    let mut inner = Findings { file: findings.file, found: Vec::new() };
    match sops::parse(&leaf.text) {
        Ok(stream) => {
            manifests(&stream, EMBEDDED_DEPTH_MAX, &mut inner);
            if !sops::is_sealed(&leaf.text) {
                let message = "spec.sops holds no sealed manifest".to_owned();
                findings.add(leaf.line, BROKEN_SEAL, message);
            }
        }
        Err(_) => unparsed(&leaf.text, &mut inner),
    }
    for mut finding in inner.found {
        finding.line += leaf.line - 1;
        findings.found.push(finding);
    }
}

fn stands_plain(stream: &Stream<'_>, leaf: &Leaf) -> bool {
    if leaf.text.starts_with(TOKEN_PREFIX) {
        return false;
    }
    stream
        .resolve(leaf)
        .map_or(true, |scalar| scalar.kind != ScalarKind::Null && !scalar.is_blank())
}

/// How `on` is written.
const ON: [&str; 3] = ["on", "On", "ON"];

const RENAMED: &str = "spec.on of an EventTrigger is called spec.source: YAML 1.1 reads on as true";

/// `spec.on` of an EventTrigger, which is called `spec.source`.
fn renamed_fields(stream: &Stream<'_>, findings: &mut Findings<'_>) {
    let triggers = roots(stream, |version| version.starts_with(TRIGGER_GROUP), "EventTrigger");
    for mark in &stream.marks {
        let container = &stream.containers[mark.container];
        let is = |step: Option<&PathStep>, names: &[&str]| matches!(step, Some(PathStep::Key(key)) if names.contains(&key.as_ref()));
        let in_spec = is(container.step.as_ref(), &["spec"])
            && container.parent.is_some_and(|parent| triggers.contains(&parent));
        if in_spec && is(Some(&mark.step), &ON) {
            findings.add(mark.line, RENAMED_FIELD, RENAMED.to_owned());
        }
    }
}

/// Containers that are an object of this kind: at the root, or an item of a List.
fn roots(stream: &Stream<'_>, version: impl Fn(&str) -> bool, kind: &str) -> Vec<usize> {
    let mut says: BTreeMap<usize, (bool, bool)> = BTreeMap::new();
    for leaf in &stream.leaves {
        let PathStep::Key(key) = &leaf.step else { continue };
        let entry = says.entry(leaf.container).or_default();
        match key.as_ref() {
            "kind" => entry.0 |= leaf.text.as_str() == kind,
            "apiVersion" => entry.1 |= version(&leaf.text),
            _ => {}
        }
    }
    says.into_iter().filter(|(_, says)| *says == (true, true)).map(|(at, _)| at).collect()
}

fn in_secret(stream: &Stream<'_>, leaf: &Leaf, secrets: &[usize]) -> bool {
    let mut at = leaf.container;
    loop {
        let container = &stream.containers[at];
        let Some(parent) = container.parent else { return false };
        let data = matches!(
            &container.step, Some(PathStep::Key(key)) if matches!(key.as_ref(), "data" | "stringData")
        );
        if data && secrets.contains(&parent) {
            return true;
        }
        at = parent;
    }
}

/// Text that is not YAML for us (a template, a broken file): judged by its lines.
fn unparsed(text: &str, findings: &mut Findings<'_>) {
    let is = |line: &str, wanted: &[&str]| wanted.contains(&line.trim().trim_start_matches("- "));
    let has = |wanted: &[&str]| text.lines().any(|line| is(line, wanted));
    let kind = text.lines().position(|line| is(line, &["kind: Secret", "kind: \"Secret\""]));
    if let Some(line) = kind
        && has(&["data:", "stringData:"])
        && !text.contains(TOKEN_PREFIX)
    {
        let message = "looks like a Secret in plain text, and is not readable as YAML".to_owned();
        findings.add(line + 1, PLAINTEXT_SECRET, message);
    }
    // What a tool that reads YAML 1.1 wrote for `on`: a key that is no text, which we do not read.
    if has(&["kind: EventTrigger", "kind: \"EventTrigger\""]) && text.contains(TRIGGER_GROUP) {
        let on = |line: &str| line.trim_start().starts_with("true:");
        if let Some(line) = text.lines().position(on) {
            findings.add(line + 1, RENAMED_FIELD, RENAMED.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use crate::sops::{SealOptions, seal};

    const SECRET: &str =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  a: planted-value\n";

    fn rules(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let found = lint_file(path, text);
        assert!(!format!("{found:?}").contains("planted-value"));
        found.iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    fn sealed() -> String {
        let options = SealOptions::new([generate().recipient], jiff::Timestamp::UNIX_EPOCH);
        seal(SECRET, &options).unwrap()
    }

    fn indented(text: &str) -> String {
        text.lines().map(|line| format!("    {line}\n")).collect()
    }

    #[test]
    fn a_plaintext_secret_is_found_wherever_it_stands() {
        assert_eq!(rules("a.yaml", SECRET), [(6, PLAINTEXT_SECRET)]);
        assert_eq!(rules("a.txt", SECRET), []);
        let list = "apiVersion: v1\nkind: List\nitems:\n\
             - apiVersion: v1\n  kind: Secret\n  data:\n    a: eA==\n";
        assert_eq!(rules("a.yml", list), [(7, PLAINTEXT_SECRET)]);
        let second = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n---\n{SECRET}");
        assert_eq!(rules("a.yaml", &second), [(11, PLAINTEXT_SECRET)]);
        let json = r#"{"apiVersion":"v1","kind":"Secret","data":{"a":"eA=="}}"#;
        assert_eq!(rules("a.json", json), [(1, PLAINTEXT_SECRET)]);
        let template = "kind: Secret\nstringData:\n  a: {{ .Values.a }}: b\n";
        assert_eq!(rules("a.yaml", template), [(1, PLAINTEXT_SECRET)]);
        assert_eq!(rules("a.yaml", "apiVersion: v1\nkind: Secret\ndata: {}\n"), []);
    }

    #[test]
    fn a_sealed_secret_is_fine_until_a_value_is_plain() {
        let sealed = sealed();
        assert_eq!(rules("a.yaml", &sealed), []);
        let added = sealed.replace("sops:\n", "data:\n  b: eA==\nsops:\n");
        assert_eq!(rules("a.yaml", &added), [(8, PLAIN_UNDER_RULE)]);
        let outside = added.replace("^(data|stringData)$", "^stringData$");
        assert_eq!(rules("a.yaml", &outside), [(8, PLAINTEXT_SECRET)]);
        let broken = sealed.replace("^(data|stringData)$", "\"(\"");
        assert_eq!(rules("a.yaml", &broken), [(7, BROKEN_SEAL)]);
    }

    #[test]
    fn an_encrypted_manifest_is_looked_into() {
        let head = "apiVersion: regent.dev/v1alpha1\nkind: EncryptedManifest\nspec:\n  sops: |\n";
        assert_eq!(rules("a.yaml", &format!("{head}{}", indented(&sealed()))), []);
        let plain = rules("a.yaml", &format!("{head}{}", indented(SECRET)));
        assert_eq!(plain, [(5, BROKEN_SEAL), (10, PLAINTEXT_SECRET)]);
    }

    #[test]
    fn a_trigger_that_says_on_is_told_to_say_source() {
        let trigger = |field: &str| {
            format!(
                "apiVersion: regent.dev/v1alpha1\nkind: EventTrigger\nspec:\n  workflow: on\n  \
                 {field}:\n    stage: Runtime\n"
            )
        };
        for field in ["on", "\"on\"", "On", "ON", "true"] {
            assert_eq!(rules("a.yaml", &trigger(field)), [(5, RENAMED_FIELD)], "{field}");
        }
        assert_eq!(rules("a.yaml", &trigger("source")), []);
        let second = format!("a: b\n---\n{}", trigger("on"));
        assert_eq!(rules("a.yaml", &second), [(7, RENAMED_FIELD)]);
        let foreign = trigger("on").replace("regent.dev", "actions.example");
        assert_eq!(rules("a.yaml", &foreign), []);
        let flow =
            "{apiVersion: regent.dev/v1alpha1, kind: EventTrigger, spec: {on: {stage: Runtime}}}";
        assert_eq!(rules("a.yaml", flow), [(1, RENAMED_FIELD)]);
        let found = lint_file("a.yaml", &trigger("on"));
        assert!(found[0].message.contains("spec.source") && found[0].advice.contains("source"));
    }

    #[test]
    fn private_keys_are_found_in_any_file_and_mentions_are_not() {
        let key = generate();
        let text = format!("# note\n{}\n", key.identity.expose());
        assert_eq!(rules("notes.md", &text), [(2, PRIVATE_KEY)]);
        let pem = |kind: &str| format!("x: |\n  -----BEGIN {kind}PRIVATE KEY-----\n");
        for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
            assert_eq!(rules("a.yaml", &pem(kind)), [(2, PRIVATE_KEY)], "{kind}");
        }
        assert_eq!(rules("a.md", "lines that start with AGE-SECRET-KEY-1…\n"), []);
        assert_eq!(rules("a.md", "-----BEGIN PUBLIC KEY-----\n"), []);
    }
}
