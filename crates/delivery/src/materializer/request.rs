//! What an ExternalSecret asks for, parsed once; a field that regent does not act on refuses the
//! whole ExternalSecret, so that nothing other than what was asked for is ever written. Pure.
//!
//! **Architecture invariant `checked-is-asked`:** `allow` judges the same [`SecretPath`] value that `authority` sends
//! (C7-3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use regent_api::ExternalSecretSpec;
use regent_api::eso::external_secret::{DataFromEntry, RemoteRef as Reference, StoreRef, Target};
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::remote_ref::{RemoteRef, RemoteRefError};
use regent_types::{SecretPath, labels};
use serde_json::Value;

use crate::not_ready::NotReady;

/// ESO's default refresh interval.
const REFRESH_DEFAULT: Duration = Duration::from_secs(3_600);
/// Types of Secrets that are tokens, which Kubernetes fills or acts on.
pub(crate) const TOKEN_TYPES: [&str; 2] =
    ["bootstrap.kubernetes.io/token", "kubernetes.io/service-account-token"];
/// Entries of one ExternalSecret; a Secret holds 1 MiB at most anyway.
const ENTRIES_MAX: usize = 1_000;

/// When it is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Once; afterwards only a missing Secret is made again.
    Once,
    /// When the ExternalSecret changes.
    OnChange,
    /// On change of the ExternalSecret or of a path, and after this long.
    Every(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    Owner,
    Orphan,
    /// Merged into one that must exist.
    Merge,
    Nothing,
    CreateOrMerge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// A missing source fails; the Secret stays.
    Retain,
    /// When all sources are gone the Secret is deleted.
    Delete,
    /// Keys of missing sources are left out.
    Merge,
}

/// How a value is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoding {
    Plain,
    Base64,
    Base64Url,
    /// Either of these if it parses, else as it is.
    Auto,
}

/// A place in the authority.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The path that is checked and asked for.
    pub(crate) path: SecretPath,
    pub(crate) version: Option<i64>,
}

/// A store, as an ExternalSecret names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StoreName {
    /// ClusterSecretStore rather than SecretStore.
    pub(crate) is_cluster: bool,
    pub(crate) name: String,
}

impl StoreName {
    /// The kind as the API has it.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_cluster { "ClusterSecretStore" } else { "SecretStore" }
    }

    fn of(reference: &StoreRef) -> Self {
        let is_cluster = reference.kind.as_deref() == Some("ClusterSecretStore");
        Self { is_cluster, name: reference.name.clone() }
    }
}

/// One entry, in the order it takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `dataFrom[].extract`: all properties, or those of one property that is no object (an error).
    Extract {
        place: Place,
        /// How values are decoded.
        decoding: Decoding,
    },
    Key {
        /// Key in the Secret.
        secret_key: String,
        place: Place,
        /// Which property; the whole secret as JSON when absent.
        property: Option<String>,
        /// How the value is decoded.
        decoding: Decoding,
    },
}

impl Entry {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Extract { place, .. } | Self::Key { place, .. } => place,
        }
    }
}

/// The parts of a template that are acted on, literally.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// Type of the Secret.
    pub(crate) kind: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an ExternalSecret asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) refresh: Refresh,
    /// Name of the Secret.
    pub(crate) target: String,
    /// How it comes to be.
    pub(crate) creation: Creation,
    /// What happens when sources are gone.
    pub(crate) deletion: Deletion,
    /// Whether its data may never change.
    pub(crate) immutable: bool,
    /// Type, labels and annotations.
    pub(crate) template: Option<Template>,
    /// What to read, in order.
    pub(crate) entries: Vec<Entry>,
}

impl Request {
    /// Parses the spec of ExternalSecret `name`.
    pub(crate) fn parse(name: &str, spec: &ExternalSecretSpec) -> Result<Self, NotReady> {
        if spec.sync_windows.is_some() {
            return Err(NotReady::unsupported("syncWindows"));
        }
        let mut entries = Vec::new();
        for (index, entry) in spec.data_from.iter().enumerate() {
            entries.push(extract(index, entry)?);
        }
        let mut keys = BTreeSet::new();
        for (index, entry) in spec.data.iter().enumerate() {
            let field = format!("data[{index}]");
            source(&field, entry.source_ref.as_ref())?;
            let twice = !keys.insert(&entry.secret_key);
            if twice && matches!(deletion(&spec.target)?, Deletion::Retain) {
                return Err(collision(
                    &entry.secret_key,
                    &format!("{field} and an entry before it"),
                ));
            }
            let (remote, decoding) = remote(&field, &entry.remote_ref)?;
            entries.push(Entry::Key {
                secret_key: entry.secret_key.clone(),
                place: Place { path: remote.path, version: remote.version },
                property: remote.property,
                decoding,
            });
        }
        if entries.is_empty() || entries.len() > ENTRIES_MAX {
            return Err(NotReady::unsupported("an ExternalSecret with no entry or with over 1000"));
        }
        let target = &spec.target;
        if target.manifest.is_some() {
            return Err(NotReady::unsupported("target.manifest"));
        }
        let request = Self {
            refresh: refresh(spec)?,
            target: target
                .name
                .clone()
                .filter(|n| !n.is_empty())
                .unwrap_or_else(|| name.to_owned()),
            creation: creation(target)?,
            deletion: deletion(target)?,
            immutable: target.immutable.unwrap_or(false),
            template: target.template.as_ref().map(template).transpose()?,
            entries,
        };
        request.consistent()
    }

    /// Whether the whole Secret is this ExternalSecret's, not only the keys that it renders.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.creation, Creation::Owner | Creation::Orphan)
    }

    /// Whether the Secret is made where it is not there.
    pub(crate) fn makes(&self) -> bool {
        self.is_whole() || self.creation == Creation::CreateOrMerge
    }

    /// ESO's admission rules (externalsecret_validator.go), checked again here.
    fn consistent(self) -> Result<Self, NotReady> {
        let merges =
            matches!(self.creation, Creation::Merge | Creation::Nothing | Creation::CreateOrMerge);
        if self.deletion == Deletion::Delete && merges {
            return Err(NotReady::unsupported(
                "target.deletionPolicy Delete with a merging creationPolicy",
            ));
        }
        if self.deletion == Deletion::Merge && self.creation == Creation::Nothing {
            return Err(NotReady::unsupported(
                "target.deletionPolicy Merge with creationPolicy None",
            ));
        }
        if !is_object_name(&self.target) {
            let found: String = self.target.chars().take(80).collect();
            let message = format!(
                "target.name: expected lowercase letters, digits, - and ., at most 253 and a letter or digit at both \
                 ends, found {found:?}; nothing is written"
            );
            return Err(NotReady::until_change("SecretSyncedError", message));
        }
        let kind = self.template.as_ref().and_then(|t| t.kind.as_deref());
        if kind.is_some_and(|kind| TOKEN_TYPES.contains(&kind)) {
            return Err(NotReady::unsupported(
                "target.template.type of a token that Kubernetes acts on",
            ));
        }
        Ok(self)
    }
}

/// Whether the API server takes `name` for a Secret (RFC 1123 subdomain).
fn is_object_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label.chars().all(|c| alphanumeric(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Two entries, or two properties, that would become one key.
pub(crate) fn collision(key: &str, of: &str) -> NotReady {
    let message = format!(
        "{of} would both become key {key:?} of the Secret, and one would be lost; nothing is written. Give each a key of \
         its own under data"
    );
    NotReady::until_retry("SecretSyncedError", message)
}

/// The stores that `spec` reads from: its own, and those of entries that name another.
pub(crate) fn stores(spec: &ExternalSecretSpec) -> BTreeSet<StoreName> {
    let sources = spec.data.iter().map(|entry| entry.source_ref.as_ref());
    let sources = sources.chain(spec.data_from.iter().map(|entry| entry.source_ref.as_ref()));
    let own = spec.secret_store_ref.as_ref();
    let mut all: BTreeSet<StoreName> = own.into_iter().map(StoreName::of).collect();
    all.extend(sources.flatten().filter_map(store_of).map(|r| StoreName::of(&r)));
    all
}

fn store_of(source: &Value) -> Option<StoreRef> {
    serde_json::from_value(source.get("storeRef")?.clone()).ok()
}

/// A source of its own may be a store, and nothing else.
fn source(field: &str, source: Option<&Value>) -> Result<(), NotReady> {
    let Some(source) = source else { return Ok(()) };
    let fields = source.as_object().map(serde_json::Map::len).unwrap_or_default();
    if fields == 1 && store_of(source).is_some() {
        return Ok(());
    }
    Err(NotReady::unsupported(&format!("{field}.sourceRef other than storeRef")))
}

fn extract(index: usize, entry: &DataFromEntry) -> Result<Entry, NotReady> {
    let field = format!("dataFrom[{index}]");
    let unsupported = |name: &str| Err(NotReady::unsupported(&format!("{field}.{name}")));
    if entry.find.is_some() {
        return unsupported("find");
    }
    if !entry.rewrite.is_empty() {
        return unsupported("rewrite");
    }
    source(&field, entry.source_ref.as_ref())?;
    let Some(reference) = &entry.extract else { return unsupported("without extract") };
    let (remote, decoding) = remote(&format!("{field}.extract"), reference)?;
    if remote.property.is_some() {
        return unsupported("extract.property");
    }
    let place = Place { path: remote.path, version: remote.version };
    Ok(Entry::Extract { place, decoding })
}

fn remote(field: &str, reference: &Reference) -> Result<(RemoteRef, Decoding), NotReady> {
    let unsupported = |name: &str| NotReady::unsupported(&format!("{field}.remoteRef.{name}"));
    if !matches!(reference.metadata_policy.as_deref(), None | Some("" | "None")) {
        return Err(unsupported("metadataPolicy Fetch"));
    }
    if !matches!(reference.conversion_strategy.as_deref(), None | Some("" | "None" | "Default")) {
        return Err(unsupported("conversionStrategy Unicode"));
    }
    let (property, version) = (reference.property.as_deref(), reference.version.as_deref());
    let remote =
        RemoteRef::parse(SECRET_MOUNT, &reference.key, property, version).map_err(|error| {
            match error {
                RemoteRefError::Version(_) => unsupported("version that is no number"),
                RemoteRefError::Path(error) => {
                    NotReady::until_change("WrongPath", format!("remote key: {error}"))
                }
            }
        })?;
    let decoding = match reference.decoding_strategy.as_deref() {
        None | Some("" | "None") => Decoding::Plain,
        Some("Base64") => Decoding::Base64,
        Some("Base64URL") => Decoding::Base64Url,
        Some("Auto") => Decoding::Auto,
        Some(_) => return Err(unsupported("decodingStrategy")),
    };
    Ok((remote, decoding))
}

/// The refresh interval of `spec`, with External Secrets Operator's default; `None` where it is no duration.
pub(crate) fn interval(spec: &ExternalSecretSpec) -> Option<Duration> {
    match spec.refresh_interval.as_deref() {
        None | Some("") => Some(REFRESH_DEFAULT),
        Some(text) => duration(text),
    }
}

fn refresh(spec: &ExternalSecretSpec) -> Result<Refresh, NotReady> {
    let interval =
        interval(spec).ok_or_else(|| NotReady::unsupported("refreshInterval as written"))?;
    match spec.refresh_policy.as_deref() {
        Some("CreatedOnce") => Ok(Refresh::Once),
        Some("OnChange") => Ok(Refresh::OnChange),
        // Observed on ESO: with interval 0 even spec changes are ignored.
        None | Some("" | "Periodic") if interval.is_zero() => Ok(Refresh::Once),
        None | Some("" | "Periodic") => Ok(Refresh::Every(interval.max(Duration::from_secs(1)))),
        Some(_) => Err(NotReady::unsupported("refreshPolicy")),
    }
}

/// A Go duration such as `1h0m0s`, `0` or `1.5h`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok())
}

fn creation(target: &Target) -> Result<Creation, NotReady> {
    Ok(match target.creation_policy.as_deref() {
        None | Some("" | "Owner") => Creation::Owner,
        Some("Orphan") => Creation::Orphan,
        Some("Merge") => Creation::Merge,
        Some("None") => Creation::Nothing,
        Some("CreateOrMerge") => Creation::CreateOrMerge,
        Some(_) => return Err(NotReady::unsupported("target.creationPolicy")),
    })
}

fn deletion(target: &Target) -> Result<Deletion, NotReady> {
    Ok(match target.deletion_policy.as_deref() {
        None | Some("" | "Retain") => Deletion::Retain,
        Some("Delete") => Deletion::Delete,
        Some("Merge") => Deletion::Merge,
        Some(_) => return Err(NotReady::unsupported("target.deletionPolicy")),
    })
}

fn template(value: &Value) -> Result<Template, NotReady> {
    let unsupported = |name: &str| NotReady::unsupported(&format!("target.template.{name}"));
    let mut template = Template::default();
    for (field, value) in value.as_object().into_iter().flatten() {
        match field.as_str() {
            "type" => template.kind = value.as_str().filter(|t| !t.is_empty()).map(str::to_owned),
            "engineVersion" if value.as_str().is_some_and(|v| matches!(v, "" | "v2")) => {}
            "mergePolicy" => {}
            "metadata" => metadata(value, &mut template)?,
            "data" if value.as_object().is_some_and(serde_json::Map::is_empty) => {}
            "templateFrom" if value.as_array().is_some_and(Vec::is_empty) => {}
            other => return Err(unsupported(other)),
        }
    }
    Ok(template)
}

fn metadata(value: &Value, template: &mut Template) -> Result<(), NotReady> {
    for (field, value) in value.as_object().into_iter().flatten() {
        let texts = match field.as_str() {
            "labels" => &mut template.labels,
            "annotations" => &mut template.annotations,
            other => {
                return Err(NotReady::unsupported(&format!("target.template.metadata.{other}")));
            }
        };
        for (key, text) in value.as_object().into_iter().flatten() {
            let text = text.as_str().unwrap_or_default();
            if text.contains("{{") {
                let field = format!("target.template.metadata.{field} as a template");
                return Err(NotReady::unsupported(&field));
            }
            if labels::is_reserved(key) {
                let message = format!(
                    "target.template.metadata.{field} sets {key}, which regent alone sets; nothing is written. Take it \
                     out of the template"
                );
                return Err(NotReady::until_change("Reserved", message));
            }
            texts.insert(key.clone(), text.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/request.rs"]
mod tests;
