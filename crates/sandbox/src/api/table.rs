//! Tables for `kubectl get`: the columns of the kind, read with the JSON path subset that printer columns use.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::Cx;
use crate::kinds::Column;

/// A table of `objects`.
pub(super) fn of(cx: &Cx<'_>, objects: &[&Value], rv: Value) -> Value {
    let mut columns = vec![
        json!({ "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 }),
    ];
    columns.extend(cx.kind.columns.iter().map(|c| {
        // Ages of built-in kinds are text; printer columns keep their type.
        let kind = if c.kind == "age" { "string" } else { c.kind.as_str() };
        json!({ "name": c.name, "type": kind, "format": "", "description": "", "priority": c.priority })
    }));
    let now = Timestamp::now();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut cells = vec![object["metadata"]["name"].clone()];
            cells.extend(cx.kind.columns.iter().map(|column| cell(column, object, now)));
            let object = match cx.param("includeObject") {
                Some("None") => Value::Null,
                Some("Object") => Value::clone(object),
                _ => json!({
                    "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": object["metadata"],
                }),
            };
            json!({ "cells": cells, "object": object })
        })
        .collect();
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "Table", "metadata": { "resourceVersion": rv },
        "columnDefinitions": columns, "rows": rows,
    })
}

fn cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    if let Some(path) = column.path.strip_prefix('#') {
        let found = lookup_all(object, path).pop().unwrap_or_default();
        return found.as_object().map_or(0, serde_json::Map::len).into();
    }
    if column.path == "=roleRef" {
        let text = |field: &str| object["roleRef"][field].as_str().unwrap_or_default();
        return format!("{}/{}", text("kind"), text("name")).into();
    }
    match (column.kind.as_str(), lookup(object, &column.path)) {
        ("date" | "age", Some(found)) => age(&found, now).into(),
        (_, Some(found)) => found,
        (_, None) => Value::Null,
    }
}

fn lookup(object: &Value, path: &str) -> Option<Value> {
    let mut found = lookup_all(object, path);
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

fn lookup_all(object: &Value, path: &str) -> Vec<Value> {
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
    found
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

/// How long ago, as kubectl prints it: the finer unit only while the coarser is small.
fn age(value: &Value, now: Timestamp) -> String {
    let then = value.as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let Some(then) = then else { return "<unknown>".into() };
    let seconds = (now.as_second() - then.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |coarse: i64, unit: &str, fine: i64, small: &str| match fine {
        0 => format!("{coarse}{unit}"),
        fine => format!("{coarse}{unit}{fine}{small}"),
    };
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=599 => two(minutes, "m", seconds % 60, "s"),
        600..=10_799 => format!("{minutes}m"),
        10_800..=28_799 => two(hours, "h", minutes % 60, "m"),
        28_800..=172_799 => format!("{hours}h"),
        172_800..=691_199 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
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
