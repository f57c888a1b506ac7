//! YAML as those read it who apply it: anchors, aliases, merge keys, tags and keys of any kind are
//! taken as they are meant. Nothing is written back from here, so that nothing need be refused.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use zeroize::Zeroizing;

use crate::sops::{ScalarKind, resolve};

/// Nested mappings and sequences, with all aliases written out.
const DEPTH_MAX: usize = 128;
/// Values of one document with all aliases written out: at least twice what a text of 1 MiB can
/// hold without any.
const SIZE_MAX: usize = 1024 * 1024;

/// A value and the line it starts on, from 1.
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
    /// How many values it is, itself among them, with all aliases written out.
    size: usize,
    /// How deep it is: 1 for a scalar.
    depth: usize,
}

pub(crate) enum Value {
    Text(Text),
    /// Keys and values in their order; a key may come twice.
    Map(Vec<(Rc<Node>, Rc<Node>)>),
    Seq(Vec<Rc<Node>>),
}

pub(crate) struct Text {
    pub(crate) text: Zeroizing<String>,
    /// Whether it is null or the empty text: nothing to hide.
    pub(crate) blank: bool,
}

/// Why a text could not be read.
pub(crate) struct Unread {
    /// Line of the text at which reading ended, from 1.
    pub(crate) line: usize,
    pub(crate) why: &'static str,
}

/// The documents of a stream; an empty one is a null.
///
/// # Errors
/// [`Unread`] with the place; it quotes nothing.
pub(crate) fn parse(text: &str) -> Result<Vec<Rc<Node>>, Unread> {
    let options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| Unread {
            line: error.marker().line(),
            why: "it cannot be read as YAML",
        })?;
        builder.event(event, &span)?;
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
}

/// A collection that is being read.
struct Open {
    line: usize,
    anchor: usize,
    mapping: bool,
    items: Vec<Rc<Node>>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Unread> {
        let line = span.start.line();
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let null = plain
                    && matches!(resolve(&text, style, None), Ok(s) if s.kind == ScalarKind::Null);
                let blank = null || text.is_empty();
                let text = Zeroizing::new(text.into_owned());
                self.add(line, anchor, Value::Text(Text { text, blank }), &[])?;
            }
            Event::MappingStart(_, anchor, _) => self.begin(line, anchor, true),
            Event::SequenceStart(_, anchor, _) => self.begin(line, anchor, false),
            Event::MappingEnd | Event::SequenceEnd => self.end()?,
            Event::Alias(anchor) => {
                // An anchor that is not complete yet is one that holds itself.
                let why = "an alias stands inside of what it means";
                let node = self.anchors.get(&anchor).ok_or(Unread { line, why })?;
                self.push(Rc::clone(node));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, mapping: bool) {
        self.open.push(Open { line, anchor, mapping, items: Vec::new() });
    }

    fn end(&mut self) -> Result<(), Unread> {
        let Some(Open { line, anchor, mapping, items }) = self.open.pop() else { return Ok(()) };
        let pairs = |items: &[Rc<Node>]| {
            let (pairs, _) = items.as_chunks::<2>();
            pairs.iter().map(|[key, value]| (Rc::clone(key), Rc::clone(value))).collect()
        };
        let value = if mapping { Value::Map(pairs(&items)) } else { Value::Seq(items.clone()) };
        self.add(line, anchor, value, &items)
    }

    fn add(
        &mut self,
        line: usize,
        anchor: usize,
        value: Value,
        inside: &[Rc<Node>],
    ) -> Result<(), Unread> {
        let size = inside.iter().fold(1, |sum: usize, node| sum.saturating_add(node.size));
        let depth = 1 + inside.iter().map(|node| node.depth).max().unwrap_or_default();
        if size > SIZE_MAX {
            return Err(Unread { line, why: "its aliases make it too large" });
        }
        if depth > DEPTH_MAX {
            return Err(Unread { line, why: "it is nested too deeply" });
        }
        let node = Rc::new(Node { line, value, size, depth });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.push(node);
        Ok(())
    }

    fn push(&mut self, node: Rc<Node>) {
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.documents.push(node),
        }
    }
}

impl Node {
    /// The entries of a mapping, those of its merge keys (`<<`) behind its own. A key that comes
    /// twice comes twice: readers differ in which they take.
    pub(crate) fn entries(&self) -> Vec<(&str, &Node)> {
        let mut all = Vec::new();
        self.collect(&mut all);
        all
    }

    /// As deep as the node is, which is bounded.
    fn collect<'n>(&'n self, all: &mut Vec<(&'n str, &'n Node)>) {
        let Value::Map(pairs) = &self.value else { return };
        let named = || pairs.iter().filter_map(|(key, value)| Some((key.text()?, &**value)));
        all.extend(named().filter(|(key, _)| *key != "<<"));
        for (_, merged) in named().filter(|(key, _)| *key == "<<") {
            merged.collect(all);
            if let Value::Seq(items) = &merged.value {
                items.iter().for_each(|item| item.collect(all));
            }
        }
    }

    /// Every value under this key, as [`Self::entries`] has them.
    pub(crate) fn all<'n>(&'n self, wanted: &'n str) -> impl Iterator<Item = &'n Node> {
        self.entries().into_iter().filter(move |(key, _)| *key == wanted).map(|(_, value)| value)
    }

    /// The line of this key in a mapping, its merge keys left out.
    pub(crate) fn key_line(&self, wanted: &str) -> Option<usize> {
        let Value::Map(pairs) = &self.value else { return None };
        pairs.iter().find(|(key, _)| key.text() == Some(wanted)).map(|(key, _)| key.line)
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text.text.as_str()),
            _ => None,
        }
    }

    /// Whether one of the values under this key is a text of which `is` is true.
    pub(crate) fn says(&self, key: &str, is: impl Fn(&str) -> bool) -> bool {
        self.all(key).filter_map(Node::text).any(is)
    }
}
