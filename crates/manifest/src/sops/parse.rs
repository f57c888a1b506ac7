//! Parser events → [`Stream`]. What SOPS would read differently, or lose, is refused here.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};
use zeroize::Zeroizing;

use super::document::{
    Comment, Container, Document, Leaf, MERGE_KEY, Mark, PathStep, Stream, display_path,
};
use super::limits::{DEPTH_MAX, DOCUMENTS_MAX, KEY_BYTES_MAX, NODES_MAX, TEXT_BYTES_MAX};
use super::scalar::{ScalarKind, Tag, resolve};
use super::splice::block_header;
use crate::Error;

/// Parses a stream of at most [`TEXT_BYTES_MAX`].
pub(crate) fn parse(text: &str) -> Result<Stream<'_>, Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::TooLarge { what: "the manifest", limit: TEXT_BYTES_MAX });
    }
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = event.map_err(|error| {
            // The message may quote the text, so only the place is kept.
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            Error::NotYaml { line, column }
        })?;
        builder.event(event, &span)?;
    }
    Ok(builder.stream)
}

fn options() -> Options {
    granit_parser::options! {
        disallow_directives: true,
        block_scalar_eof_without_line_feed: true,
        // Bounded by the size of the text already.
        max_buffered_comment_events: TEXT_BYTES_MAX,
        // One more than is taken, so that what is too deep is called so.
        flow_nesting_limit: DEPTH_MAX + 1,
        block_nesting_limit: DEPTH_MAX + 1,
    }
}

enum Frame {
    Map { container: usize, seen: HashSet<Arc<str>>, key: Option<Arc<str>>, mark: usize },
    Seq { container: usize, next: usize },
}

struct Builder<'t> {
    stream: Stream<'t>,
    frames: Vec<Frame>,
    nodes: usize,
    /// End of the last token with a text of its own, and the line it ends on.
    last: (usize, usize),
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let stream = Stream {
            text,
            documents: Vec::new(),
            containers: Vec::new(),
            leaves: Vec::new(),
            marks: Vec::new(),
            comments: Vec::new(),
        };
        Self { stream, frames: Vec::new(), nodes: 0, last: (0, 0) }
    }

    fn event(&mut self, event: Event<'t>, span: &Span) -> Result<(), Error> {
        let line = span.start.line();
        match event {
            Event::StreamStart | Event::StreamEnd => {}
            Event::DocumentStart(..) => self.document()?,
            Event::DocumentEnd => self.document_end(span),
            Event::Comment(text, _) => self.comment(text, span),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_anchor(anchor, line)?;
                let tag = tag.map(|tag| scalar_tag(&tag, line)).transpose()?;
                self.scalar(text, style, tag, span)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                refuse_anchor(anchor, line)?;
                refuse_tag(tag.as_deref(), "map", line)?;
                let container = self.open(style, span)?;
                let frame = Frame::Map { container, seen: HashSet::new(), key: None, mark: 0 };
                self.frames.push(frame);
            }
            Event::SequenceStart(style, anchor, tag) => {
                refuse_anchor(anchor, line)?;
                refuse_tag(tag.as_deref(), "seq", line)?;
                if self.frames.is_empty() {
                    return Err(Error::unsupported("a document that is not a mapping", line));
                }
                let container = self.open(style, span)?;
                self.frames.push(Frame::Seq { container, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.token(span);
                self.blank_root(span);
                self.frames.pop();
                self.value_ends();
            }
            _ => return Err(Error::unsupported("an anchor or alias", line)),
        }
        Ok(())
    }

    fn document(&mut self) -> Result<(), Error> {
        if self.stream.documents.len() == DOCUMENTS_MAX {
            return Err(Error::TooLarge { what: "the number of documents", limit: DOCUMENTS_MAX });
        }
        let end = self.stream.text.len();
        self.stream.documents.push(Document { root: None, end, blank: None });
        Ok(())
    }

    fn document_end(&mut self, span: &Span) {
        if let (Some(document), Some(at)) =
            (self.stream.documents.last_mut(), span.start.byte_offset())
        {
            document.end = at;
        }
    }

    fn comment(&mut self, text: Cow<'t, str>, span: &Span) {
        let text = Zeroizing::new(text.into_owned());
        let (line, column) = (span.start.line(), span.start.col());
        self.stream.comments.push(Comment { span: bytes(span), text, line, column });
    }

    fn count(&mut self) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Error::TooLarge { what: "the number of values", limit: NODES_MAX });
        }
        Ok(())
    }

    /// Remembers where the last visible token ended; virtual and empty ones do not move it.
    fn token(&mut self, span: &Span) {
        let range = bytes(span);
        let text = self.stream.text.get(range.clone()).unwrap_or_default();
        let kept = text.trim_end_matches([' ', '\t', '\r', '\n']);
        if !kept.is_empty() {
            let lines = kept.bytes().filter(|byte| *byte == b'\n').count();
            self.last = (range.start + kept.len(), span.start.line() + lines);
        }
    }

    fn open(&mut self, style: StructureStyle, span: &Span) -> Result<usize, Error> {
        self.count()?;
        let line = span.start.line();
        if self.frames.len() == DEPTH_MAX {
            return Err(Error::TooLarge { what: "the nesting", limit: DEPTH_MAX });
        }
        let place = self.place(span)?;
        let index = self.stream.containers.len();
        let (parent, step) = place.unzip();
        let mut keys =
            parent.map(|parent| self.stream.containers[parent].keys.clone()).unwrap_or_default();
        if let Some(PathStep::Key(key)) = &step {
            keys.push(key.clone());
        }
        let document = self.stream.documents.len().saturating_sub(1);
        if parent.is_none() {
            let Some(document) = self.stream.documents.last_mut() else {
                return Err(Error::unsupported("a value outside a document", line));
            };
            document.root = Some(index);
        }
        let flow = style == StructureStyle::Flow;
        let (start, column) = (bytes(span).start, span.start.col());
        self.stream.containers.push(Container {
            document,
            parent,
            step,
            keys,
            start,
            column,
            flow,
        });
        self.token(span);
        Ok(index)
    }

    /// Where the next value goes: its container and step, `None` at the root.
    fn place(&mut self, span: &Span) -> Result<Option<(usize, PathStep)>, Error> {
        let line = span.start.line();
        match self.frames.last_mut() {
            None => Ok(None),
            Some(Frame::Map { container, key: Some(key), .. }) => {
                Ok(Some((*container, PathStep::Key(key.clone()))))
            }
            Some(Frame::Map { .. }) => Err(Error::unsupported("a collection as a key", line)),
            Some(Frame::Seq { container, next }) => {
                let (container, step) = (*container, PathStep::Index(*next));
                *next += 1;
                let start = bytes(span).start;
                self.stream.marks.push(Mark {
                    container,
                    step: step.clone(),
                    start,
                    end: start,
                    line,
                    end_line: line,
                    column: span.start.col(),
                });
                Ok(Some((container, step)))
            }
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        tag: Option<Tag>,
        span: &Span,
    ) -> Result<(), Error> {
        self.count()?;
        let text = Zeroizing::new(text.into_owned());
        if let Some(Frame::Map { key: None, .. }) = self.frames.last() {
            return self.key(&text, style, tag, span);
        }
        let line = span.start.line();
        if tag == Some(Tag::Merge) {
            return Err(Error::unsupported("the tag of a merge on a value", line));
        }
        let after = self.last.0;
        let Some((container, step)) = self.place(span)? else {
            // An empty document is a null; any other scalar is no manifest.
            let empty = matches!(resolve(&text, style, tag), Ok(s) if s.kind == ScalarKind::Null);
            if !empty {
                return Err(Error::unsupported("a document that is not a mapping", line));
            }
            self.blank(bytes(span));
            return Ok(());
        };
        let span_bytes = bytes(span);
        if matches!(
            (&step, style),
            (PathStep::Index(_), ScalarStyle::Literal | ScalarStyle::Folded)
        ) {
            self.start_at_header(after, &span_bytes);
        }
        self.token(span);
        self.stream.leaves.push(Leaf {
            container,
            step,
            text,
            style,
            tag,
            span: span_bytes,
            after,
            line,
        });
        self.value_ends();
        Ok(())
    }

    /// An empty root mapping, `{}`, ends here.
    fn blank_root(&mut self, end: &Span) {
        let [Frame::Map { container, seen, .. }] = self.frames.as_slice() else { return };
        if seen.is_empty() {
            let start = self.stream.containers[*container].start;
            self.blank(start..bytes(end).end);
        }
    }

    fn blank(&mut self, range: std::ops::Range<usize>) {
        if let Some(document) = self.stream.documents.last_mut() {
            document.blank = Some(range);
        }
    }

    /// A block scalar's span is its content; as an entry it starts at its header, before a comment
    /// that may stand there.
    fn start_at_header(&mut self, after: usize, content: &std::ops::Range<usize>) {
        let text = self.stream.text;
        let Some(header) = block_header(text, after, content.start) else { return };
        let between = text.get(header.start..content.start).unwrap_or_default();
        let line_start = text[..header.start].rfind('\n').map_or(0, |at| at + 1);
        if let Some(mark) = self.stream.marks.last_mut() {
            mark.start = header.start;
            mark.line -= between.matches('\n').count().min(mark.line.saturating_sub(1));
            mark.column = header.start - line_start;
        }
    }

    fn key(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<Tag>,
        span: &Span,
    ) -> Result<(), Error> {
        let line = span.start.line();
        if text.len() > KEY_BYTES_MAX {
            return Err(Error::TooLarge { what: "a key", limit: KEY_BYTES_MAX });
        }
        let is_text = match tag {
            None => {
                matches!(resolve(text, style, None), Ok(scalar) if scalar.kind == ScalarKind::Str)
            }
            Some(Tag::Str) => true,
            Some(tag) => tag == Tag::Merge && text == MERGE_KEY,
        };
        if !is_text {
            return Err(Error::unsupported("a key that is not plain text", line));
        }
        self.token(span);
        let mark_index = self.stream.marks.len();
        let text: Arc<str> = Arc::from(text);
        let Some(Frame::Map { container, seen, key, mark }) = self.frames.last_mut() else {
            return Ok(());
        };
        let (container, step) = (*container, PathStep::Key(text.clone()));
        if !seen.insert(text.clone()) {
            let path = display_path(&self.stream.path(container, &step));
            return Err(Error::DuplicateKey { path, line });
        }
        *key = Some(text);
        *mark = mark_index;
        let Span { start, end, .. } = span;
        self.stream.marks.push(Mark {
            container,
            step,
            start: bytes(span).start,
            end: bytes(span).end,
            line,
            end_line: end.line(),
            column: start.col(),
        });
        Ok(())
    }

    /// A value of the innermost frame is complete: its entry ends at the last token.
    fn value_ends(&mut self) {
        let mark = match self.frames.last_mut() {
            Some(Frame::Map { key, mark, .. }) => {
                *key = None;
                Some(*mark)
            }
            Some(Frame::Seq { container, next }) => {
                let (container, index) = (*container, PathStep::Index(next.saturating_sub(1)));
                self.stream
                    .marks
                    .iter()
                    .rposition(|mark| mark.container == container && mark.step == index)
            }
            None => None,
        };
        if let Some(mark) = mark.and_then(|mark| self.stream.marks.get_mut(mark)) {
            mark.end = self.last.0.max(mark.start);
            mark.end_line = self.last.1.max(mark.line);
        }
    }
}

fn bytes(span: &Span) -> std::ops::Range<usize> {
    // Byte offsets are always there when the input is a str.
    span.byte_range().unwrap_or_default()
}

fn refuse_anchor(anchor: usize, line: usize) -> Result<(), Error> {
    // SOPS expands and loses them, so that the file would read differently after a round trip.
    if anchor == 0 { Ok(()) } else { Err(Error::unsupported("an anchor or alias", line)) }
}

fn refuse_tag(tag: Option<&granit_parser::Tag>, own: &str, line: usize) -> Result<(), Error> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema_tag(own) => {
            Err(Error::unsupported("a tag of one's own", line))
        }
        _ => Ok(()),
    }
}

fn scalar_tag(tag: &granit_parser::Tag, line: usize) -> Result<Tag, Error> {
    let (handle, suffix) = tag.parts();
    match format!("{handle}{suffix}").strip_prefix("tag:yaml.org,2002:") {
        Some("str") => Ok(Tag::Str),
        Some("int") => Ok(Tag::Int),
        Some("float") => Ok(Tag::Float),
        Some("bool") => Ok(Tag::Bool),
        Some("null") => Ok(Tag::Null),
        Some("timestamp") => Ok(Tag::Timestamp),
        Some("merge") => Ok(Tag::Merge),
        _ => Err(Error::unsupported("a tag of one's own", line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let stream = parse(text).unwrap();
        stream.leaves.iter().map(|l| format!("{}={}", stream.display(l), &*l.text)).collect()
    }

    #[test]
    fn leaves_come_in_document_order_with_their_paths() {
        let text = "a: 1\nb:\n  - x\n  - c: y\n    d: {e: f}\n---\na: 2\n";
        let expected = ["a=1", "b[0]=x", "b[1].c=y", "b[1].d.e=f", "a=2"];
        assert_eq!(paths(text), expected);
        let stream = parse(text).unwrap();
        assert_eq!(stream.aad(&stream.leaves[1]), "b:");
        assert_eq!(stream.aad(&stream.leaves[3]), "b:d:e:");
    }

    #[test]
    fn what_sops_would_lose_or_read_differently_is_refused() {
        let cases = [
            "a: &x 1\nb: *x\n",
            "a: !mine 1\n",
            "a: !!binary aGk=\n",
            "1: a\n",
            "? [a]\n: b\n",
            "!!int 1: a\n",
            "!!merge a: b\n",
            "a: !!merge b\n",
            "x: &x {a: b}\n<<: *x\n",
            "- a\n",
            "text\n",
        ];
        for text in cases {
            let found = parse(text).err();
            assert!(matches!(found, Some(Error::Unsupported { .. })), "{text:?}: {found:?}");
        }
        let twice = parse("a:\n  b: 1\n  b: 2\n").err();
        assert_eq!(twice, Some(Error::DuplicateKey { path: "a.b".to_owned(), line: 3 }));
        assert!(matches!(parse("%YAML 1.2\n---\na: b\n").err(), Some(Error::NotYaml { .. })));
        assert!(matches!(parse("a: [\n").err(), Some(Error::NotYaml { .. })));
    }

    #[test]
    fn g13_merge_keys_and_tagged_keys_are_keys_as_to_sops() {
        let expected = ["data.<<.a=b", "data.!!merge=x", "data.1=y"];
        assert_eq!(paths("data:\n  !!merge <<: {a: b}\n  '!!merge': x\n  !!str 1: y\n"), expected);
        assert_eq!(paths("data:\n  <<:\n    a: b\n"), expected[..1]);
        assert_eq!(paths("<<: [{a: b}, {c: d}]\n"), ["<<[0].a=b", "<<[1].c=d"]);
        let text = "data:\n  <<: {a: b}\n";
        let stream = parse(text).unwrap();
        assert_eq!(stream.aad(&stream.leaves[0]), "data:<<:a:");
    }

    #[test]
    fn g13_a_document_without_an_entry_is_known_by_its_text() {
        let blanks = |text: &str| -> Vec<Option<String>> {
            let stream = parse(text).unwrap();
            let of = |range: &std::ops::Range<usize>| text[range.clone()].to_owned();
            stream.documents.iter().map(|document| document.blank.as_ref().map(of)).collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(blanks("{}\n---\na: b\n"), [some("{}"), None]);
        assert_eq!(blanks("---\n---\na: {}\n"), [some(""), None]);
        assert_eq!(blanks("--- ~ # c\n--- { }\n"), [some("~"), some("{ }")]);
        assert_eq!(blanks("a: b\n---\n"), [None, some("")]);
    }

    #[test]
    fn limits_hold() {
        let deep = |depth: usize| format!("a: {}1{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(parse(&deep(DEPTH_MAX)).is_ok());
        let nesting = Error::TooLarge { what: "the nesting", limit: DEPTH_MAX };
        let block: String = (0..=DEPTH_MAX).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        for text in [deep(DEPTH_MAX + 1), block] {
            assert_eq!(parse(&text).err(), Some(nesting.clone()));
        }
        let wide = format!("a: [{}]", "1,".repeat(NODES_MAX + 1));
        assert!(matches!(parse(&wide).err(), Some(Error::TooLarge { .. })));
        let large = format!("a: {}", "x".repeat(TEXT_BYTES_MAX));
        assert!(matches!(parse(&large).err(), Some(Error::TooLarge { .. })));
        let comments = format!("{}a: b\n", "# x\n".repeat(2000));
        assert_eq!(parse(&comments).unwrap().comments.len(), 2000);
    }
}
