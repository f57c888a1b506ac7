//! Every file of the repository that may hold Kubernetes objects, found by walking its folders, and what each one is.
//! A file of a kind that nobody thought of is a failure, so that none is left out in silence.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tools::{repository, stream};

/// An age recipient in place of `${holder:N}`, which `regent dev` fills.
const HOLDER: &str = "age1u33g6p0x2zxcyf9m4mfr7fdr4ewdkyz08lvdhxav2zt8ntgfrdfsevgpp4";
/// A namespace in place of `NAMESPACE`, which in `config/rbac.yaml` stands for each one that an installation names.
pub(crate) const NAMED: &str = "payments";

/// What a text of the repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SourceKind {
    Objects,
    /// A template of a Secret with `${random:N}` in it: `regent dev` fills and seals it, so that it never is an object.
    SecretTemplate,
    /// A sealed manifest: ciphertext that intent makes an EncryptedManifest of.
    Sealed,
    /// A block of a document that shows a part of an object, or what is none.
    Fragment,
    /// Read by Helm or by `regent install`, not by Kubernetes: the chart's own files and values.
    Helm,
}

pub(crate) struct Source {
    /// File, and line where it is a block of a document.
    pub(crate) place: String,
    pub(crate) kind: SourceKind,
    /// The text as it is applied.
    pub(crate) text: String,
}

/// All of them, in the order of their places.
pub(crate) fn all() -> Vec<Source> {
    let mut all = Vec::new();
    for folder in ["examples", "config", "charts", "docs"] {
        let files = files(&repository().join(folder));
        assert!(!files.is_empty(), "{folder} is empty");
        files.iter().for_each(|file| all.extend(of(file)));
    }
    for file in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        all.extend(of(&repository().join(file)));
    }
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { todo.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn of(path: &Path) -> Vec<Source> {
    let place = path.strip_prefix(repository()).unwrap().display().to_string();
    let text = std::fs::read_to_string(path).unwrap();
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let one = |kind, text: String| vec![Source { place: place.clone(), kind, text }];
    match ending {
        "md" => blocks(&place, &text),
        "tmpl" if place.ends_with(".secret.tmpl") => one(SourceKind::SecretTemplate, text),
        // What the templates of the chart yield is applied as Helm renders it.
        _ if place.starts_with("charts/") => one(SourceKind::Helm, text),
        "yaml" | "yml" => one(kind(&text), filled(&text)),
        // Policies and roles of the authority.
        "hcl" | "json" if place.starts_with("config/authority/") => Vec::new(),
        _ => panic!("{place}: say in sources.rs what a file of this kind is"),
    }
}

/// The fenced YAML blocks of a document.
fn blocks(place: &str, text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                let yaml = ["yaml", "yml"].contains(&language.trim());
                open = Some((number + 1, yaml, String::new()));
            }
            (Some(_), Some(_)) => {
                let (line, yaml, block) = open.take().unwrap();
                if yaml {
                    found.push(Source {
                        place: format!("{place}:{line}"),
                        kind: kind(&block),
                        text: filled(&block),
                    });
                }
            }
            (Some((_, _, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{place}: a block without an end");
    found
}

fn kind(text: &str) -> SourceKind {
    let documents = stream(text);
    let is_object = |d: &Value| d["apiVersion"].is_string() && d["kind"].is_string();
    match documents.as_slice() {
        [only] if is_object(only) && only["sops"].is_object() => SourceKind::Sealed,
        [] => SourceKind::Fragment,
        all if all.iter().all(is_object) => SourceKind::Objects,
        all => {
            assert!(!all.iter().any(is_object), "objects beside what is none:\n{text}");
            SourceKind::Fragment
        }
    }
}

/// With something in each place that a reader fills in.
fn filled(text: &str) -> String {
    let mut text = text.replace(": NAMESPACE\n", &format!(": {NAMED}\n"));
    while let Some(start) = text.find("${holder:") {
        let end = start + text[start..].find('}').unwrap() + 1;
        text.replace_range(start..end, HOLDER);
    }
    text
}

/// What is told apart is what it is said to be, and whatever else the repository has is applied.
#[test]
fn every_file_is_known_for_what_it_is() {
    let all = all();
    let of = |kind: SourceKind| all.iter().filter(move |s| s.kind == kind);
    for template in of(SourceKind::SecretTemplate) {
        let place = &template.place;
        let object: Value = serde_saphyr::from_str(&template.text).unwrap();
        assert_eq!(
            (&object["apiVersion"], &object["kind"]),
            (&"v1".into(), &"Secret".into()),
            "{place}"
        );
        assert!(template.text.contains("${random:"), "{place}: a Secret in plain text");
    }
    for sealed in of(SourceKind::Sealed) {
        assert!(regent_manifest::sops::is_sealed(&sealed.text), "{}", sealed.place);
    }
    let objects: Vec<&str> = of(SourceKind::Objects).map(|s| s.place.as_str()).collect();
    for folder in ["examples/", "config/"] {
        assert!(objects.iter().any(|place| place.starts_with(folder)), "{objects:?}");
    }
    assert!(objects.contains(&"examples/platform/payments/rotation.yaml"));
    assert!(!of(SourceKind::Objects).any(|s| s.text.contains("${")), "a place that nobody fills");
}

#[test]
fn blocks_of_a_document_are_told_apart() {
    let object = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    let text = format!("x\n```sh\nkind: x\n```\n```yaml\n{object}```\n  ```yaml\n  on: 1\n  ```\n");
    let found = blocks("d.md", &text);
    let found: Vec<(&str, SourceKind)> = found.iter().map(|s| (s.place.as_str(), s.kind)).collect();
    assert_eq!(found, [("d.md:5", SourceKind::Objects), ("d.md:10", SourceKind::Fragment)]);
    let sealed = "apiVersion: v1\nkind: Secret\nsops: {mac: x}\n";
    assert_eq!(kind(sealed), SourceKind::Sealed);
}
