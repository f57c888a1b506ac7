//! Reading 2: a template → the text of a Helm template. What it prints is YAML whose holes are Go actions; maps are
//! sorted, so that the text is the same wherever it is made.

use serde_json::{Map, Value};

use super::node::{Node, Piece};
use super::{Condition, ITEM, TemplateError};
use regent_types::labels::SYSTEM_NAMESPACE;

/// Definitions that the printed templates call: what [`Condition::Placeable`] is to Helm. A neighbour's definition
/// is placed where the cluster was looked at and has none, or has the one that regent placed; `lookup` finds
/// nothing at all where there is no cluster to look at, so a namespace that every cluster has is looked up first.
pub const HELPERS: &str = r#"{{- define "regent.placeable" -}}
{{- $mode := (index . 0).Values.externalSecretsCrds -}}
{{- if eq $mode "always" -}}
true
{{- else if eq $mode "auto" -}}
{{- if lookup "v1" "Namespace" "" "kube-system" -}}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" (index . 1) -}}
{{- if not $found -}}
true
{{- else if eq (dig "metadata" "labels" "app.kubernetes.io/part-of" "" $found) "regent" -}}
true
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
"#;

type Lines = Vec<String>;

/// The text of a template file with these objects.
pub fn file(objects: &[Value]) -> Result<String, TemplateError> {
    let mut lines = Vec::new();
    for object in objects {
        document(object, &mut lines)?;
    }
    Ok(lines.join("\n") + "\n")
}

fn document(object: &Value, lines: &mut Lines) -> Result<(), TemplateError> {
    match Node::read(object)? {
        Node::Map(entries) => {
            lines.push("---".into());
            map(entries, 0, lines)
        }
        node => around(node, 0, lines, &|inner, lines| document(inner, lines)),
    }
}

/// The action lines around what is conditional or repeated.
fn around(
    node: Node<'_>,
    indent: usize,
    lines: &mut Lines,
    print: &dyn Fn(&Value, &mut Lines) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    let (action, inner) = match node {
        Node::When(condition, then) => (format!("if {}", expression(&condition)), then),
        Node::Each(path, inner) => (format!("range {}", value(path)), inner),
        _ => return Err(TemplateError("an object that is not a map".into())),
    };
    let margin = " ".repeat(indent);
    lines.push(format!("{margin}{{{{- {action} }}}}"));
    print(inner, lines)?;
    lines.push(format!("{margin}{{{{- end }}}}"));
    Ok(())
}

fn map(
    entries: &Map<String, Value>,
    indent: usize,
    lines: &mut Lines,
) -> Result<(), TemplateError> {
    let mut sorted: Vec<(&String, &Value)> = entries.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    sorted.into_iter().try_for_each(|(key, value)| entry(key, value, indent, lines))
}

fn entry(key: &str, value: &Value, indent: usize, lines: &mut Lines) -> Result<(), TemplateError> {
    let head = format!("{}{}:", " ".repeat(indent), scalar(&Value::from(key)));
    match Node::read(value)? {
        Node::Map(entries) if !entries.is_empty() => {
            lines.push(head);
            map(entries, indent + 2, lines)
        }
        Node::List(items) if !items.is_empty() => {
            lines.push(head);
            items.iter().try_for_each(|value| item(value, indent, lines))
        }
        node @ Node::When(..) => {
            around(node, indent, lines, &|inner, lines| entry(key, inner, indent, lines))
        }
        Node::Each(..) => Err(TemplateError(format!("more than one value for {key}"))),
        node => {
            lines.push(format!("{head} {}", inline(&node)?));
            Ok(())
        }
    }
}

fn item(value: &Value, indent: usize, lines: &mut Lines) -> Result<(), TemplateError> {
    let margin = " ".repeat(indent);
    match Node::read(value)? {
        Node::Map(entries) if !entries.is_empty() => {
            let mut inner = Vec::new();
            map(entries, indent + 2, &mut inner)?;
            let first = inner.first().map(|line| line.trim_start()).unwrap_or_default();
            if first.starts_with("{{") {
                return Err(TemplateError(format!(
                    "an item that begins with a condition: {first}"
                )));
            }
            lines.push(format!("{margin}- {first}"));
            lines.extend(inner.into_iter().skip(1));
            Ok(())
        }
        node @ (Node::When(..) | Node::Each(..)) => {
            around(node, indent, lines, &|inner, lines| item(inner, indent, lines))
        }
        Node::List(items) if !items.is_empty() => Err(TemplateError("a list in a list".into())),
        node => {
            lines.push(format!("{margin}- {}", inline(&node)?));
            Ok(())
        }
    }
}

/// What fits on the line of its key.
fn inline(node: &Node<'_>) -> Result<String, TemplateError> {
    Ok(match node {
        Node::Literal(value) => scalar(value),
        Node::At(path) => format!("{{{{ {} | toJson }}}}", value(path)),
        Node::Join(pieces) => joined(pieces),
        Node::Map(entries) if entries.is_empty() => "{}".into(),
        Node::List([]) => "[]".into(),
        Node::Map(_) | Node::List(_) | Node::When(..) | Node::Each(..) => {
            return Err(TemplateError("more than fits on a line".into()));
        }
    })
}

fn joined(pieces: &[Piece<'_>]) -> String {
    let (mut format, mut arguments) = (String::new(), String::new());
    for piece in pieces {
        match piece {
            Piece::Text(text) => format.push_str(&text.replace('%', "%%")),
            // A text as it is, a number as it is written.
            Piece::At(path) => {
                format.push_str("%v");
                arguments.push_str(&format!(" {}", value(path)));
            }
            Piece::Json(path) => {
                format.push_str("%s");
                arguments.push_str(&format!(" (toJson {})", value(path)));
            }
        }
    }
    // A JSON string is a Go string; braces in it end no action, since they are inside its quotes.
    format!("{{{{ printf {}{arguments} | toJson }}}}", Value::from(format))
}

fn value(path: &str) -> String {
    if path == ITEM { ITEM.into() } else { format!("$.Values.{path}") }
}

fn expression(condition: &Condition) -> String {
    match condition {
        Condition::Set(path) => value(path),
        Condition::Unset(path) => format!("not {}", value(path)),
        Condition::All(all) => {
            let all: Vec<String> = all.iter().map(|c| format!("({})", expression(c))).collect();
            format!("and {}", all.join(" "))
        }
        Condition::OwnNamespace => format!("ne $.Release.Namespace {SYSTEM_NAMESPACE:?}"),
        Condition::Placeable(name) => format!("include \"regent.placeable\" (list $ {name:?})"),
    }
}

/// A scalar in YAML: bare where nothing else could be meant, else as JSON. `{{` would begin an action.
pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_bare(text) => text.clone(),
        value => value.to_string().replace("{{", "{{ \"{{\" }}"),
    }
}

fn is_bare(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let inside = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(inside)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{at, each, item, when};
    use super::*;

    #[test]
    fn holes_become_actions_and_the_rest_is_plain_yaml() {
        let object = json!({
            "a": [{ "b": at("x.y"), "c": when(&Condition::set("z"), json!({ "d": "on" })) }],
            "e": [each("names", json!(item())), "two words"],
            "f": format!("{}:100%{{{{", at("i")),
            "g": "{{ literal }}",
        });
        let wanted = r#"---
a:
- b: {{ $.Values.x.y | toJson }}
  {{- if $.Values.z }}
  c:
    d: "on"
  {{- end }}
e:
{{- range $.Values.names }}
- {{ . | toJson }}
{{- end }}
- "two words"
f: {{ printf "%v:100%%{{" $.Values.i | toJson }}
g: "{{ "{{" }} literal }}"
"#;
        assert_eq!(file(&[object]).unwrap(), wanted);
    }
}
