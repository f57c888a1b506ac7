//! Tables for `kubectl get`: the columns of the kind, read with the JSON path subset that printer columns use.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Cx;

/// A table of `objects`.
pub(super) fn of(cx: &Cx<'_>, objects: &[&Value], rv: Value) -> Value {
    let mut columns = vec![
        json!({ "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 }),
    ];
    columns.extend(cx.kind.columns.iter().map(|(name, kind, _)| {
        // Dates are printed as ages here, so they are text there.
        let kind = if kind == "date" { "string" } else { kind };
        json!({ "name": name, "type": kind, "format": "", "description": "", "priority": 0 })
    }));
    let now = Timestamp::now();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut cells = vec![object["metadata"]["name"].clone()];
            cells.extend(cx.kind.columns.iter().map(|(_, kind, path)| {
                let found = lookup(object, path);
                match (kind.as_str(), found) {
                    ("date", Some(found)) => age(&found, now).into(),
                    (_, Some(found)) => found,
                    (_, None) => "".into(),
                }
            }));
            let partial = json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": object["metadata"],
            });
            json!({ "cells": cells, "object": partial })
        })
        .collect();
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "Table", "metadata": { "resourceVersion": rv },
        "columnDefinitions": columns, "rows": rows,
    })
}

/// `.a.b`, `.a[?(@.type=='Ready')].status`, `.a[*].b`.
fn lookup(object: &Value, path: &str) -> Option<Value> {
    let mut found = vec![object.clone()];
    for part in parts(path) {
        let mut next = Vec::new();
        for value in &found {
            match &part {
                Part::Field(name) => next.extend(value.get(name).cloned()),
                Part::All => next.extend(value.as_array().cloned().unwrap_or_default()),
                Part::Where(field, wanted) => next.extend(
                    value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|v| v[field] == wanted.as_str())
                        .cloned(),
                ),
            }
        }
        found = next;
    }
    match found.len() {
        0 => None,
        1 => found.pop().map(plain),
        _ => {
            let all: Vec<String> = found
                .into_iter()
                .map(|v| plain(v).to_string().trim_matches('"').to_owned())
                .collect();
            Some(all.join(",").into())
        }
    }
}

fn plain(value: Value) -> Value {
    if value.is_object() || value.is_array() { value.to_string().into() } else { value }
}

enum Part {
    Field(String),
    All,
    Where(String, String),
}

fn parts(path: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("[*]") {
            parts.push(Part::All);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("[?(@.") {
            let (condition, tail) = tail.split_once(")]").unwrap_or((tail, ""));
            let (field, wanted) = condition.split_once("==").unwrap_or((condition, ""));
            let wanted = wanted.trim_matches(|c| c == '\'' || c == '"');
            parts.push(Part::Where(field.trim().to_owned(), wanted.to_owned()));
            rest = tail;
        } else {
            let tail = rest.strip_prefix('.').unwrap_or(rest);
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            if end > 0 {
                parts.push(Part::Field(tail[..end].to_owned()));
            }
            rest = if end == 0 && !tail.is_empty() && tail == rest { "" } else { &tail[end..] };
        }
    }
    parts
}

/// How long ago, as kubectl prints it.
fn age(value: &Value, now: Timestamp) -> String {
    let then = value.as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let Some(then) = then else { return "<unknown>".into() };
    let seconds = (now.as_second() - then.as_second()).max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printer_columns_are_looked_up() {
        let object = json!({
            "spec": { "steps": [{ "uses": "a" }, { "uses": "b" }] },
            "status": { "n": 3, "conditions": [{ "type": "X" }, { "type": "Ready", "reason": "Fine" }] },
        });
        let cases = [
            (".status.n", Some(json!(3))),
            (".status.conditions[?(@.type=='Ready')].reason", Some(json!("Fine"))),
            (".spec.steps[*].uses", Some(json!("a,b"))),
            (".status.missing", None),
        ];
        for (path, wanted) in cases {
            assert_eq!(lookup(&object, path), wanted, "{path}");
        }
    }
}
