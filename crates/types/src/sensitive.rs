//! Values that must never be seen: zeroized on drop, `Debug` prints nothing, no `Display`, no `Serialize`.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroize;

/// A secret value. It has no `Display`, `Serialize`, `PartialEq` or `Deref`; copying is spelled
/// [`Sensitive::duplicate`], reading is spelled [`Sensitive::expose`], so that both can be searched for.
pub struct Sensitive<T: Zeroize>(SecretBox<T>);

impl<T: Zeroize> Sensitive<T> {
    /// Takes ownership of `value`; from here on it is wiped when dropped.
    pub fn new(value: T) -> Self {
        Self(SecretBox::new(Box::new(value)))
    }

    /// The value itself. Every caller is a place where it could leak: `xtask tidy` keeps the list.
    pub fn expose(&self) -> &T {
        self.0.expose_secret()
    }
}

impl<T: Zeroize + Clone> Sensitive<T> {
    /// A second owner of the same value.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose().clone())
    }
}

impl<T: Zeroize> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

/// The keys and values of one secret, sorted by key. Keys are not secret, values are.
pub type SecretData = BTreeMap<String, Sensitive<Vec<u8>>>;

/// A second owner of the same keys and values.
#[must_use]
pub fn duplicate_data(data: &SecretData) -> SecretData {
    data.iter().map(|(key, value)| (key.clone(), value.duplicate())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_neither_value_nor_length() {
        let secret = Sensitive::new(String::from("planted-value"));
        assert_eq!(format!("{secret:?} {secret:#?}"), "Sensitive(..) Sensitive(..)");
    }
}
