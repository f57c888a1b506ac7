//! Which values are encrypted: SOPS `shouldBeEncrypted`.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::Error;

/// A compiled regular expression of a rule stays below this many bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;
/// Applies where the `sops` block names no rule.
pub(crate) const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// At most one rule holds in a file. It matches if any key on the path matches.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Regex),
    EncryptedRegex(Regex),
}

impl Rule {
    /// The rule that these fields of a `sops` block say; empty values count as absent.
    ///
    /// # Errors
    /// `BadRule`: more than one, or a regular expression that does not compile. (SOPS would then
    /// encrypt nothing; here it is refused.) Rules on comments are `Unsupported`.
    pub(crate) fn from_fields<'a>(
        fields: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let mut rule = None;
        for (name, value) in fields.filter(|(_, value)| !value.is_empty()) {
            let next = match name {
                "unencrypted_suffix" => Self::UnencryptedSuffix(value.to_owned()),
                "encrypted_suffix" => Self::EncryptedSuffix(value.to_owned()),
                "unencrypted_regex" => Self::UnencryptedRegex(compile(value)?),
                "encrypted_regex" => Self::encrypted_regex(value)?,
                "unencrypted_comment_regex" | "encrypted_comment_regex" => {
                    return Err(Error::unsupported(format!("the SOPS rule {name}"), 0));
                }
                _ => continue,
            };
            if rule.replace(next).is_some() {
                return Err(Error::BadRule {
                    rule: name.to_owned(),
                    why: "a file may have one rule only".to_owned(),
                });
            }
        }
        Ok(rule.unwrap_or(Self::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned())))
    }

    pub(crate) fn encrypted_regex(pattern: &str) -> Result<Self, Error> {
        if pattern.is_empty() {
            let why = "it is empty, so it would encrypt everything".to_owned();
            return Err(Error::BadRule { rule: "encrypted_regex".to_owned(), why });
        }
        Ok(Self::EncryptedRegex(compile(pattern)?))
    }

    /// Whether a value under these keys is encrypted.
    pub(crate) fn covers(&self, path: &[Arc<str>], last: Option<&str>) -> bool {
        let mut keys = path.iter().map(AsRef::as_ref).chain(last);
        match self {
            Self::UnencryptedSuffix(suffix) => !keys.any(|key| key.ends_with(suffix)),
            Self::EncryptedSuffix(suffix) => keys.any(|key| key.ends_with(suffix)),
            Self::UnencryptedRegex(regex) => !keys.any(|key| regex.is_match(key)),
            Self::EncryptedRegex(regex) => keys.any(|key| regex.is_match(key)),
        }
    }

    /// The field of the `sops` block that says it.
    pub(crate) fn field(&self) -> (&'static str, &str) {
        match self {
            Self::UnencryptedSuffix(suffix) => ("unencrypted_suffix", suffix),
            Self::EncryptedSuffix(suffix) => ("encrypted_suffix", suffix),
            Self::UnencryptedRegex(regex) => ("unencrypted_regex", regex.as_str()),
            Self::EncryptedRegex(regex) => ("encrypted_regex", regex.as_str()),
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, value) = self.field();
        write!(f, "{name}: {value}")
    }
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().map_err(|_| Error::BadRule {
        rule: pattern.to_owned(),
        why: "not a regular expression".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(field: &str, value: &str, path: &[&str]) -> bool {
        let rule = Rule::from_fields([(field, value)].into_iter()).unwrap();
        let path: Vec<Arc<str>> = path.iter().map(|key| Arc::from(*key)).collect();
        rule.covers(&path, None)
    }

    #[test]
    fn a_rule_is_inherited_downward_and_matches_anywhere_in_a_key() {
        assert!(covers("encrypted_regex", "^(data|stringData)$", &["data", "a", "b"]));
        assert!(!covers("encrypted_regex", "^(data|stringData)$", &["metadata", "name"]));
        assert!(covers("encrypted_regex", "data", &["metadata"]));
        assert!(!covers("unencrypted_suffix", "_unencrypted", &["a_unencrypted", "b"]));
        assert!(covers("unencrypted_suffix", "_unencrypted", &["a", "b"]));
        assert!(covers("", "", &["a"]) && !covers("", "", &["a_unencrypted"]));
        assert!(covers("encrypted_suffix", "_enc", &["a_enc"]));
        assert!(!covers("unencrypted_regex", "^meta", &["metadata"]));
    }

    #[test]
    fn two_rules_or_a_broken_expression_are_refused_up_front() {
        let two = [("encrypted_regex", "a"), ("unencrypted_suffix", "b")];
        assert!(matches!(Rule::from_fields(two.into_iter()), Err(Error::BadRule { .. })));
        let broken = [("encrypted_regex", "(")];
        assert!(matches!(Rule::from_fields(broken.into_iter()), Err(Error::BadRule { .. })));
    }
}
