//! Reading 1: a template and values → objects.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::node::{Node, Piece};
use super::{Condition, ITEM, TemplateError};

/// What holes and conditions are answered from.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Values of the installation, complete with their defaults.
    pub values: &'a Value,
    /// Names of neighbours' CustomResourceDefinitions that may be placed.
    pub placeable: &'a BTreeSet<String>,
    item: Option<&'a Value>,
}

impl<'a> Scope<'a> {
    /// A scope outside any `each`.
    pub fn new(values: &'a Value, placeable: &'a BTreeSet<String>) -> Self {
        Self { values, placeable, item: None }
    }

    fn look(&self, path: &str) -> Result<&'a Value, TemplateError> {
        let found = match path {
            ITEM => self.item,
            path => path.split('.').try_fold(self.values, |value, key| value.get(key)),
        };
        found.ok_or_else(|| TemplateError(format!("no value at {path}")))
    }

    fn list(&self, path: &str) -> Result<&'a [Value], TemplateError> {
        let list = self.look(path)?.as_array();
        list.map(Vec::as_slice).ok_or_else(|| TemplateError(format!("no list at {path}")))
    }

    fn holds(&self, condition: &Condition) -> Result<bool, TemplateError> {
        Ok(match condition {
            Condition::Set(path) => is_set(self.look(path)?),
            Condition::Unset(path) => !is_set(self.look(path)?),
            Condition::All(all) => {
                all.iter().try_fold(true, |so_far, c| self.holds(c).map(|holds| so_far && holds))?
            }
            Condition::OwnNamespace => true,
            Condition::Placeable(name) => self.placeable.contains(name),
        })
    }
}

/// Truth as Go's templates see it.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// What `template` says: nothing, one thing, or, from an `each`, many.
pub fn render(template: &Value, scope: Scope<'_>) -> Result<Vec<Value>, TemplateError> {
    Ok(match Node::read(template)? {
        Node::Literal(value) => vec![value.clone()],
        Node::At(path) => vec![scope.look(path)?.clone()],
        Node::Join(pieces) => vec![Value::String(join(&pieces, scope)?)],
        Node::Map(entries) => vec![Value::Object(map(entries, scope)?)],
        Node::List(items) => {
            let items: Result<Vec<Vec<Value>>, TemplateError> =
                items.iter().map(|item| render(item, scope)).collect();
            vec![Value::Array(items?.concat())]
        }
        Node::When(condition, then) if scope.holds(&condition)? => render(then, scope)?,
        Node::When(..) => Vec::new(),
        Node::Each(path, inner) => {
            let each = scope.list(path)?.iter();
            let all: Result<Vec<Vec<Value>>, TemplateError> =
                each.map(|item| render(inner, Scope { item: Some(item), ..scope })).collect();
            all?.concat()
        }
    })
}

fn map(
    entries: &Map<String, Value>,
    scope: Scope<'_>,
) -> Result<Map<String, Value>, TemplateError> {
    let mut made = Map::new();
    for (key, template) in entries {
        let mut found = render(template, scope)?;
        match (found.pop(), found.is_empty()) {
            (None, _) => {}
            (Some(value), true) => {
                made.insert(key.clone(), value);
            }
            (Some(_), false) => {
                return Err(TemplateError(format!("more than one value for {key}")));
            }
        }
    }
    Ok(made)
}

fn join(pieces: &[Piece<'_>], scope: Scope<'_>) -> Result<String, TemplateError> {
    pieces.iter().try_fold(String::new(), |text, piece| {
        Ok(text
            + &match piece {
                Piece::Text(text) => (*text).to_owned(),
                Piece::Json(path) => scope.look(path)?.to_string(),
                Piece::At(path) => match scope.look(path)? {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return Err(TemplateError(format!("no text at {path}"))),
                },
            })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{at, each, item, when};
    use super::*;

    #[test]
    fn holes_are_filled_and_what_does_not_hold_is_absent() {
        let values = json!({ "on": true, "off": "", "names": ["x", "y"], "n": 2 });
        let template = json!({
            "count": at("n"),
            "there": when(&Condition::set("on"), json!(1)),
            "absent": when(&Condition::set("off"), json!(1)),
            "list": ["a", each("names", json!({ "name": item() })), when(&Condition::Unset("on".into()), json!("b"))],
            "text": format!("{} of [\"{}\"], {} of them", item(), at("names"), at("n")),
        });
        let placeable = BTreeSet::new();
        let word = json!("one");
        let scope = Scope { item: Some(&word), ..Scope::new(&values, &placeable) };
        let wanted = json!({
            "count": 2, "there": 1, "list": ["a", { "name": "x" }, { "name": "y" }],
            "text": "one of [\"x\",\"y\"], 2 of them",
        });
        assert_eq!(render(&template, scope).unwrap(), [wanted]);
        assert!(render(&json!(at("nowhere")), scope).is_err());
    }
}
