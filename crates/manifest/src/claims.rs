//! Two RuntimeSecrets of one revision that claim one path, or one bootstrap Secret in one namespace (C2-4). Which of them
//! the API server makes first would decide who owns it, and another cluster could decide otherwise: both are named and
//! refused before anything is applied. One RuntimeSecret declared twice is no rival of itself.

use std::collections::BTreeMap;

use crate::tree::{self, Node, Value};

/// RuntimeSecrets are of this API group, in any version.
const GROUP: &str = "regent.dev/";

/// What one RuntimeSecret declares, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The file, as given.
    pub file: String,
    /// 1-based line, of the RuntimeSecret or of the document that it is.
    pub line: usize,
    /// `metadata.namespace` of the RuntimeSecret.
    pub namespace: String,
    /// `metadata.name` of the RuntimeSecret.
    pub name: String,
    /// `spec.path`; the default path where it declares none.
    pub path: Option<String>,
    /// `spec.introduce.handover.bootstrapSecret`; absent where there is no handover.
    pub bootstrap_secret: Option<String>,
}

impl Declared {
    /// The RuntimeSecret that an object is, read at places of this form: `/spec/path`.
    pub fn of<'a>(
        file: &str,
        line: usize,
        text: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Option<Self> {
        let ours = text("/apiVersion").is_some_and(|version| version.starts_with(GROUP));
        (ours && text("/kind") == Some("RuntimeSecret")).then(|| Self {
            file: file.to_owned(),
            line,
            namespace: text("/metadata/namespace").unwrap_or_default().to_owned(),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
            path: text("/spec/path").map(str::to_owned),
            bootstrap_secret: text("/spec/introduce/handover/bootstrapSecret").map(str::to_owned),
        })
    }

    fn claims(&self) -> impl Iterator<Item = Claimed> {
        let path = self.path.clone();
        let path = path.unwrap_or_else(|| format!("runtime/{}/{}", self.namespace, self.name));
        let of = |name: &String| Claimed::Bootstrap(self.namespace.clone(), name.clone());
        std::iter::once(Claimed::Path(path)).chain(self.bootstrap_secret.as_ref().map(of))
    }
}

/// What can belong to one RuntimeSecret alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claimed {
    /// A path below the mount of secrets.
    Path(String),
    /// A bootstrap Secret, by namespace and name.
    Bootstrap(String, String),
}

/// Two claims of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rivals {
    claim: Claimed,
    /// Whose claim was found first.
    pub first: Declared,
    /// Who claims the same.
    pub second: Declared,
}

impl Rivals {
    /// The reason that the later one's condition would have.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.claim {
            Claimed::Path(_) => "PathClaimed",
            Claimed::Bootstrap(..) => "BootstrapClaimed",
        }
    }

    /// What is claimed twice, by whom, and where the first claim stands.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { claim, first, second } = self;
        let what = match claim {
            Claimed::Path(path) => format!("path {path}"),
            Claimed::Bootstrap(namespace, name) => format!("bootstrap Secret {namespace}/{name}"),
        };
        format!(
            "RuntimeSecret {}/{} claims {what}, which RuntimeSecret {}/{} claims at {}:{}",
            second.namespace, second.name, first.namespace, first.name, first.file, first.line
        )
    }
}

/// The claims of one revision.
#[derive(Clone, Debug, Default)]
pub struct Claims(BTreeMap<Claimed, Declared>);

impl Claims {
    /// Takes in one RuntimeSecret; returns whom it rivals, for each claim at most one: the first.
    pub fn declare(&mut self, declared: &Declared) -> Vec<Rivals> {
        let same = |first: &Declared| {
            (&first.namespace, &first.name) == (&declared.namespace, &declared.name)
        };
        let mut rivals = Vec::new();
        for claim in declared.claims() {
            let first = self.0.entry(claim.clone()).or_insert_with(|| declared.clone());
            if !same(first) {
                rivals.push(Rivals { claim, first: first.clone(), second: declared.clone() });
            }
        }
        rivals
    }
}

/// The RuntimeSecrets that a file of YAML or JSON declares, also as items of a List; none where it cannot be read.
#[must_use]
pub fn declared_in(file: &str, text: &str) -> Vec<Declared> {
    let Ok(documents) = tree::parse(text) else { return Vec::new() };
    let objects = documents.iter().flat_map(|document| objects(document));
    let declared = |object: &Node| {
        let line = object.all("kind").next().map_or(object.line, |kind| kind.line);
        Declared::of(file, line, |place| text_at(object, place))
    };
    objects.filter_map(declared).collect()
}

/// A document, and the items of a List.
fn objects(document: &Node) -> Vec<&Node> {
    let mut all = vec![document];
    for items in document.all("items") {
        if let Value::Seq(items) = &items.value {
            all.extend(items.iter().map(|item| &**item));
        }
    }
    all
}

/// The text at a place of the form `/spec/path`.
fn text_at<'n>(object: &'n Node, place: &'static str) -> Option<&'n str> {
    place.split('/').skip(1).try_fold(object, |node, key| node.all(key).next())?.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, spec: &str) -> String {
        format!(
            "apiVersion: regent.dev/v1alpha1\nkind: RuntimeSecret\n\
             metadata: {{name: {name}, namespace: payments}}\nspec:\n  owner: o\n  {spec}\n"
        )
    }

    fn rivals(files: &[(&str, &str)]) -> Vec<String> {
        let mut claims = Claims::default();
        let declared = files.iter().flat_map(|(file, text)| declared_in(file, text));
        let found = declared.flat_map(|declared| claims.declare(&declared));
        found
            .map(|r| format!("{}:{} {}: {}", r.second.file, r.second.line, r.reason(), r.message()))
            .collect()
    }

    /// C2-4: both places are named, whichever way the claim is written.
    #[test]
    fn two_claims_of_one_thing_are_named_with_both_places() {
        let key = secret("key", "introduce: {generate: {keys: {k: {}}}}");
        let by_path = secret("twice", "path: runtime/payments/key");
        let merged = format!(
            "x: &x {{path: runtime/payments/key}}\n{}",
            by_path.replace("path: runtime/payments/key", "<<: *x")
        );
        let handed = |name: &str| secret(name, "introduce: {handover: {bootstrapSecret: token}}");
        let both = format!("{}---\n{}", handed("one"), handed("two"));
        let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: regent.dev/v1alpha1\n  \
                    kind: RuntimeSecret\n  metadata: {name: listed, namespace: shop}\n  \
                    spec: {path: runtime/payments/key}\n- apiVersion: v1\n  kind: ConfigMap\n";
        let json = r#"{"apiVersion":"regent.dev/v1alpha1","kind":"RuntimeSecret","metadata":{"name":"j","namespace":"n"},"spec":{"path":"runtime/payments/key"}}"#;
        let path = |file: &str, who: &str| {
            vec![format!(
                "{file} PathClaimed: RuntimeSecret {who} claims path runtime/payments/key, which \
                 RuntimeSecret payments/key claims at a.yaml:2"
            )]
        };
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<String>);
        let cases: [Case<'_>; 6] = [
            (
                "a path, by default and by name",
                &[("a.yaml", &key), ("b.yaml", &by_path)],
                path("b.yaml:2", "payments/twice"),
            ),
            ("in a List", &[("a.yaml", &key), ("l.yaml", list)], path("l.yaml:5", "shop/listed")),
            (
                "behind an anchor, and in a file with merge keys",
                &[("a.yaml", &key), ("m.yaml", &merged)],
                path("m.yaml:3", "payments/twice"),
            ),
            ("as JSON", &[("a.yaml", &key), ("j.json", json)], path("j.json:1", "n/j")),
            (
                "a bootstrap Secret, in one file",
                &[("f.yaml", &both)],
                vec![
                    "f.yaml:9 BootstrapClaimed: RuntimeSecret payments/two claims bootstrap Secret \
                     payments/token, which RuntimeSecret payments/one claims at f.yaml:2"
                        .to_owned(),
                ],
            ),
            ("three on one path", &[("a.yaml", &key), ("b.yaml", &by_path), ("l.yaml", list)], {
                let all = [path("b.yaml:2", "payments/twice"), path("l.yaml:5", "shop/listed")];
                all.concat()
            }),
        ];
        for (name, files, expected) in cases {
            assert_eq!(rivals(files), expected, "{name}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_no_rival() {
        let handed = secret("one", "introduce: {handover: {bootstrapSecret: token}}");
        let elsewhere = handed.replace("namespace: payments", "namespace: shop");
        let foreign =
            handed.replace("regent.dev/", "example.org/").replace("name: one", "name: two");
        let cases: [(&str, &str); 4] = [
            ("the same RuntimeSecret again", &handed),
            ("a Secret of that name in another namespace", &elsewhere),
            ("another API group", &foreign),
            ("a file that is no YAML", "a: [\n"),
        ];
        for (name, other) in cases {
            assert_eq!(rivals(&[("a.yaml", &handed), ("b.yaml", other)]), [""; 0], "{name}");
        }
    }
}
