//! JSON policies to the same tree. serde_json reads; repeated keys are kept, its depth limit holds.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::tree::{At, Field, Item, Node, Problem};

/// The fields of a JSON document.
pub(super) fn parse(text: &str) -> Result<Vec<Field>, Problem> {
    let node: Node = serde_json::from_str(text).map_err(|error| {
        let at = At { line: error.line(), column: error.column() };
        Problem::new(at, format!("not JSON ({:?} error)", error.classify()))
    })?;
    match node {
        Node::Object(fields) => Ok(fields),
        other => {
            Err(Problem::new(At::default(), format!("expected an object, found {}", other.kind())))
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(Item { at: At::default(), node });
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, node)) = entries.next_entry()? {
            let at = At::default();
            fields.push(Field { at, key, value: Item { at, node } });
        }
        Ok(Node::Object(fields))
    }
}
