//! What a ban is.

/// Code that is banned.
pub(super) struct Ban {
    /// Any of these; tokens are written apart, as in `Instant :: now`.
    pub(super) patterns: &'static [&'static str],
    pub(super) instead: &'static str,
    pub(super) scope: Scope,
    /// A file, or a folder that ends with `/`, and why it may.
    pub(super) allowed: &'static [(&'static str, &'static str)],
}

/// Where a ban holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// `crates/`, without what tests alone compile.
    Product,
    /// The product below these folders.
    Below(&'static [&'static str]),
    Everywhere,
}
