//! Install, upgrade and uninstall on a real API server with its controllers.

use serde_json::{Value, json};

use crate::tools::{Cluster, cluster, items};

const SYSTEM: &str = "regent-system";
const CLAIM: &str = "data-regent-authority-0";
/// A definition that the older version of regent in these tests did not know a field of.
const OLDER: (&str, &str) = ("runtimesecrets.regent.dev", "consumers");

/// Waits until the controllers made a pod of each workload: the namespace accepts no pod that is not restricted.
fn pods_are_made(cluster: &Cluster) {
    for deployment in cluster.names("deployments", SYSTEM) {
        let selector = format!("app.kubernetes.io/component={}", &deployment["regent-".len()..]);
        cluster.wait(&["-n", SYSTEM, "--for=create", "pod", "-l", &selector]);
    }
    cluster.wait(&["-n", SYSTEM, "--for=create", "pod/regent-authority-0"]);
    cluster.wait(&["-n", SYSTEM, "--for=create", &format!("persistentvolumeclaim/{CLAIM}")]);
}

/// The definition as an older version had it: without one optional field.
fn older(objects: &[Value]) -> Value {
    let found = objects.iter().find(|o| o["metadata"]["name"] == OLDER.0).unwrap();
    let mut object = found.clone();
    let spec =
        object.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    assert!(spec["properties"].as_object_mut().unwrap().remove(OLDER.1).is_some());
    object
}

fn runtime_secret() -> Value {
    json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
        "metadata": { "name": "kept", "namespace": "payments" },
        "spec": {
            "owner": "payments team", "purpose": "to outlive an upgrade",
            "introduce": { "generate": { "keys": { "password": { "length": 32 } } } },
        },
    })
}

/// Issue 9.4, S5.3-1: accepted without a warning, upgraded without touching an object, and what an uninstall leaves
/// is there afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn objects_and_data_outlive_upgrade_and_uninstall() {
    let Some(cluster) = cluster().await else { return };
    cluster.kubectl(&["create", "namespace", "payments"], "").expect();
    let install = ["install", "--namespace", "payments"];
    let all = items(&cluster.regent(&[&install[..], &["-o", "json"]].concat()).expect());

    cluster.apply(&older(&all).to_string());
    cluster.wait(&["--for=condition=Established", "crd", OLDER.0]);
    cluster.apply(&runtime_secret().to_string());
    let object = "/apis/regent.dev/v1alpha1/namespaces/payments/runtimesecrets/kept";
    let before = cluster.raw(object);

    let stream = cluster.regent(&install).expect();
    cluster.apply(&stream);
    assert_eq!(cluster.raw(object), before);
    let crd = cluster
        .raw(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}", OLDER.0));
    assert!(crd.contains(&format!("\"{}\":", OLDER.1)));
    pods_are_made(&cluster);

    // The second time changes nothing, and the chart says the same.
    let generation = "/apis/apps/v1/namespaces/regent-system/deployments/regent-materializer";
    cluster.apply(&stream);
    let chart = [
        "template",
        "regent",
        "charts/regent",
        "--dry-run=server",
        "--set",
        "namespaces={payments}",
    ];
    cluster.apply(&cluster.helm(&chart).expect());
    let deployment: Value = serde_json::from_str(&cluster.raw(generation)).unwrap();
    assert_eq!(deployment["metadata"]["generation"], 1);

    let removable = cluster.regent(&[&install[..], &["--removable"]].concat()).expect();
    cluster.kubectl(&["delete", "-f", "-"], &removable).expect();
    assert_eq!(cluster.raw(object), before);
    still_there(&cluster);
}

/// What an uninstall leaves, and what it does not.
fn still_there(cluster: &Cluster) {
    assert_eq!(cluster.names("persistentvolumeclaims", SYSTEM), [CLAIM]);
    // What is being deleted is still listed for a moment, with the time at which that began.
    let left = ["customresourcedefinitions,namespaces,persistentvolumeclaims", "-n", SYSTEM];
    let all = items(&cluster.kubectl(&[&["get", "-o", "json"], &left[..]].concat(), "").expect());
    assert!(all.iter().all(|o| o["metadata"]["deletionTimestamp"].is_null()), "{all:?}");
    let definitions = all.iter().filter(|o| o["kind"] == "CustomResourceDefinition").count();
    assert_eq!(definitions, regent_api::all_crds().len());
    for kind in [
        "deployments",
        "statefulsets",
        "services",
        "networkpolicies",
        "roles",
        "poddisruptionbudgets",
    ] {
        assert_eq!(cluster.names(kind, SYSTEM), Vec::<String>::new(), "{kind}");
    }
    assert_eq!(cluster.names("rolebindings", "payments"), Vec::<String>::new());
    let policies = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];
    for kind in ["clusterroles", "clusterrolebindings"].into_iter().chain(policies) {
        let args = ["get", kind, "-l", "app.kubernetes.io/part-of=regent", "-o", "name"];
        assert_eq!(cluster.kubectl(&args, "").expect(), "", "{kind}");
    }
}

/// The same through Helm: its release holds the definitions, upgrades them and leaves them.
#[tokio::test(flavor = "multi_thread")]
async fn helm_installs_upgrades_and_leaves_the_same() {
    let Some(cluster) = cluster().await else { return };
    cluster.kubectl(&["create", "namespace", "payments"], "").expect();
    let values = ["--namespace", SYSTEM, "--set", "namespaces={payments}"];
    let helm = |verb: &[&str]| cluster.helm(&[verb, &values].concat()).expect();
    helm(&["install", "regent", "charts/regent", "--create-namespace"]);
    pods_are_made(&cluster);
    cluster.wait(&["--for=condition=Established", "crd", OLDER.0]);
    cluster.apply(&runtime_secret().to_string());
    let object = "/apis/regent.dev/v1alpha1/namespaces/payments/runtimesecrets/kept";
    let before = cluster.raw(object);
    let definitions = cluster.names("customresourcedefinitions", SYSTEM);
    assert_eq!(definitions.len(), regent_api::all_crds().len());

    // Shared definitions that regent placed stay part of the release: the next version's are upgraded too.
    helm(&["upgrade", "regent", "charts/regent"]);
    let release = cluster.helm(&["get", "manifest", "regent", "--namespace", SYSTEM]).expect();
    assert!(release.contains("name: externalsecrets.external-secrets.io"));

    cluster.helm(&["uninstall", "regent", "--namespace", SYSTEM]).expect();
    assert_eq!(cluster.names("customresourcedefinitions", SYSTEM), definitions);
    assert_eq!(cluster.raw(object), before);
    still_there(&cluster);
}
