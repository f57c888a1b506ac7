//! A module and what it knows by name.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tokens::Import;

/// A module: a file, or `mod name { … }` inside one.
#[derive(Debug)]
pub(in super::super) struct Module {
    /// Names from the crate's root, which has none.
    pub(in super::super) path: Vec<String>,
    /// Place of its file in the tree's list.
    pub(in super::super) file: usize,
    /// Its tokens in the file: from, to.
    pub(in super::super) range: (usize, usize),
    /// Compiled for tests alone.
    pub(in super::super) test: bool,
    pub(super) parent: Option<usize>,
    pub(super) children: BTreeMap<String, usize>,
    pub(super) items: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
}

/// All modules of a crate's targets; each target has a root of its own.
pub(in super::super) type Modules = Vec<Module>;
