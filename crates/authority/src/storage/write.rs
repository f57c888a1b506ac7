//! What a commit consists of.

/// One change; several of them commit together.
pub(crate) enum Write {
    /// Stores sealed bytes under a key.
    Put(String, Vec<u8>),
    Delete(String),
}
