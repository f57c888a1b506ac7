//! What a `remoteRef` of External Secrets Operator leads to: one reading of keys, for all who judge, ask for or publish a
//! path, so that no spelling of a key is judged as one path and read as another (C7-3).

use crate::path::{PathError, SecretPath};

/// A place in a KV v2 mount, as an ExternalSecret or a PushSecret names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteRef {
    /// Relative to the mount: what is judged is what is asked for.
    pub path: SecretPath,
    /// The one property that is meant; `None`: all.
    pub property: Option<String>,
    /// The version that is meant, from 1; `None`: the newest.
    pub version: Option<i64>,
}

/// Why a `remoteRef` leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteRefError {
    /// The key is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The version is no number from 1.
    #[error("expected a version number from 1, found {0:?}")]
    Version(String),
}

impl RemoteRef {
    /// Reads the fields of a `remoteRef`; `mount` is the mount of its store, without slashes at its ends. An empty
    /// property is none; an empty version, or `latest`, is the newest.
    ///
    /// # Errors
    /// The key is no path below the mount, or the version is no number.
    pub fn parse(
        mount: &str,
        key: &str,
        property: Option<&str>,
        version: Option<&str>,
    ) -> Result<Self, RemoteRefError> {
        let version = match version {
            None | Some("" | "latest") => None,
            Some(text) => {
                let number = text.parse().ok().filter(|number: &i64| *number >= 1);
                let wrong = || RemoteRefError::Version(text.chars().take(80).collect());
                Some(number.ok_or_else(wrong)?)
            }
        };
        let path = SecretPath::from_remote_key(mount, key)?;
        Ok(Self { path, property: property.filter(|p| !p.is_empty()).map(str::to_owned), version })
    }
}

impl SecretPath {
    /// The path that `key` means in `mount`. ESO tolerates the mount as a prefix and `data/` after it (eso.md §1.4); each
    /// is taken off once.
    ///
    /// # Errors
    /// What is left is no path: dots, empty segments, capitals and escapes are refused.
    pub fn from_remote_key(mount: &str, key: &str) -> Result<Self, PathError> {
        let below = key.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key);
        Self::parse(below.strip_prefix("data/").unwrap_or(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority_names::SECRET_MOUNT;

    #[test]
    fn every_spelling_of_a_path_becomes_the_same_path() {
        for key in [
            "runtime/payments/db",
            "data/runtime/payments/db",
            "secret/runtime/payments/db",
            "secret/data/runtime/payments/db",
        ] {
            let path = SecretPath::from_remote_key(SECRET_MOUNT, key);
            assert_eq!(path.map(|p| p.to_string()), Ok("runtime/payments/db".into()), "{key}");
        }
    }

    #[test]
    fn spellings_that_could_leave_the_path_are_refused() {
        for key in [
            "",
            "/runtime/payments/db",
            "runtime/payments/../billing/db",
            "runtime/payments/./db",
            "runtime//payments/db",
            "runtime/payments/db/",
            "runtime/payments%2f..%2fbilling/db",
            "runtime/payments/db?version=1",
            "runtime/payments/db#x",
            "Runtime/payments/db",
            "secret/../regent/data/keys/hmac",
            "runtime/payments",
            "runtime/payments/db/deeper",
        ] {
            assert!(SecretPath::from_remote_key(SECRET_MOUNT, key).is_err(), "{key}");
        }
    }

    #[test]
    fn no_property_is_all_and_no_version_is_the_newest() {
        let parsed = |property, version| {
            let found = RemoteRef::parse(SECRET_MOUNT, "secret/a/b", property, version);
            found.map(|found| (found.path.to_string(), found.property, found.version))
        };
        let path = || "a/b".to_owned();
        assert_eq!(parsed(None, None), Ok((path(), None, None)));
        assert_eq!(parsed(Some(""), Some("")), Ok((path(), None, None)));
        assert_eq!(parsed(Some("user"), Some("latest")), Ok((path(), Some("user".into()), None)));
        assert_eq!(parsed(None, Some("3")), Ok((path(), None, Some(3))));
        for version in ["0", "-1", "v3", "3.0"] {
            let wrong = Err(RemoteRefError::Version(version.to_owned()));
            assert_eq!(parsed(None, Some(version)), wrong, "{version}");
        }
    }
}
