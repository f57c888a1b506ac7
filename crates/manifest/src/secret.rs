//! The v1 Secret inside an opened manifest.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regent_types::{SecretData, Sensitive};
use zeroize::Zeroizing;

use crate::Error;
use crate::sops::{Leaf, PathStep, ScalarKind, Stream, TOKEN_PREFIX, parse};

/// Bytes of all values of a Secret that the API server takes (1 MiB).
pub const DATA_BYTES_MAX: usize = 1024 * 1024;

/// A v1 Secret in plain text, its values wrapped.
#[derive(Debug)]
pub struct PlainSecret {
    /// `metadata.namespace`; absent where the file names none.
    pub namespace: Option<String>,
    /// `metadata.name`, which a manifest must have.
    pub name: String,
    /// `type`; absent means `Opaque`.
    pub type_: Option<String>,
    /// `metadata.labels`, empty where there are none.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, empty where there are none.
    pub annotations: BTreeMap<String, String>,
    /// Whether it says `immutable: true`.
    pub immutable: bool,
    /// `data`, decoded, with `stringData` over it, as the API server merges them.
    pub data: SecretData,
}

impl PlainSecret {
    /// Reads one v1 Secret from an opened manifest. `stringData` wins over `data`, as in the API.
    ///
    /// # Errors
    /// `NotSecret` with the kind found; `BadSecret` with the field; `TooLarge`. Never a value.
    pub fn parse(plaintext: &Sensitive<String>) -> Result<Self, Error> {
        let stream = parse(plaintext.expose())?;
        let mut reader = Reader::default();
        if stream.documents.iter().filter(|document| document.root.is_some()).count() != 1 {
            let found = format!("{} documents", stream.documents.len());
            return Err(Error::NotSecret { found });
        }
        for leaf in &stream.leaves {
            reader.leaf(&stream, leaf)?;
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    api_version: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    type_: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    immutable: bool,
    data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    string_data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// First problem with a value: told only once it is known that this is a Secret at all.
    problem: Option<Error>,
    bytes: usize,
}

impl Reader {
    fn leaf(&mut self, stream: &Stream<'_>, leaf: &Leaf) -> Result<(), Error> {
        let path = stream.leaf_path(leaf);
        let keys: Vec<&str> = path
            .iter()
            .map(|step| match step {
                PathStep::Key(key) => key.as_ref(),
                PathStep::Index(_) => "[]",
            })
            .collect();
        match keys.as_slice() {
            ["apiVersion"] => self.api_version = Some(leaf.text.to_string()),
            ["kind"] => self.kind = Some(leaf.text.to_string()),
            ["type"] => self.type_ = self.text(stream, leaf)?,
            ["metadata", "namespace"] => self.namespace = self.text(stream, leaf)?,
            ["metadata", "name"] => self.name = self.text(stream, leaf)?,
            ["metadata", "labels", key] => {
                if let Some(value) = self.text(stream, leaf)? {
                    self.labels.insert((*key).to_owned(), value);
                }
            }
            ["metadata", "annotations", key] => {
                if let Some(value) = self.text(stream, leaf)? {
                    self.annotations.insert((*key).to_owned(), value);
                }
            }
            // They would tie the life of the Secret to something else than its manifest.
            ["metadata", "finalizers" | "ownerReferences" | "generateName", ..] => {
                self.note(stream, leaf, "not kept: remove it");
            }
            ["immutable"] => {
                self.immutable = leaf.text.eq_ignore_ascii_case("true");
            }
            ["data", key] => {
                let value = self.value(stream, leaf)?;
                let decoded = decode(&value);
                match decoded {
                    Some(bytes) => _ = self.data.insert((*key).to_owned(), bytes),
                    None => self.note(stream, leaf, "not base64"),
                }
            }
            ["stringData", key] => {
                let value = self.value(stream, leaf)?;
                self.string_data.insert((*key).to_owned(), value);
            }
            ["data" | "stringData", ..] => self.note(stream, leaf, "not a text value"),
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, stream: &Stream<'_>, leaf: &Leaf, why: &'static str) {
        if self.problem.is_none() {
            self.problem = Some(Error::BadSecret { field: stream.display(leaf), why });
        }
    }

    /// A field that must be text; null counts as absent. Kubernetes refuses numbers there.
    fn text(&mut self, stream: &Stream<'_>, leaf: &Leaf) -> Result<Option<String>, Error> {
        match stream.resolve(leaf)?.kind {
            ScalarKind::Str => Ok(Some(leaf.text.to_string())),
            ScalarKind::Null => Ok(None),
            _ => {
                self.note(stream, leaf, "not text: put it in quotes");
                Ok(None)
            }
        }
    }

    fn value(&mut self, stream: &Stream<'_>, leaf: &Leaf) -> Result<Zeroizing<Vec<u8>>, Error> {
        let scalar = stream.resolve(leaf)?;
        self.bytes += scalar.bytes.len();
        if self.bytes > DATA_BYTES_MAX {
            return Err(Error::TooLarge { what: "the Secret's data", limit: DATA_BYTES_MAX });
        }
        if scalar.bytes.starts_with(TOKEN_PREFIX.as_bytes()) {
            // Sealed twice, or outside the rule: never apply ciphertext as a value.
            self.note(stream, leaf, "still ciphertext");
        } else if !matches!(scalar.kind, ScalarKind::Str | ScalarKind::Null) {
            self.note(stream, leaf, "not text: put it in quotes");
        }
        Ok(scalar.bytes)
    }

    fn finish(self) -> Result<PlainSecret, Error> {
        let (api, kind) = (self.api_version.as_deref(), self.kind.as_deref());
        if (api, kind) != (Some("v1"), Some("Secret")) {
            let found = format!("{} {}", shown(api), shown(kind));
            return Err(Error::NotSecret { found });
        }
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let name = self.name.filter(|name| !name.is_empty());
        let missing = || Error::BadSecret { field: "metadata.name".to_owned(), why: "missing" };
        let mut data = self.data;
        data.extend(self.string_data);
        Ok(PlainSecret {
            namespace: self.namespace.filter(|namespace| !namespace.is_empty()),
            name: name.ok_or_else(missing)?,
            type_: self.type_.filter(|type_| !type_.is_empty()),
            labels: self.labels,
            annotations: self.annotations,
            immutable: self.immutable,
            data: data
                .into_iter()
                .map(|(key, mut bytes)| (key, Sensitive::new(std::mem::take(&mut *bytes))))
                .collect(),
        })
    }
}

/// Base64 as the API server reads it: line breaks inside are allowed.
fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let compact: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect());
    STANDARD.decode(&*compact).ok().map(Zeroizing::new)
}

/// An apiVersion or kind, unless it is too long to be one (it might be a value in a wrong place).
fn shown(text: Option<&str>) -> &str {
    const SHOWN_BYTES_MAX: usize = 100;
    match text {
        Some(text) if text.len() <= SHOWN_BYTES_MAX => text,
        Some(_) => "(too long)",
        None => "(none)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PlainSecret, Error> {
        PlainSecret::parse(&Sensitive::new(text.to_owned()))
    }

    const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: shop\n";

    #[test]
    fn string_data_wins_over_data() {
        let text = format!(
            "{HEAD}  labels: {{app: web}}\n  annotations: {{note: kept}}\ntype: Opaque\nimmutable: true\ndata:\n  a: aGVsbG8=\n  b: Zmly\n\
             \x20   c3Q=\n\
             \x20 n:\n\
             stringData:\n  a: over\n  c: |\n    l1\n    l2\n"
        );
        let text = text.replace("Zmly\n    c3Q=", "|\n    Zmly\n    c3Q=");
        let secret = parse(&text).unwrap();
        assert_eq!((secret.namespace.as_deref(), secret.name.as_str()), (Some("shop"), "db"));
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));
        assert_eq!((secret.labels["app"].as_str(), secret.immutable), ("web", true));
        assert_eq!(secret.annotations["note"], "kept");
        let data: Vec<(&str, &[u8])> =
            secret.data.iter().map(|(k, v)| (k.as_str(), v.expose().as_slice())).collect();
        let expected: [(&str, &[u8]); 4] =
            [("a", b"over"), ("b", b"first"), ("c", b"l1\nl2\n"), ("n", b"")];
        assert_eq!(data, expected);
    }

    #[test]
    fn anything_but_one_secret_is_refused_by_its_kind() {
        let found = |text: &str| match parse(text) {
            Err(Error::NotSecret { found }) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(found("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n"), "v1 ConfigMap");
        assert_eq!(found("a: b\n"), "(none) (none)");
        assert_eq!(found(&format!("{HEAD}---\n{HEAD}")), "2 documents");
    }

    #[test]
    fn errors_name_the_field_and_never_the_value() {
        let planted = "planted-value";
        let cases = [
            (format!("data:\n  a: {planted}\n"), "data.a"),
            ("stringData:\n  a: 0644\n".to_owned(), "stringData.a"),
            (format!("stringData:\n  a: {{b: {planted}}}\n"), "stringData.a.b"),
            ("  finalizers: [planted-value]\n".to_owned(), "metadata.finalizers[0]"),
            (format!("stringData:\n  a: {TOKEN_PREFIX}{planted}]\n"), "stringData.a"),
        ];
        for (tail, field) in cases {
            let error = parse(&format!("{HEAD}{tail}")).unwrap_err();
            assert!(matches!(&error, Error::BadSecret { field: f, .. } if f == field), "{error:?}");
            assert!(!format!("{error:?} {error}").contains(planted));
        }
        let nameless = parse("apiVersion: v1\nkind: Secret\n").unwrap_err();
        assert!(matches!(nameless, Error::BadSecret { field, .. } if field == "metadata.name"));
    }
}
