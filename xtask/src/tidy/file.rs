//! A Rust file with its tokens and its place in its crate.

use super::tokens::{Token, tokens};

#[derive(Debug)]
pub(super) struct File {
    /// Relative to the workspace's root.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tokens: Vec<Token>,
    /// Why it is no Rust, if it is none.
    pub(super) broken: Option<String>,
    /// Compiled into the product, not for tests alone.
    pub(super) product: bool,
    /// Reached by `mod` from the root of its crate, or such a root.
    pub(super) reached: bool,
}

impl File {
    /// A file with this text, of which nobody knows yet who compiles it.
    pub(super) fn new(path: String, text: String) -> Self {
        let parsed = tokens(&text);
        let broken = parsed.as_ref().err().cloned();
        let tokens = parsed.unwrap_or_default();
        Self { path, text, tokens, broken, product: false, reached: false }
    }

    /// The folder of the crate that it lies in: `crates/types`, `tests`, `xtask`.
    pub(super) fn krate(&self) -> &str {
        let depth = if self.path.starts_with("crates/") { 2 } else { 1 };
        let end = self.path.match_indices('/').nth(depth - 1).map_or(self.path.len(), |(at, _)| at);
        &self.path[..end]
    }

    /// Its path inside the crate: `src/lib.rs`.
    pub(super) fn inside(&self) -> &str {
        self.path[self.krate().len()..].trim_start_matches('/')
    }

    /// Whether the product has this token: what tests alone compile is left out.
    pub(super) fn ships(&self, token: &Token) -> bool {
        self.product && !token.test
    }
}
