//! Which mapping or sequence a comment belongs to: SOPS encrypts it by that path.
//!
//! go-yaml hangs comments on nodes by position; this follows it in the usual places. Where the two
//! differ, SOPS shows such a comment as ciphertext, and nothing else is lost (comments are not in
//! the MAC). Reading tries all containers near the comment.

use std::sync::Arc;

use super::document::{Comment, Mark, Stream};

/// Keys of the container that a comment belongs to (AAD and rule).
pub(crate) fn home(stream: &Stream<'_>, comment: &Comment) -> Vec<Arc<str>> {
    let (before, after) = neighbours(stream, comment);
    let container = match (before, after) {
        (Some(mark), _) if on_line_of(mark, comment) => Some(mark.container),
        (_, Some(next)) if comment.column <= next.column => Some(next.container),
        (Some(mark), _) => enclosing(stream, mark.container, comment.column),
        (None, Some(next)) => Some(next.container),
        (None, None) => None,
    };
    keys_of(stream, container)
}

/// All key paths that another writer may have used, likeliest first.
pub(crate) fn candidates(stream: &Stream<'_>, comment: &Comment) -> Vec<Vec<Arc<str>>> {
    let mut paths = vec![home(stream, comment)];
    let (before, after) = neighbours(stream, comment);
    for mark in [before, after].into_iter().flatten() {
        // What the entry itself holds, where that is a collection.
        paths.extend(held_by(stream, mark));
        let mut at = Some(mark.container);
        while let Some(container) = at {
            paths.push(stream.containers[container].keys.clone());
            at = stream.containers[container].parent;
        }
    }
    paths.push(Vec::new());
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

fn neighbours<'s>(
    stream: &'s Stream<'_>,
    comment: &Comment,
) -> (Option<&'s Mark>, Option<&'s Mark>) {
    let split = stream.marks.partition_point(|mark| mark.start < comment.span.start);
    let before = split.checked_sub(1).and_then(|index| stream.marks.get(index));
    (before, stream.marks.get(split))
}

fn on_line_of(mark: &Mark, comment: &Comment) -> bool {
    mark.line == comment.line || mark.end_line == comment.line
}

/// The innermost container, from `container` outward, whose entries start no further right.
fn enclosing(stream: &Stream<'_>, container: usize, column: usize) -> Option<usize> {
    let mut at = container;
    loop {
        let here = &stream.containers[at];
        match here.parent {
            Some(parent) if here.flow || here.column > column => at = parent,
            _ => return Some(at),
        }
    }
}

fn held_by(stream: &Stream<'_>, mark: &Mark) -> Option<Vec<Arc<str>>> {
    let held = stream.containers.iter().find(|container| {
        container.parent == Some(mark.container) && container.step.as_ref() == Some(&mark.step)
    })?;
    Some(held.keys.clone())
}

fn keys_of(stream: &Stream<'_>, container: Option<usize>) -> Vec<Arc<str>> {
    container.map(|index| stream.containers[index].keys.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sops::parse::parse;

    #[test]
    fn a_comment_belongs_to_the_mapping_it_stands_in() {
        let text = "# top\na: 1 # a\ndata: # on data\n  # head\n  p: q # p\n  # tail\n# next\n\
                    list:\n  # in list\n  - x # x\n";
        let stream = parse(text).unwrap();
        let homes: Vec<String> = stream
            .comments
            .iter()
            .map(|c| format!("{}:{}", &*c.text, home(&stream, c).join(":")))
            .collect();
        let expected = [
            " top:",
            " a:",
            " on data:",
            " head:data",
            " p:data",
            " tail:data",
            " next:",
            " in list:list",
            " x:list",
        ];
        assert_eq!(homes, expected);
    }
}
