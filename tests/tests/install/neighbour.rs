//! Beside External Secrets Operator: its definitions and objects are byte-equal before, during and after.

use serde_json::{Value, json};

use crate::tools::{Cluster, cluster};

const SYSTEM: &str = "regent-system";

/// What an operator of another version may have: fields that regent has never heard of.
fn definition(plural: &str, kind: &str, version: &str, scope: &str) -> Value {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let spec = json!({ "type": "object", "properties": {
        "provider": open, "fromTheFuture": { "type": "string", "default": "unknown to regent" },
    }, "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.external-secrets.io"),
            "labels": { "external-secrets.io/component": "controller" },
        },
        "spec": {
            "group": "external-secrets.io", "scope": scope,
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
            "versions": [{
                "name": version, "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": {
                    "type": "object", "properties": { "spec": spec, "status": open },
                } },
            }],
        },
    })
}

fn aws_store() -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
        "metadata": { "name": "aws" },
        "spec": { "provider": { "aws": {
            "service": "SecretsManager", "region": "eu-central-1", "prefix": "teams/",
            "additionalRoles": ["arn:aws:iam::123456789012:role/x"],
            "sessionTags": [{ "key": "a", "value": "b" }],
        } } },
    })
}

fn push_secret() -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": { "name": "to-aws", "namespace": "default" },
        "spec": {
            "secretStoreRefs": [{ "name": "aws", "kind": "ClusterSecretStore" }],
            "selector": { "secret": { "name": "source" } },
            "data": [{ "match": { "secretKey": "k", "remoteRef": { "remoteKey": "r" } },
                "metadata": { "kind": "PushSecretMetadata", "spec": { "kmsKeyID": "x" } } }],
            "updatePolicy": "Replace",
        },
    })
}

/// All of the neighbour's, as the API server answers it.
fn everything(cluster: &Cluster) -> Vec<String> {
    let mut paths = vec![
        "/apis/external-secrets.io/v1/clustersecretstores/aws".to_owned(),
        "/apis/external-secrets.io/v1alpha1/namespaces/default/pushsecrets/to-aws".to_owned(),
    ];
    for (plural, ..) in KINDS {
        paths.push(format!(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.external-secrets.io"
        ));
    }
    paths.iter().map(|path| cluster.raw(path)).collect()
}

const KINDS: [(&str, &str, &str, &str); 4] = [
    ("externalsecrets", "ExternalSecret", "v1", "Namespaced"),
    ("secretstores", "SecretStore", "v1", "Namespaced"),
    ("clustersecretstores", "ClusterSecretStore", "v1", "Cluster"),
    ("pushsecrets", "PushSecret", "v1alpha1", "Namespaced"),
];

/// Issue 9.4: a neighbour's definitions, an AWS store and its PushSecret are byte-equal before, during and after
/// installation and uninstallation, both ways of installing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_neighbour_is_touched() {
    let Some(cluster) = cluster().await else { return };
    for (plural, kind, version, scope) in KINDS {
        cluster.apply(&definition(plural, kind, version, scope).to_string());
        cluster.wait(&[
            "--for=condition=Established",
            "crd",
            &format!("{plural}.external-secrets.io"),
        ]);
    }
    cluster.apply(&aws_store().to_string());
    cluster.apply(&push_secret().to_string());
    let before = everything(&cluster);

    cluster.apply(&cluster.regent(&["install"]).expect());
    assert_eq!(everything(&cluster), before);
    let removable = cluster.regent(&["install", "--removable"]).expect();
    cluster.kubectl(&["delete", "-f", "-"], &removable).expect();
    assert_eq!(everything(&cluster), before);

    let release = ["regent", "charts/regent", "--namespace", SYSTEM];
    let helm = |verb: &[&str]| cluster.helm(&[verb, &release].concat()).expect();
    helm(&["install", "--take-ownership"]);
    assert_eq!(everything(&cluster), before);
    helm(&["upgrade"]);
    assert_eq!(everything(&cluster), before);
    cluster.helm(&["uninstall", "regent", "--namespace", SYSTEM]).expect();
    assert_eq!(everything(&cluster), before);
}

/// Issue 9.4: under definitions that regent placed a store of another provider keeps every field.
#[tokio::test(flavor = "multi_thread")]
async fn regents_own_definitions_keep_unknown_provider_fields() {
    let Some(cluster) = cluster().await else { return };
    cluster.apply(&cluster.regent(&["install"]).expect());
    for (plural, ..) in KINDS {
        cluster.wait(&[
            "--for=condition=Established",
            "crd",
            &format!("{plural}.external-secrets.io"),
        ]);
    }
    for (object, path) in [
        (aws_store(), "/apis/external-secrets.io/v1/clustersecretstores/aws"),
        (push_secret(), "/apis/external-secrets.io/v1alpha1/namespaces/default/pushsecrets/to-aws"),
    ] {
        cluster.apply(&object.to_string());
        let stored: Value = serde_json::from_str(&cluster.raw(path)).unwrap();
        assert_eq!(stored["spec"], object["spec"]);
    }
}
