//! Files into objects, without touching anything. What cannot be applied is a problem at its line and stops only what
//! depends on it: its document, its file where the file cannot be read as a whole, and a rival that claims the same.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::GroupVersionKind;
use regent_api::git_source::InventoryItem;
use regent_manifest::claims::{Claims, Declared};
use serde_json::{Value, json};

use super::IntentError;
use super::document::{Document, parse};
use super::error::FileLine;
use super::kinds::{Kind, is_tool_file};
use super::lint_rule::LintRule;
use super::object::{self, Desired, Marks, Writer};
use super::problems::Problems;

/// How ciphertext of SOPS begins.
const CIPHERTEXT: &str = "ENC[";
const CIPHER: &str = "ENC[AES256_GCM";

const USE_ACCOUNT: &str =
    "name an account in GitSource.spec.serviceAccountName that may write it, or apply it otherwise";
const SEAL_IT: &str = "seal it with `regent seal`, replace its values, and treat them as leaked";

/// Who applies kinds beyond intent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Nobody: they are refused.
    Refuse,
    /// The account that the GitSource names.
    Account,
}

/// The objects of a commit.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    /// In order of application.
    pub(super) objects: Vec<Desired>,
    /// Places of documents that are no Kubernetes objects.
    pub(super) passed_over: Vec<FileLine>,
    /// What cannot be applied, and why.
    pub(super) problems: Problems,
}

pub(super) fn compile(files: &BTreeMap<String, String>, marks: &Marks, beyond: Beyond) -> Compiled {
    let mut work = Work {
        marks,
        beyond,
        done: Compiled::default(),
        first: BTreeMap::new(),
        contested: BTreeSet::new(),
        claims: Claims::default(),
    };
    for (file, text) in files {
        match parse(file, text) {
            Ok(documents) => {
                for document in &documents {
                    if let Err(problem) = work.document(file, text, document, documents.len()) {
                        work.done.problems.push(problem);
                    }
                }
            }
            Err(problem) => work.done.problems.push(problem),
        }
    }
    let Work { mut done, contested, .. } = work;
    done.objects.retain(|object| !contested.contains(&identity(&object.item)));
    done.objects.sort_by(|a, b| (a.order(), &a.item).cmp(&(b.order(), &b.item)));
    done
}

/// Group, kind, namespace and name: two versions of a kind are one object.
type Identity = (String, String, String, String);

fn identity(item: &InventoryItem) -> Identity {
    let group = item.api_version.split_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), item.kind.clone(), item.namespace.clone(), item.name.clone())
}

struct Work<'a> {
    marks: &'a Marks,
    beyond: Beyond,
    done: Compiled,
    first: BTreeMap<Identity, FileLine>,
    /// Declared twice, or claiming what another claims: which of the two was meant is not for intent to guess.
    contested: BTreeSet<Identity>,
    claims: Claims,
}

impl Work<'_> {
    fn document(
        &mut self,
        file: &str,
        whole: &str,
        document: &Document<'_>,
        in_file: usize,
    ) -> Result<(), IntentError> {
        let file_line = FileLine { file: file.to_owned(), line: document.line };
        let value = &document.value;
        let (Some(api_version), Some(kind)) = (text(value, "/apiVersion"), text(value, "/kind"))
        else {
            half_an_object(&file_line, value)?;
            if self.done.passed_over.len() < PASSED_OVER_MAX {
                self.done.passed_over.push(file_line);
            }
            return Ok(());
        };
        if is_tool_file(api_version) {
            return Ok(());
        }
        if api_version == "v1" && kind == "List" {
            let items = value.pointer("/items").and_then(Value::as_array);
            let items = items.ok_or_else(|| invalid(&file_line, "a List without items"))?;
            for item in items {
                let done = self.object(file_line.clone(), &item.to_string(), item.clone());
                if let Err(problem) = done {
                    self.done.problems.push(problem);
                }
            }
            return Ok(());
        }
        if value.get("sops").is_some() {
            let sealed = sealed(&file_line, value, whole, in_file)?;
            return self.object(file_line, whole, sealed);
        }
        self.object(file_line, document.text, value.clone())
    }

    fn object(
        &mut self,
        file_line: FileLine,
        source: &str,
        mut body: Value,
    ) -> Result<(), IntentError> {
        let api_version = text(&body, "/apiVersion").unwrap_or_default().to_owned();
        let kind = text(&body, "/kind").unwrap_or_default().to_owned();
        if kind == "Secret" && api_version == "v1" {
            return Err(plaintext(file_line));
        }
        refuse_stray_ciphertext(&file_line, &kind, &body)?;
        let writer = self.writer(&file_line, &api_version, &kind, &body)?;
        let item = item(&file_line, &writer, api_version, kind, &mut body)?;
        if item.kind == "EncryptedManifest" {
            check_manifest(&file_line, &item, &body)?;
            body["spec"]["source"] = json!({
                "repository": self.marks.repository,
                "commit": self.marks.commit,
                "file": file_line.file,
            });
        }
        let key = identity(&item);
        if let Some(first) = self.first.insert(key.clone(), file_line.clone()) {
            self.contested.insert(key);
            return Err(IntentError::Duplicate { object: object::title(&item), file_line, first });
        }
        let declared = Declared::of(&file_line.file, file_line.line, |at| text(&body, at));
        let rivals = declared.map(|declared| self.claims.declare(&declared)).unwrap_or_default();
        if let Some(rivals) = rivals.into_iter().next() {
            let first = (rivals.first.namespace.clone(), rivals.first.name.clone());
            self.contested.insert((key.0, key.1, first.0, first.1));
            return Err(IntentError::Rivals { file_line, rivals: Box::new(rivals) });
        }
        let hash = object::hash(self.marks, &file_line.file, source);
        object::mark(&mut body, self.marks, &file_line.file, &hash);
        self.done.objects.push(Desired { item, writer, body, hash, file_line });
        Ok(())
    }

    fn writer(
        &self,
        file_line: &FileLine,
        api_version: &str,
        kind: &str,
        body: &Value,
    ) -> Result<Writer, IntentError> {
        let namespace = text(body, "/metadata/namespace").unwrap_or_default();
        let known = Kind::find(api_version, kind);
        if let Some(known) = known.filter(|k| k.allowed_in(namespace)) {
            return Ok(Writer::Intent(known));
        }
        if self.beyond == Beyond::Account {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            return Ok(Writer::Account(GroupVersionKind::gvk(group, version, kind)));
        }
        let what = match known {
            Some(_) => format!("{kind} in namespace {namespace:?}"),
            None => format!("{kind} ({api_version})"),
        };
        Err(IntentError::ForbiddenKind { file_line: file_line.clone(), what, advice: USE_ACCOUNT })
    }
}

/// Documents that are passed over, of which the places are kept.
const PASSED_OVER_MAX: usize = 1_000;

/// A document that may be passed over is no object by any sign: a mistyped field, or text in place of a file's
/// content, must not look as if the object had been removed.
fn half_an_object(file_line: &FileLine, value: &Value) -> Result<(), IntentError> {
    if value.is_string() || value.is_number() || value.is_boolean() {
        return Err(invalid(file_line, "plain text in place of an object"));
    }
    if value.get("sops").is_some_and(Value::is_object) {
        return Err(invalid(file_line, "a sealed file without apiVersion and kind"));
    }
    if value.pointer("/metadata/name").is_none() {
        return Ok(());
    }
    let missing = if text(value, "/kind").is_some() { "apiVersion" } else { "kind" };
    Err(invalid(file_line, format!("an object without {missing}")))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn invalid(file_line: &FileLine, problem: impl Into<String>) -> IntentError {
    IntentError::Invalid { file_line: file_line.clone(), problem: problem.into() }
}

fn plaintext(file_line: FileLine) -> IntentError {
    IntentError::Lint {
        file_line,
        rule: LintRule::PlaintextSecret,
        message: "a Secret that is not sealed".into(),
        advice: SEAL_IT,
    }
}

/// The EncryptedManifest of a sealed Secret file. The MAC covers the whole file, so that it must be
/// alone there.
fn sealed(
    file_line: &FileLine,
    value: &Value,
    whole: &str,
    in_file: usize,
) -> Result<Value, IntentError> {
    let is_secret =
        text(value, "/apiVersion") == Some("v1") && text(value, "/kind") == Some("Secret");
    if !is_secret {
        return Err(invalid(file_line, "only a Secret can be sealed"));
    }
    if in_file != 1 {
        return Err(invalid(
            file_line,
            "a sealed Secret must be alone in its file: its MAC covers all of it",
        ));
    }
    if !value["sops"].is_object() {
        return Err(plaintext(file_line.clone()));
    }
    Ok(json!({
        "apiVersion": "regent.dev/v1alpha1",
        "kind": "EncryptedManifest",
        "metadata": {
            "namespace": text(value, "/metadata/namespace").unwrap_or_default(),
            "name": text(value, "/metadata/name").unwrap_or_default(),
        },
        "spec": { "sops": whole },
    }))
}

/// An EncryptedManifest must hold a sealed Secret of its own namespace and name; bootstrap checks
/// again after opening it (S5.2-4).
fn check_manifest(
    file_line: &FileLine,
    item: &InventoryItem,
    body: &Value,
) -> Result<(), IntentError> {
    let sops = text(body, "/spec/sops").unwrap_or_default();
    let documents = parse(&file_line.file, sops)
        .map_err(|_| invalid(file_line, "spec.sops is not a YAML document"))?;
    let [only] = documents.as_slice() else {
        return Err(invalid(file_line, "spec.sops must be exactly one document"));
    };
    if !only.value["sops"].is_object() {
        return Err(plaintext(file_line.clone()));
    }
    for (field, expected) in [("namespace", &item.namespace), ("name", &item.name)] {
        let found = text(&only.value, &format!("/metadata/{field}")).unwrap_or_default();
        if found != expected {
            let problem =
                format!("the sealed Secret has {field} {found:?}, the manifest {expected:?}");
            return Err(invalid(file_line, problem));
        }
    }
    Ok(())
}

/// Namespace and name, checked; a namespace on a cluster-wide kind is dropped.
fn item(
    file_line: &FileLine,
    writer: &Writer,
    api_version: String,
    kind: String,
    body: &mut Value,
) -> Result<InventoryItem, IntentError> {
    for field in ["name", "namespace"] {
        let value = &body["metadata"][field];
        if !(value.is_string() || value.is_null()) {
            // `n`, `on` and `1` are no strings in YAML.
            return Err(invalid(
                file_line,
                format!("metadata.{field} is not text: put it in quotes"),
            ));
        }
    }
    let name = text(body, "/metadata/name").unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(invalid(file_line, format!("{kind} without metadata.name")));
    }
    let mut namespace = text(body, "/metadata/namespace").unwrap_or_default().to_owned();
    if name.starts_with(CIPHERTEXT) || namespace.starts_with(CIPHERTEXT) {
        let problem = "name and namespace are sealed: seal only data and stringData";
        return Err(invalid(file_line, problem));
    }
    if let Writer::Intent(known) = writer {
        if known.namespaced && namespace.is_empty() {
            return Err(invalid(file_line, format!("{kind} {name} without metadata.namespace")));
        }
        if !known.namespaced {
            namespace.clear();
            if let Some(metadata) = body["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
        }
    }
    Ok(InventoryItem { api_version, kind, namespace, name })
}

/// Ciphertext belongs into sealed files and into `spec.sops` of an EncryptedManifest, nowhere else:
/// elsewhere it would be used as if it were the value.
fn refuse_stray_ciphertext(
    file_line: &FileLine,
    kind: &str,
    body: &Value,
) -> Result<(), IntentError> {
    let in_field = |value: &Value| match (kind, value.as_object()) {
        ("EncryptedManifest", Some(fields)) => {
            fields.iter().any(|(name, v)| name != "sops" && has_ciphertext(v))
        }
        _ => has_ciphertext(value),
    };
    let stray = body.as_object().into_iter().flatten().any(|(name, value)| match name.as_str() {
        "spec" => in_field(value),
        _ => has_ciphertext(value),
    });
    if stray {
        return Err(invalid(
            file_line,
            format!("ciphertext in a {kind}: only a Secret can be sealed"),
        ));
    }
    Ok(())
}

fn has_ciphertext(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(CIPHER),
        Value::Array(items) => items.iter().any(has_ciphertext),
        Value::Object(fields) => fields.values().any(has_ciphertext),
        _ => false,
    }
}
