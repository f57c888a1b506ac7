//! What a commit consists of.

/// One change; several of them commit together.
pub(crate) enum Write {
    /// Stores sealed bytes under a key.
    Put(String, Vec<u8>),
    Delete(String),
}

impl Write {
    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Self::Delete(_))
    }

    /// Bytes of key and value.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Put(key, value) => key.len() + value.len(),
            Self::Delete(key) => key.len(),
        }
    }
}
