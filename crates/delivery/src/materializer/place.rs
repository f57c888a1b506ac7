//! From the text of a `remoteRef.key` to the one path that is checked and then asked for.
//!
//! **Architecture invariant `checked-is-asked`:** `allow` judges the same [`SecretPath`] value that
//! `authority` sends, so no spelling of a key is judged as one path and read as another (C7-3).

use regent_types::SecretPath;

use crate::not_ready::NotReady;

/// The path that `key` means in `mount`. ESO tolerates the mount as a prefix and `data/` after it
/// (eso.md §1.4); each is taken off once. Dots, empty segments, capitals and escapes are refused by
/// [`SecretPath`].
pub(crate) fn normalise(mount: &str, key: &str) -> Result<SecretPath, NotReady> {
    let below = key.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key);
    let below = below.strip_prefix("data/").unwrap_or(below);
    SecretPath::parse(below)
        .map_err(|error| NotReady::until_change("WrongPath", format!("remote key: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_becomes_the_same_path() {
        for key in [
            "runtime/payments/db",
            "data/runtime/payments/db",
            "secret/runtime/payments/db",
            "secret/data/runtime/payments/db",
        ] {
            let path = normalise("secret", key);
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
            let refused = normalise("secret", key).err().map(|r| r.reason);
            assert_eq!(refused, Some("WrongPath"), "{key}");
        }
    }
}
