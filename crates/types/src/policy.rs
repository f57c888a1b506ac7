//! Rotation policy: data stored beside the secret in the authority, in `custom_metadata`, under the RFC's
//! attribute names (RFC row C6-1).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a secret is rotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RotationType {
    /// Never by itself: only a trigger or a person starts a rotation.
    #[default]
    Static,
    /// `ttl` after the last version, `rotate_before` earlier.
    TimeBased,
    /// When an event trigger fires.
    EventBased,
}

/// What to do when consumers have not followed within `max_overlap`, or a step fails for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureStrategy {
    /// Go on trying; the old version stays valid until consumers follow.
    #[default]
    Retry,
    /// Go on trying and say so loudly.
    Alert,
    /// Stop and wait for a person.
    Hold,
}

/// The policy of one secret. Durations are whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RotationPolicy {
    /// When it is rotated.
    pub rotation_type: RotationType,
    /// Lifetime of a version in seconds; 0 means no expiry.
    #[schemars(range(min = 0, max = 315_360_000))]
    pub ttl_seconds: i64,
    /// How long before expiry it is due, in seconds.
    #[schemars(range(min = 0, max = 315_360_000))]
    pub rotate_before_seconds: i64,
    /// Whether the old version is revoked once consumers have followed.
    pub revoke_old: bool,
    /// How long old and new stay valid side by side at least, in seconds.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub max_overlap_seconds: i64,
    /// What to do when consumers do not follow.
    pub failure_strategy: FailureStrategy,
}

impl Default for RotationPolicy {
    fn default() -> Self {
        Self {
            rotation_type: RotationType::Static,
            ttl_seconds: 0,
            rotate_before_seconds: 0,
            revoke_old: true,
            max_overlap_seconds: 0,
            failure_strategy: FailureStrategy::Retry,
        }
    }
}

/// `custom_metadata` keys that belong to regent; PATCH touches no other.
pub const METADATA_KEYS: [&str; 6] =
    ["rotation_type", "ttl", "rotate_before", "revoke_old", "max_overlap", "failure_strategy"];

/// Why `custom_metadata` holds no policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("policy attribute {attribute}: expected {expected}, found {found:?}")]
pub struct PolicyError {
    /// The RFC's attribute name.
    pub attribute: &'static str,
    /// What it may be.
    pub expected: &'static str,
    /// What it is; policies are not secret.
    pub found: Option<String>,
}

impl RotationPolicy {
    /// The policy as `custom_metadata` entries: text under the RFC's names, durations like `3600s`.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let seconds = |n: i64| format!("{n}s");
        let kebab = |v: serde_json::Value| v.as_str().unwrap_or_default().to_owned();
        let values = [
            kebab(serde_json::json!(self.rotation_type)),
            seconds(self.ttl_seconds),
            seconds(self.rotate_before_seconds),
            self.revoke_old.to_string(),
            seconds(self.max_overlap_seconds),
            kebab(serde_json::json!(self.failure_strategy)),
        ];
        METADATA_KEYS.iter().map(|k| (*k).to_owned()).zip(values).collect()
    }

    /// Reads the policy back; every attribute must be there and parse.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let text = |attribute: &'static str, expected: &'static str| {
            metadata.get(attribute).map(String::as_str).ok_or(PolicyError {
                attribute,
                expected,
                found: None,
            })
        };
        let bad = |attribute, expected, found: &str| PolicyError {
            attribute,
            expected,
            found: Some(found.chars().take(64).collect()),
        };
        let seconds = |attribute: &'static str| {
            let expected = "whole seconds such as 3600s";
            let t = text(attribute, expected)?;
            let n = t.strip_suffix('s').and_then(|n| n.parse::<i64>().ok()).filter(|n| *n >= 0);
            n.ok_or_else(|| bad(attribute, expected, t))
        };
        let kinds = "static, time-based or event-based";
        let rotation_type = text("rotation_type", kinds)?;
        let strategies = "retry, alert or hold";
        let failure_strategy = text("failure_strategy", strategies)?;
        let revoke_old = text("revoke_old", "true or false")?;
        Ok(Self {
            rotation_type: serde_json::from_value(rotation_type.into())
                .map_err(|_| bad("rotation_type", kinds, rotation_type))?,
            ttl_seconds: seconds("ttl")?,
            rotate_before_seconds: seconds("rotate_before")?,
            revoke_old: revoke_old
                .parse()
                .map_err(|_| bad("revoke_old", "true or false", revoke_old))?,
            max_overlap_seconds: seconds("max_overlap")?,
            failure_strategy: serde_json::from_value(failure_strategy.into())
                .map_err(|_| bad("failure_strategy", strategies, failure_strategy))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_round_trips_through_custom_metadata() {
        let policy = RotationPolicy {
            rotation_type: RotationType::TimeBased,
            ttl_seconds: 86_400,
            rotate_before_seconds: 3_600,
            max_overlap_seconds: 60,
            failure_strategy: FailureStrategy::Hold,
            ..RotationPolicy::default()
        };
        let metadata = policy.to_metadata();
        assert_eq!(metadata["rotation_type"], "time-based");
        assert_eq!(metadata["ttl"], "86400s");
        assert_eq!(RotationPolicy::from_metadata(&metadata), Ok(policy));
    }

    #[test]
    fn a_missing_or_odd_attribute_is_named() {
        let mut metadata = RotationPolicy::default().to_metadata();
        metadata.insert("ttl".into(), "soon".into());
        let error = RotationPolicy::from_metadata(&metadata).err().map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                r#"policy attribute ttl: expected whole seconds such as 3600s, found Some("soon")"#
            )
        );
        metadata.remove("revoke_old");
        assert!(RotationPolicy::from_metadata(&metadata).is_err());
    }
}
