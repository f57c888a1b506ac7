//! A YAML stream as ordered leaves, containers and comments, each with its place in the text.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::ScalarStyle;
use zeroize::Zeroizing;

use super::scalar::{Scalar, Tag, resolve};
use crate::Error;

/// The reserved root key.
pub(crate) const SOPS_KEY: &str = "sops";

/// The key of entries that are taken over from elsewhere. To SOPS it is a key as any other.
pub(crate) const MERGE_KEY: &str = "<<";

/// One step from a container to what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PathStep {
    Key(Arc<str>),
    Index(usize),
}

impl PathStep {
    /// The key of an entry of a mapping.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

/// A mapping or sequence.
pub(crate) struct Container {
    pub(crate) document: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) step: Option<PathStep>,
    /// Mapping keys from the root to here; sequence positions do not count (SOPS AAD).
    pub(crate) keys: Vec<Arc<str>>,
    /// Offset of its first character.
    pub(crate) start: usize,
    pub(crate) column: usize,
    pub(crate) flow: bool,
}

pub(crate) struct Leaf {
    pub(crate) container: usize,
    pub(crate) step: PathStep,
    pub(crate) text: Zeroizing<String>,
    pub(crate) style: ScalarStyle,
    pub(crate) tag: Option<Tag>,
    /// The scalar as written; of a block scalar its content only.
    pub(crate) span: Range<usize>,
    /// End of the token before: a block scalar's header stands between here and its content.
    pub(crate) after: usize,
    pub(crate) line: usize,
}

/// One entry of a container, in document order: where it starts, and where what it holds ends.
pub(crate) struct Mark {
    pub(crate) container: usize,
    pub(crate) step: PathStep,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) line: usize,
    pub(crate) end_line: usize,
    pub(crate) column: usize,
}

/// A comment: from `#` to the end of its line.
pub(crate) struct Comment {
    pub(crate) span: Range<usize>,
    pub(crate) text: Zeroizing<String>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// One document of the stream.
pub(crate) struct Document {
    /// The root mapping; `None` for an empty document.
    pub(crate) root: Option<usize>,
    /// Offset at which more root keys may be inserted.
    pub(crate) end: usize,
    /// Of a document without an entry (nothing, a null, `{}`): what stands for it.
    pub(crate) blank: Option<Range<usize>>,
}

pub(crate) struct Stream<'t> {
    pub(crate) text: &'t str,
    pub(crate) documents: Vec<Document>,
    pub(crate) containers: Vec<Container>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) comments: Vec<Comment>,
}

impl Stream<'_> {
    /// From the root to a leaf: each container, and the step from it.
    pub(crate) fn steps<'s>(&'s self, leaf: &'s Leaf) -> Vec<(usize, &'s PathStep)> {
        let mut steps = vec![(leaf.container, &leaf.step)];
        let mut at = leaf.container;
        while let Container { parent: Some(parent), step: Some(step), .. } = &self.containers[at] {
            steps.push((*parent, step));
            at = *parent;
        }
        steps.reverse();
        steps
    }

    /// The container that is this item of a sequence.
    pub(crate) fn item(&self, sequence: usize, index: usize) -> Option<usize> {
        let is = |container: &Container| {
            container.parent == Some(sequence) && container.step == Some(PathStep::Index(index))
        };
        self.containers.iter().position(is)
    }

    /// Steps from the root of its document to a place in a container.
    pub(crate) fn path(&self, container: usize, step: &PathStep) -> Vec<PathStep> {
        let mut steps = vec![step.clone()];
        let mut at = Some(container);
        while let Some(container) = at.and_then(|index| self.containers.get(index)) {
            steps.extend(container.step.clone());
            at = container.parent;
        }
        steps.reverse();
        steps
    }

    pub(crate) fn leaf_path(&self, leaf: &Leaf) -> Vec<PathStep> {
        self.path(leaf.container, &leaf.step)
    }

    /// `data.password`, `list[0].name`: for people. Keys are not secret, and cut short if long.
    pub(crate) fn display(&self, leaf: &Leaf) -> String {
        display_path(&self.leaf_path(leaf))
    }

    /// The key path that authenticates a value: `data:password:`.
    pub(crate) fn aad(&self, leaf: &Leaf) -> String {
        let keys = &self.containers[leaf.container].keys;
        match &leaf.step {
            PathStep::Key(key) => aad(keys.iter().map(AsRef::as_ref).chain([key.as_ref()])),
            PathStep::Index(_) => aad(keys.iter().map(AsRef::as_ref)),
        }
    }

    pub(crate) fn in_flow(&self, leaf: &Leaf) -> bool {
        self.containers[leaf.container].flow
    }

    pub(crate) fn document_of(&self, leaf: &Leaf) -> usize {
        self.containers[leaf.container].document
    }

    /// Whether the leaf is in the `sops` block of its document.
    pub(crate) fn in_sops_block(&self, leaf: &Leaf) -> bool {
        let root = &self.documents[self.document_of(leaf)].root;
        if *root == Some(leaf.container) {
            return matches!(&leaf.step, PathStep::Key(key) if key.as_ref() == SOPS_KEY);
        }
        self.keys_start_with_sops(leaf.container)
    }

    fn keys_start_with_sops(&self, container: usize) -> bool {
        self.containers[container].keys.first().is_some_and(|key| key.as_ref() == SOPS_KEY)
    }

    /// The user's leaves, without the `sops` block.
    pub(crate) fn user_leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| !self.in_sops_block(leaf))
    }

    /// The entry of the `sops` block in a document.
    pub(crate) fn sops_mark(&self, document: usize) -> Option<&Mark> {
        let root = self.documents.get(document)?.root?;
        self.marks.iter().find(|mark| {
            mark.container == root
                && matches!(&mark.step, PathStep::Key(key) if key.as_ref() == SOPS_KEY)
        })
    }

    /// Whether a document has its `sops` block and no other key.
    pub(crate) fn is_block_alone(&self, document: usize) -> bool {
        let Some(root) = self.documents.get(document).and_then(|document| document.root) else {
            return false;
        };
        self.marks.iter().filter(|mark| mark.container == root).count() == 1
            && self.sops_mark(document).is_some()
    }

    /// A scalar as SOPS reads it.
    pub(crate) fn resolve(&self, leaf: &Leaf) -> Result<Scalar, Error> {
        resolve(&leaf.text, leaf.style, leaf.tag).map_err(|_| {
            Error::unsupported(format!("the number or tag at {}", self.display(leaf)), leaf.line)
        })
    }
}

/// Keys joined by colons and one after the last (SOPS); a root comment has `:` alone.
pub(crate) fn aad<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    let mut text = keys.collect::<Vec<_>>().join(":");
    text.push(':');
    text
}

pub(crate) fn display_path(steps: &[PathStep]) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    let mut text = String::new();
    for step in steps {
        match step {
            PathStep::Key(key) if text.is_empty() => text.push_str(key),
            PathStep::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            PathStep::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    if text.chars().count() > SHOWN_CHARS_MAX {
        text = text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect();
    }
    text
}
