//! Every Kubernetes object of the repository is applied with the real kubectl to the real API server, as somebody would
//! who found it there: nothing is refused, and nothing is warned of.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sources::{self, NAMED, Source, SourceKind};
use crate::tools::{Cluster, Printed, cluster, items, stream};

/// Applies with the strictest reading that kubectl has.
fn apply(cluster: &Cluster, text: &str) -> Printed {
    cluster.kubectl(&["apply", "--server-side", "--validate=strict", "-f", "-"], text)
}

/// Definitions before everything, and whole namespaces before what lies in them.
fn order(source: &Source) -> u8 {
    let objects = stream(&source.text);
    let any = |kind: &str| objects.iter().any(|object| object["kind"] == kind);
    match (any("CustomResourceDefinition"), any("Namespace")) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// What kubectl makes of the text: it reads YAML 1.1, and regent YAML 1.2.
fn read_by_kubectl(cluster: &Cluster, source: &Source) -> Vec<Value> {
    let args = ["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-"];
    let printed = cluster.kubectl(&args, &source.text).expect();
    let first: Value =
        serde_json::Deserializer::from_str(&printed).into_iter().next().unwrap().unwrap();
    match first["kind"] == "List" {
        true => items(&printed),
        false => {
            let all = serde_json::Deserializer::from_str(&printed).into_iter();
            all.map(Result::unwrap).collect()
        }
    }
}

/// The first place where two readings differ; a namespace that kubectl filled in, and how a whole number is written, are
/// no difference.
fn difference(read: &Value, meant: &Value, at: &str) -> Option<String> {
    match (read, meant) {
        (Value::Object(read), Value::Object(meant)) => {
            let keys: BTreeSet<&String> = read.keys().chain(meant.keys()).collect();
            let field = |of: &serde_json::Map<String, Value>, key| {
                of.get(key).unwrap_or(&Value::Null).clone()
            };
            keys.into_iter().filter(|key| !(at == "/metadata" && *key == "namespace")).find_map(
                |key| difference(&field(read, key), &field(meant, key), &format!("{at}/{key}")),
            )
        }
        (Value::Array(read), Value::Array(meant)) if read.len() == meant.len() => {
            let pairs = read.iter().zip(meant).enumerate();
            pairs
                .into_iter()
                .find_map(|(i, (read, meant))| difference(read, meant, &format!("{at}/{i}")))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        _ => (read != meant).then(|| format!("{at}: kubectl reads {read}, regent {meant}")),
    }
}

/// Issue 14.9: a file that is added to the repository is applied without anybody thinking of it.
#[tokio::test(flavor = "multi_thread")]
async fn every_object_of_the_repository_is_taken_as_it_stands() {
    let Some(cluster) = cluster().await else { return };
    cluster.kubectl(&["create", "namespace", NAMED], "").expect();
    let mut all = sources::all();
    for told_apart in all.iter().filter(|s| s.kind != SourceKind::Objects) {
        eprintln!("not applied: {} ({:?})", told_apart.place, told_apart.kind);
    }
    all.retain(|source| source.kind == SourceKind::Objects);
    for args in
        [&["--set", "externalSecretsCrds=always"][..], &["--set", "namespaces={payments}"][..]]
    {
        let text =
            cluster.helm(&[&["template", "regent", "charts/regent"], args].concat()).expect();
        all.push(Source {
            place: format!("the chart with {args:?}"),
            kind: SourceKind::Objects,
            text,
        });
    }
    all.sort_by_key(order);
    let mut wrong = Vec::new();
    let mut defined = false;
    for source in &all {
        if !defined && order(source) > 0 {
            defined = true;
            cluster.wait(&["--for=condition=Established", "crd", "--all"]);
        }
        let printed = apply(&cluster, &source.text);
        if !printed.fine || !printed.err.is_empty() {
            wrong.push(format!("{}: {}", source.place, printed.err));
            continue;
        }
        eprintln!("applied: {}", source.place);
        let (read, meant) = (read_by_kubectl(&cluster, source), stream(&source.text));
        assert_eq!(read.len(), meant.len(), "{}", source.place);
        let differ =
            read.iter().zip(&meant).filter_map(|(read, meant)| difference(read, meant, ""));
        wrong.extend(differ.map(|differ| format!("{}: {differ}", source.place)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn trigger(field: &str) -> String {
    format!(
        "apiVersion: regent.dev/v1alpha1\nkind: EventTrigger\nmetadata: {{name: old, namespace: {NAMED}}}\n\
         spec:\n  {field}: {{stage: Runtime}}\n  select: {{}}\n  workflow: rotate\n"
    )
}

/// Issue 14.9: a manifest from before the field was called `source` is refused, and the API server says what to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_says_on_is_refused_with_the_name_to_write() {
    let Some(cluster) = cluster().await else { return };
    cluster.kubectl(&["create", "namespace", NAMED], "").expect();
    cluster.apply(&cluster.regent(&["install", "--external-secrets-crds", "always"]).expect());
    cluster.wait(&["--for=condition=Established", "crd", "--all"]);
    // Who applies on the server, or strictly, is told of the field that YAML 1.1 made of it.
    let applied = apply(&cluster, &trigger("on"));
    assert!(!applied.fine && applied.err.contains("spec.true"), "{}", applied.err);
    for field in ["on", "\"on\"", "true"] {
        let created = cluster.kubectl(&["create", "--validate=ignore", "-f", "-"], &trigger(field));
        let told = created.err.contains("write what fires it under spec.source");
        assert!(!created.fine && told, "{field}: {}{}", created.out, created.err);
    }
    assert!(apply(&cluster, &trigger("source")).fine);
    assert_eq!(cluster.names("eventtriggers", NAMED), ["old"]);
    let source = cluster.kubectl(&["-n", NAMED, "get", "eventtrigger", "old", "-o", "json"], "");
    let source: Value = serde_json::from_str(&source.expect()).unwrap();
    assert_eq!(source["spec"]["source"], json!({ "stage": "Runtime" }));
}
