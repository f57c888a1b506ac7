//! What a piece of a template is: both readings match on this and nothing else.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{CLOSE, Condition, DO, EACH, OPEN, THEN, TemplateError, WHEN};

/// A piece of a template.
pub(super) enum Node<'a> {
    /// A scalar without holes.
    Literal(&'a Value),
    /// A scalar that is one hole: the value keeps its type.
    At(&'a str),
    /// A string with holes in it.
    Join(Vec<Piece<'a>>),
    Map(&'a Map<String, Value>),
    List(&'a [Value]),
    /// There only where the condition holds.
    When(Condition, &'a Value),
    /// Once for each item of a list.
    Each(&'a str, &'a Value),
}

/// A part of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// The text of a value.
    At(&'a str),
    /// A list as JSON.
    Json(&'a str),
}

impl<'a> Node<'a> {
    pub(super) fn read(value: &'a Value) -> Result<Self, TemplateError> {
        Ok(match value {
            Value::Object(map) => {
                if let (Some(condition), Some(then)) = (map.get(WHEN), map.get(THEN)) {
                    let condition = Condition::deserialize(condition)
                        .map_err(|e| TemplateError(format!("{condition}: {e}")))?;
                    Self::When(condition, then)
                } else if let (Some(Value::String(path)), Some(inner)) =
                    (map.get(EACH), map.get(DO))
                {
                    Self::Each(path, inner)
                } else {
                    Self::Map(map)
                }
            }
            Value::Array(items) => Self::List(items),
            Value::String(text) => match *pieces(text)?.as_slice() {
                [] | [Piece::Text(_)] => Self::Literal(value),
                [Piece::At(path)] => Self::At(path),
                _ => Self::Join(pieces(text)?),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Literal(value),
        })
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (path, after) = after
            .split_once(CLOSE)
            .ok_or_else(|| TemplateError(format!("a hole without an end in {text:?}")))?;
        let list = before.strip_suffix("[\"").zip(after.strip_prefix("\"]"));
        let (before, after) = list.unwrap_or((before, after));
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(if list.is_some() { Piece::Json(path) } else { Piece::At(path) });
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    #[test]
    fn a_string_falls_into_texts_holes_and_lists() {
        let text = format!("{}:{} in [\"{}\"]", at("a"), at("b"), at("c"));
        let wanted = [
            Piece::At("a"),
            Piece::Text(":"),
            Piece::At("b"),
            Piece::Text(" in "),
            Piece::Json("c"),
        ];
        assert_eq!(pieces(&text).unwrap(), wanted);
        assert!(pieces("a\u{27e6}b").is_err());
    }
}
