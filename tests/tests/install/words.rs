//! No name of ours is a word that YAML 1.1 takes for something else: kubectl, Helm, Flux and Argo CD read it (through
//! `sigs.k8s.io/yaml`, which keeps the resolver of go-yaml 2), and make of a field `on` a field `true`. Needs nothing.

use serde_json::{Value, json};

use regent_api::all_crds;
use regent_install::{Values, documents};

/// Words for null, booleans and the rest, as `resolve.go` of go-yaml 2 lists them.
const WORDS: [&str; 43] = [
    "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on",
    "On", "ON", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "<<",
    ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf",
    "-.INF", "=", ".", "-",
];

/// Whether a reader of YAML 1.1 takes the plain text for anything but text, or does not take it at all.
fn is_retyped(text: &str) -> bool {
    WORDS.contains(&text) || is_number(text) || is_sexagesimal(text) || is_date(text)
}

/// Integers of base 2, 8, 10 and 16, and decimals; underscores do not count.
fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let based = [("0b", 2), ("0o", 8), ("0x", 16), ("0X", 16)]
        .iter()
        .any(|(prefix, base)| unsigned.strip_prefix(prefix).is_some_and(|d| is_of_base(d, *base)));
    let starts = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    based || (starts && unsigned.parse::<f64>().is_ok())
}

fn is_of_base(digits: &str, base: u32) -> bool {
    !digits.is_empty() && digits.chars().all(|c| c.is_digit(base))
}

/// `12:30:45`, which YAML 1.1 counts to the base of 60.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.strip_prefix(['+', '-']).unwrap_or(text).split(':');
    let first = parts.next().unwrap_or_default().replace('_', "");
    let rest: Vec<&str> = parts.collect();
    let counts = |part: &&str| {
        part.trim_end_matches(['.', '0']).len() <= 2 && part.parse::<f64>().is_ok_and(|n| n < 60.0)
    };
    is_of_base(&first, 10) && !rest.is_empty() && rest.iter().all(counts)
}

/// `2001-12-14` and what begins like it.
fn is_date(text: &str) -> bool {
    let day = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = day.split('-').collect();
    parts.len() == 3 && parts[0].len() == 4 && parts.iter().all(|part| is_of_base(part, 10))
}

#[test]
fn the_reader_is_known() {
    let retyped = [
        "y",
        "n",
        "yes",
        "No",
        "on",
        "OFF",
        "~",
        "null",
        "",
        "0644",
        "0o7",
        "1_000",
        "0x1F",
        "0b10",
        "-7",
        "+1",
        "1e3",
        ".5",
        "6.",
        "12:30",
        "190:20:30",
        "2001-12-14",
        "2001-12-14T21:59:43Z",
        ".inf",
        "<<",
    ];
    for text in retyped {
        assert!(is_retyped(text), "{text:?}");
    }
    let text = [
        "source",
        "onto",
        "nothing",
        "yEs",
        "oN",
        "0xg",
        "a1",
        "v1",
        "1Gi",
        "10m",
        "1:a",
        "e3",
        "None",
        "Allow",
        "time-based",
    ];
    for text in text {
        assert!(!is_retyped(text), "{text:?}");
    }
}

/// Every word at `at` and below that YAML 1.1 would take for something else: fields, enum values, defaults.
fn retyped(schema: &Value, at: &str, found: &mut Vec<String>) {
    let mut judge = |what: &str, word: &str| {
        if is_retyped(word) && !(what == "default" && word.is_empty()) {
            found.push(format!("{at}: {what} {word:?}"));
        }
    };
    for (field, _) in fields(schema) {
        judge("field", field);
    }
    let words = ["enum", "required", "default", "const"].map(|what| (what, texts(&schema[what])));
    for (what, words) in &words {
        words.iter().for_each(|word| judge(what, word));
    }
    for (field, schema) in fields(schema) {
        retyped(schema, &format!("{at}.{field}"), found);
    }
    for below in ["items", "additionalProperties", "not"] {
        if schema[below].is_object() {
            retyped(&schema[below], &format!("{at}[]"), found);
        }
    }
    for below in ["oneOf", "anyOf", "allOf"] {
        for schema in schema[below].as_array().into_iter().flatten() {
            retyped(schema, at, found);
        }
    }
}

fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    ["properties", "definitions", "$defs"]
        .into_iter()
        .flat_map(|of| schema[of].as_object())
        .flatten()
}

/// All texts in a value, names of fields too.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(k, v)| std::iter::once(k.clone()).chain(texts(v))).collect()
        }
        _ => Vec::new(),
    }
}

/// The walk sees a word wherever a schema may have it.
#[test]
fn a_planted_word_is_found() {
    let planted = [
        json!({ "properties": { "a": { "properties": { "on": {} } } } }),
        json!({ "items": { "enum": ["Fine", "off"] } }),
        json!({ "additionalProperties": { "default": { "y": [1] } } }),
        json!({ "anyOf": [{ "properties": { "mode": { "default": "0644" } } }] }),
    ];
    for schema in planted {
        let mut found = Vec::new();
        retyped(&schema, "planted", &mut found);
        assert_eq!(found.len(), 1, "{schema}: {found:?}");
    }
}

/// Issue 14.9: the fields and values of all kinds, and the names by which they are asked for.
#[test]
fn no_kind_has_a_word_that_yaml_reads_otherwise() {
    let mut found = Vec::new();
    for crd in all_crds() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let crd = serde_json::to_value(&crd).unwrap();
        let names = texts(&crd["spec"]["names"]);
        found.extend(
            names
                .iter()
                .filter(|word| is_retyped(word))
                .map(|word| format!("{name}: name {word:?}")),
        );
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let schema = &version["schema"]["openAPIV3Schema"];
            assert!(schema["properties"]["spec"].is_object(), "{name}");
            retyped(schema, &name, &mut found);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The same of the values of an installation, and of their defaults.
#[test]
fn no_value_of_an_installation_is_a_word_that_yaml_reads_otherwise() {
    let mut found = Vec::new();
    let schema = documents::schema();
    assert!(schema["properties"]["namespaces"].is_object());
    retyped(&schema, "values", &mut found);
    let defaults = texts(&serde_json::to_value(Values::default()).unwrap());
    found.extend(defaults.into_iter().filter(|word| !word.is_empty() && is_retyped(word)));
    assert!(found.is_empty(), "{found:#?}");
}
