//! What a PushSecret publishes, parsed once: explicit mappings to standard paths and nothing else
//! (RFC rows C5a-1, C5a-2). Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use regent_api::PushSecretSpec;
use regent_api::eso::push_secret::PushData;
use regent_types::SecretPath;
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::path::Tree;

use crate::not_ready::NotReady;

/// ESO's default refresh interval.
const REFRESH_DEFAULT: Duration = Duration::from_secs(3_600);
/// Mappings of one PushSecret; a Secret holds 1 MiB at most anyway.
const MAPPINGS_MAX: usize = 1_000;

/// What a PushSecret publishes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) stores: Vec<String>,
    /// Name of the source Secret.
    pub(crate) source: String,
    /// Path → property → key of the source.
    pub(crate) paths: BTreeMap<SecretPath, BTreeMap<String, String>>,
    /// `remoteKey/property` → the mapping, for the status.
    pub(crate) entries: BTreeMap<String, PushData>,
    /// `updatePolicy: IfNotExists`: what is there already is left alone.
    pub(crate) only_new: bool,
    /// `deletionPolicy: Delete`: what is mapped no more is taken away.
    pub(crate) withdraws: bool,
    /// How often what was published is compared; `None`: never on time.
    pub(crate) interval: Option<Duration>,
}

impl Wanted {
    pub(crate) fn parse(spec: &PushSecretSpec) -> Result<Self, NotReady> {
        if !spec.data_to.is_empty() {
            return Err(not_explicit("dataTo"));
        }
        if spec.template.is_some() {
            return Err(NotReady::unsupported("template"));
        }
        let mut wanted = Self {
            stores: stores(spec)?,
            source: source(spec)?,
            paths: BTreeMap::new(),
            entries: BTreeMap::new(),
            only_new: spec.update_policy.as_deref() == Some("IfNotExists"),
            withdraws: withdraws(spec),
            interval: interval(spec)?,
        };
        if spec.data.is_empty() || spec.data.len() > MAPPINGS_MAX {
            return Err(not_explicit("data with no mapping or over 1000"));
        }
        for (index, data) in spec.data.iter().enumerate() {
            wanted.add(&format!("data[{index}]"), data)?;
        }
        Ok(wanted)
    }

    fn add(&mut self, field: &str, data: &PushData) -> Result<(), NotReady> {
        let mapping = &data.mapping;
        if data.metadata.is_some() {
            return Err(NotReady::unsupported(&format!("{field}.metadata")));
        }
        if !matches!(data.conversion_strategy.as_deref(), None | Some("" | "None")) {
            return Err(NotReady::unsupported(&format!("{field}.conversionStrategy")));
        }
        if mapping.secret_key.is_empty() {
            return Err(not_explicit(&format!("{field}.match.secretKey is empty")));
        }
        let property = mapping.remote_ref.property.as_deref().unwrap_or_default();
        if property.is_empty() {
            return Err(not_explicit(&format!("{field}.match.remoteRef.property is empty")));
        }
        if !is_property(property) {
            let message = format!(
                "{field}: expected a property of lowercase letters, digits and hyphens (username, \
                 password, host, port, token), found {property:?}"
            );
            return Err(NotReady::until_change("WrongProperty", message));
        }
        let path = path(field, &mapping.remote_ref.remote_key)?;
        self.entries.insert(format!("{path}/{property}"), data.clone());
        let properties = self.paths.entry(path).or_default();
        if properties.insert(property.to_owned(), mapping.secret_key.clone()).is_some() {
            return Err(not_explicit(&format!("{field} names a place twice")));
        }
        Ok(())
    }

    /// Refuses where the namespace does not own a datasource it publishes to (PROTOCOLS.md §6).
    pub(crate) fn owned(
        &self,
        namespace: &str,
        owns: impl Fn(&str) -> bool,
    ) -> Result<(), NotReady> {
        for path in self.paths.keys() {
            let datasource = path.segment(1).unwrap_or_default();
            if !owns(datasource) {
                let message = format!(
                    "namespace {namespace} does not own datasource {datasource}; intent can label it \
                     datasource.regent.dev/{datasource}=true"
                );
                return Err(NotReady::until_change("NotOwner", message));
            }
        }
        Ok(())
    }
}

/// Whether what was published goes when it is mapped no more.
pub(crate) fn withdraws(spec: &PushSecretSpec) -> bool {
    spec.deletion_policy.as_deref() == Some("Delete")
}

/// A mapping that leaves open what is published, or where.
fn not_explicit(field: &str) -> NotReady {
    let message = format!(
        "{field}: every mapping names one ClusterSecretStore, one Secret, secretKey, remoteKey and property"
    );
    NotReady::until_change("NotExplicit", message)
}

fn stores(spec: &PushSecretSpec) -> Result<Vec<String>, NotReady> {
    let mut names = Vec::new();
    for (index, reference) in spec.secret_store_refs.iter().enumerate() {
        let field = format!("secretStoreRefs[{index}]");
        if reference.label_selector.is_some() {
            return Err(not_explicit(&format!("{field}.labelSelector")));
        }
        if reference.kind.as_deref() != Some("ClusterSecretStore") || reference.name.is_empty() {
            return Err(not_explicit(&format!("{field} is no named ClusterSecretStore")));
        }
        if !names.contains(&reference.name) {
            names.push(reference.name.clone());
        }
    }
    if names.is_empty() { Err(not_explicit("secretStoreRefs is empty")) } else { Ok(names) }
}

fn source(spec: &PushSecretSpec) -> Result<String, NotReady> {
    if spec.selector.generator_ref.is_some() {
        return Err(not_explicit("selector.generatorRef"));
    }
    let secret = spec.selector.secret.as_ref();
    let secret = secret.ok_or_else(|| not_explicit("selector.secret is missing"))?;
    if secret.selector.is_some() || secret.name.is_empty() {
        return Err(not_explicit("selector.secret without a name"));
    }
    Ok(secret.name.clone())
}

fn interval(spec: &PushSecretSpec) -> Result<Option<Duration>, NotReady> {
    let Some(text) = spec.refresh_interval.as_deref().filter(|t| !t.is_empty()) else {
        return Ok(Some(REFRESH_DEFAULT));
    };
    if text == "0" {
        return Ok(None);
    }
    let parsed = text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
    let interval = parsed.ok_or_else(|| NotReady::unsupported("refreshInterval as written"))?;
    Ok((!interval.is_zero()).then(|| interval.max(Duration::from_secs(1))))
}

fn path(field: &str, remote_key: &str) -> Result<SecretPath, NotReady> {
    let wrong = || {
        let found: String = remote_key.chars().take(80).collect();
        let message = format!(
            "{field}: expected platform-data/{{datasource}}/{{consumer}} or \
             platform-config/{{datasource}}/{{instance}}, found {found:?}"
        );
        NotReady::until_change("WrongPath", message)
    };
    let path = SecretPath::from_remote_key(SECRET_MOUNT, remote_key).map_err(|_| wrong())?;
    match path.tree() {
        // RFC row C5a-2: lowercase with hyphens.
        Tree::PlatformData | Tree::PlatformConfig if !path.as_str().contains('.') => Ok(path),
        _ => Err(wrong()),
    }
}

fn is_property(text: &str) -> bool {
    text.len() <= 253
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(patch: Value) -> Result<Wanted, NotReady> {
        let mut spec = json!({
            "secretStoreRefs": [{ "name": "vault-backend", "kind": "ClusterSecretStore" }],
            "selector": { "secret": { "name": "db-app" } },
            "data": [mapping("password", "platform-data/postgres/web", "password")],
        });
        for (key, value) in patch.as_object().expect("an object") {
            spec[key] = value.clone();
        }
        Wanted::parse(&serde_json::from_value(spec).expect("a spec"))
    }

    fn mapping(key: &str, remote: &str, property: &str) -> Value {
        json!({ "match": { "secretKey": key, "remoteRef": { "remoteKey": remote, "property": property } } })
    }

    fn data(key: &str, remote: &str, property: &str) -> Value {
        json!({ "data": [mapping(key, remote, property)] })
    }

    #[test]
    fn mappings_are_gathered_by_path() {
        let wanted = parsed(json!({ "data": [
            mapping("password", "platform-data/postgres/web", "password"),
            mapping("user", "secret/data/platform-data/postgres/web", "username"),
            mapping("host", "platform-config/postgres/main", "host"),
        ] }))
        .expect("explicit");
        let paths: Vec<String> =
            wanted.paths.iter().map(|(p, m)| format!("{p} {}", m.len())).collect();
        assert_eq!(paths, ["platform-config/postgres/main 1", "platform-data/postgres/web 2"]);
        assert_eq!(wanted.interval, Some(REFRESH_DEFAULT));
        assert!(wanted.entries.contains_key("platform-data/postgres/web/username"));
    }

    /// C5a-1, C5a-2: what is not explicit, or not a standard path, is refused.
    #[test]
    fn only_explicit_mappings_to_standard_paths_are_published() {
        let store = |reference: Value| json!({ "secretStoreRefs": [reference] });
        let table = [
            (store(json!({ "name": "vault-backend" })), "NotExplicit"),
            (store(json!({ "name": "s", "kind": "SecretStore" })), "NotExplicit"),
            (store(json!({ "kind": "ClusterSecretStore", "labelSelector": {} })), "NotExplicit"),
            (json!({ "secretStoreRefs": [] }), "NotExplicit"),
            (json!({ "dataTo": [{}] }), "NotExplicit"),
            (json!({ "data": [] }), "NotExplicit"),
            (json!({ "selector": { "secret": { "selector": {} } } }), "NotExplicit"),
            (json!({ "selector": { "generatorRef": {} } }), "NotExplicit"),
            (data("", "platform-data/postgres/web", "password"), "NotExplicit"),
            (data("password", "platform-data/postgres/web", ""), "NotExplicit"),
            (
                json!({ "data": [
                    mapping("a", "platform-data/postgres/web", "password"),
                    mapping("b", "secret/platform-data/postgres/web", "password"),
                ] }),
                "NotExplicit",
            ),
            (data("p", "runtime/payments/db", "password"), "WrongPath"),
            (data("p", "platform-data/postgres", "password"), "WrongPath"),
            (data("p", "platform-data/postgres/web/prod", "password"), "WrongPath"),
            (data("p", "platform-data/../runtime/x", "password"), "WrongPath"),
            (data("p", "platform-data/Postgres/web", "password"), "WrongPath"),
            (data("p", "platform-data/postgres/web.prod", "password"), "WrongPath"),
            (data("p", "regent/record/x", "password"), "WrongPath"),
            (data("p", "platform-data/postgres/web", "PASSWORD"), "WrongProperty"),
            (data("p", "platform-data/postgres/web", "pass_word"), "WrongProperty"),
            (json!({ "template": {} }), "Unsupported"),
            (json!({ "refreshInterval": "soon" }), "Unsupported"),
        ];
        for (patch, expected) in table {
            let found = parsed(patch.clone()).err().map(|r| r.reason);
            assert_eq!(found, Some(expected), "{patch}");
        }
    }

    #[test]
    fn a_namespace_publishes_only_to_its_datasources() {
        let wanted = parsed(json!({})).expect("explicit");
        assert_eq!(wanted.owned("data", |d| d == "postgres"), Ok(()));
        let refused = wanted.owned("web", |_| false).err().map(|r| r.reason);
        assert_eq!(refused, Some("NotOwner"));
    }
}
