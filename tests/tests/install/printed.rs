//! What `regent install` prints. Needs nothing but the binary.

use serde_json::Value;

use crate::tools::{items, regent, repository, set, stream};

/// C2-4: the same command prints the same objects, as YAML and as JSON, and with no cluster to look at it says what
/// it left out.
#[test]
fn it_prints_the_same_in_yaml_and_json() {
    let json = regent(&["install", "-o", "json"]);
    let yaml = regent(&["install"]);
    assert!(yaml.err.contains("--external-secrets-crds always"), "{}", yaml.err);
    assert_eq!(set(&items(&json.expect())), set(&stream(&yaml.expect())));
    let all = regent(&["install", "--external-secrets-crds", "always", "-o", "json"]);
    let shared =
        |o: &&Value| o["metadata"]["name"].as_str().unwrap().ends_with(".external-secrets.io");
    assert_eq!(items(&all.expect()).iter().filter(shared).count(), 4);
}

/// The workloads of an installation with defaults are under review: `config/workloads.yaml`.
#[test]
fn workloads_are_those_under_review() {
    let golden = std::fs::read_to_string(repository().join("config/workloads.yaml")).unwrap();
    let golden = stream(&golden);
    let all = set(&items(&regent(&["install", "-o", "json"]).expect()));
    for (key, object) in set(&golden) {
        assert_eq!(all.get(&key), Some(&object), "{key}");
    }
    assert!(golden.iter().any(|o| o["kind"] == "StatefulSet"));
}

/// What an uninstall deletes has neither definition nor namespace in it.
#[test]
fn what_may_be_removed_is_printed_apart() {
    let all = items(&regent(&["install", "-o", "json"]).expect());
    let removable = items(&regent(&["install", "--removable", "-o", "json"]).expect());
    let kept = |o: &&Value| o["kind"] == "CustomResourceDefinition" || o["kind"] == "Namespace";
    assert!(!removable.iter().any(|o| kept(&o)));
    assert_eq!(removable.len(), all.len() - all.iter().filter(kept).count());
}

/// Values that cannot be used are refused with what was expected, found and to do, and exit code 2.
#[test]
fn bad_values_are_refused_with_advice() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "components: { warden: { replica: 2 } }\n").unwrap();
    let values = file.path().display().to_string();
    let cases: [&[&str]; 5] = [
        &["--namespace", "Payments"],
        &["--storage-size", "10GB"],
        &["--replicas", "0"],
        &["--image", "regent"],
        &["--values", &values],
    ];
    for case in cases {
        let printed = regent(&[&["install"], case].concat());
        assert!(!printed.fine && printed.out.is_empty(), "{case:?}");
        for word in ["expected", "found", "do"] {
            assert!(printed.err.contains(word), "{case:?}: {}", printed.err);
        }
    }
    let printed = regent(&["install", "--kubeconfig", "/nowhere/kubeconfig"]);
    assert!(!printed.fine && printed.err.contains("Unreachable"), "{}", printed.err);
}
