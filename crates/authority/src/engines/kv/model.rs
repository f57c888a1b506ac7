//! What a key is made of and how it changes. Pure: time is an argument.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::request::duration::go_duration;

/// Versions kept where neither key nor mount says otherwise (Vault's default).
pub(super) const VERSIONS_DEFAULT: u64 = 10;

/// Versions that may be kept: all of a key's are in one record of about 100 bytes each.
pub(super) const VERSIONS_MAX: u64 = 1000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    /// 0 where the mount sets none.
    pub(super) max_versions: u64,
    pub(super) cas_required: bool,
    /// 0: not set; negative: off, whatever keys say.
    pub(super) delete_version_after_s: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) versions: BTreeMap<u64, Version>,
    /// 0 before the first write.
    pub(super) current: u64,
    /// 0 until versions are pruned.
    pub(super) oldest: u64,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) max_versions: u64,
    pub(super) cas_required: bool,
    pub(super) delete_version_after_s: i64,
    pub(super) custom: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) created: Timestamp,
    /// When it is or was deleted; ahead of now while `delete_version_after` runs.
    pub(super) deletion: Option<Timestamp>,
    pub(super) destroyed: bool,
}

impl Version {
    /// Whether its values can be read.
    pub(super) fn is_readable(&self, now: Timestamp) -> bool {
        !self.destroyed && !self.is_deleted(now)
    }

    pub(super) fn is_deleted(&self, now: Timestamp) -> bool {
        self.deletion.is_some_and(|at| at <= now)
    }

    fn describe(&self) -> Value {
        json!({
            "created_time": self.created.to_string(),
            "deletion_time": self.deletion.map_or(String::new(), |at| at.to_string()),
            "destroyed": self.destroyed,
        })
    }
}

impl Metadata {
    /// A key without versions.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            versions: BTreeMap::new(),
            current: 0,
            oldest: 0,
            created: now,
            updated: now,
            max_versions: 0,
            cas_required: false,
            delete_version_after_s: 0,
            custom: BTreeMap::new(),
        }
    }

    /// Adds a version; returns its number and those pruned whose values must go.
    pub(super) fn add_version(&mut self, settings: &Settings, now: Timestamp) -> (u64, Vec<u64>) {
        self.current += 1;
        self.updated = now;
        let deletion = self
            .lifetime_s(settings)
            .and_then(|s| now.checked_add(SignedDuration::from_secs(s)).ok());
        let version = Version { created: now, deletion, destroyed: false };
        self.versions.insert(self.current, version);

        let kept = match self.max_versions.max(settings.max_versions) {
            0 => VERSIONS_DEFAULT,
            max => max,
        };
        if self.current - self.oldest < kept {
            return (self.current, Vec::new());
        }
        self.oldest = self.current - kept + 1;
        let left = self.versions.split_off(&self.oldest);
        let pruned = std::mem::replace(&mut self.versions, left);
        let with_values = pruned.into_iter().filter(|(_, version)| !version.destroyed);
        (self.current, with_values.map(|(number, _)| number).collect())
    }

    /// The smaller of what key and mount set; a negative setting of the mount switches it off.
    fn lifetime_s(&self, settings: &Settings) -> Option<i64> {
        match (settings.delete_version_after_s, self.delete_version_after_s) {
            (mount, _) if mount < 0 => None,
            (0, 0) => None,
            (0, only) | (only, 0) => Some(only),
            (mount, key) => Some(mount.min(key)),
        }
    }

    /// The version asked for; 0 means the current one.
    pub(super) fn version(&self, number: u64) -> Option<(u64, &Version)> {
        let number = if number == 0 { self.current } else { number };
        self.versions.get(&number).map(|version| (number, version))
    }

    /// Soft-deletes one version; says whether anything changed.
    pub(super) fn delete(&mut self, number: u64, now: Timestamp) -> bool {
        match self.versions.get_mut(&number) {
            Some(version) if version.is_readable(now) => {
                version.deletion = Some(now);
                true
            }
            _ => false,
        }
    }

    pub(super) fn undelete(&mut self, number: u64) -> bool {
        match self.versions.get_mut(&number) {
            Some(version) if !version.destroyed && version.deletion.is_some() => {
                version.deletion = None;
                true
            }
            _ => false,
        }
    }

    pub(super) fn destroy(&mut self, number: u64) -> bool {
        match self.versions.get_mut(&number) {
            Some(version) if !version.destroyed => {
                version.destroyed = true;
                true
            }
            _ => false,
        }
    }

    /// `metadata` of a version's answer; `null` custom metadata where there is none.
    pub(super) fn describe_version(&self, number: u64, version: &Version) -> Value {
        let mut data = version.describe();
        if let Some(data) = data.as_object_mut() {
            data.insert("version".to_owned(), number.into());
            data.insert("custom_metadata".to_owned(), self.describe_custom());
        }
        data
    }

    /// The answer of `metadata/{key}`.
    pub(super) fn describe(&self) -> Value {
        let versions = self.versions.iter();
        let versions = versions.map(|(number, version)| (number.to_string(), version.describe()));
        json!({
            "versions": versions.collect::<serde_json::Map<_, _>>(),
            "current_version": self.current,
            "oldest_version": self.oldest,
            "created_time": self.created.to_string(),
            "updated_time": self.updated.to_string(),
            "max_versions": self.max_versions,
            "cas_required": self.cas_required,
            "delete_version_after": go_duration(self.delete_version_after_s),
            "custom_metadata": self.describe_custom(),
        })
    }

    fn describe_custom(&self) -> Value {
        if self.custom.is_empty() { Value::Null } else { json!(self.custom) }
    }
}
