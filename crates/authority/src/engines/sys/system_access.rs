//! What `sys` acts on. Every engine is handed it and only this folder can open it, so that no other
//! engine reaches another mount or the seal.

use crate::lifecycle::{Core, Unsealed};
use crate::policy::Acl;

/// The authority itself, for the one engine that is about it.
#[derive(Clone, Copy)]
pub(crate) struct SystemAccess<'a> {
    pub(super) core: &'a Core,
    pub(super) unsealed: &'a Unsealed,
    pub(super) acl: Option<&'a Acl>,
}

impl<'a> SystemAccess<'a> {
    /// `acl` is what the caller may do; `None` on paths that need no token.
    pub(crate) fn new(core: &'a Core, unsealed: &'a Unsealed, acl: Option<&'a Acl>) -> Self {
        Self { core, unsealed, acl }
    }
}
