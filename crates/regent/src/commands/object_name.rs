//! `NAMESPACE/NAME`, as commands take an object's name.

use std::str::FromStr;

/// One object of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Part before the slash, never empty.
    pub namespace: String,
    /// Part behind it, never empty and without a slash itself.
    pub name: String,
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("expected NAMESPACE/NAME, found {text}")),
        }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_namespace() {
        let name: ObjectName = "payments/db".parse().unwrap();
        assert_eq!(name.to_string(), "payments/db");
        for bad in ["db", "/db", "payments/", "a/b/c", ""] {
            assert!(bad.parse::<ObjectName>().unwrap_err().contains("NAMESPACE/NAME"), "{bad}");
        }
    }
}
