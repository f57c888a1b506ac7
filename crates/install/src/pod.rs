//! What all pods of regent have in common: nothing but their own identity, and none of root's powers.

use serde_json::{Value, json};

use super::metadata::labels_of;
use super::template::{Condition, at, when};
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_AUDIENCE, AUTHORITY_CA_BUNDLE, AUTHORITY_TLS_SECRET, CA_KEY};

/// The user and group of all processes, and of their volumes.
const USER: u32 = 65_532;
/// Folder of the account's own token, where every Kubernetes client looks for it.
const ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Folder of the token that logs in to the authority.
const AUTHORITY_TOKEN_DIR: &str = "/var/run/secrets/regent.dev/authority";
/// Folder of the certificates that the authority's own is signed by.
const AUTHORITY_CA_DIR: &str = "/var/run/secrets/regent.dev/authority-ca";
/// Folder of the authority's serving certificate.
const TLS_DIR: &str = "/var/run/secrets/regent.dev/tls";
/// Life of the token for the API server; the kubelet renews it at four fifths.
const ACCOUNT_TOKEN_S: u32 = 3_600;
/// Life of the token for the authority (PROTOCOLS.md §3).
const AUTHORITY_TOKEN_S: u32 = 600;

/// A volume and where it is mounted.
pub(super) struct Volume {
    volume: Value,
    mount: Value,
}

impl Volume {
    fn projected(name: &str, folder: &str, sources: Value) -> Self {
        Self {
            // Group-readable: the process is not the owner of what the kubelet writes.
            volume: json!({ "name": name, "projected": { "defaultMode": 0o440, "sources": sources } }),
            mount: json!({ "name": name, "mountPath": folder, "readOnly": true }),
        }
    }

    /// The account's own token, mounted by name: nothing is mounted that is not listed.
    pub(super) fn account() -> Self {
        let sources = json!([
            { "serviceAccountToken": { "path": "token", "expirationSeconds": ACCOUNT_TOKEN_S } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": CA_KEY, "path": CA_KEY }] } },
            { "downwardAPI": { "items": [
                { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
            ] } },
        ]);
        Self::projected("account", ACCOUNT_DIR, sources)
    }

    /// The token that logs in to the authority.
    pub(super) fn authority_token() -> Self {
        let token = json!({
            "path": "token", "audience": AUTHORITY_AUDIENCE, "expirationSeconds": AUTHORITY_TOKEN_S,
        });
        let sources = json!([{ "serviceAccountToken": token }]);
        Self::projected("authority-token", AUTHORITY_TOKEN_DIR, sources)
    }

    /// The certificates that the authority's own is signed by: absent until warden made them.
    pub(super) fn authority_ca() -> Self {
        let sources = json!([{ "configMap": {
            "name": AUTHORITY_CA_BUNDLE, "optional": true, "items": [{ "key": CA_KEY, "path": CA_KEY }],
        } }]);
        Self::projected("authority-ca", AUTHORITY_CA_DIR, sources)
    }

    /// The authority's serving certificate: absent until warden made it.
    pub(super) fn tls() -> Self {
        let sources = json!([{ "secret": { "name": AUTHORITY_TLS_SECRET, "optional": true } }]);
        Self::projected("tls", TLS_DIR, sources)
    }

    /// A folder that may be written, and that is gone with the pod.
    pub(super) fn scratch(name: &str, folder: &str, size_max: &str) -> Self {
        Self {
            volume: json!({ "name": name, "emptyDir": { "sizeLimit": size_max } }),
            mount: json!({ "name": name, "mountPath": folder }),
        }
    }

    /// A claim that somebody else makes, named at `path` of the values; nothing where that is empty.
    pub(super) fn foreign_claim(name: &str, folder: &str, path: &str) -> Self {
        let there = Condition::set(path);
        let claim = json!({ "claimName": at(path) });
        Self {
            volume: when(&there, json!({ "name": name, "persistentVolumeClaim": claim })),
            mount: when(&there, json!({ "name": name, "mountPath": folder })),
        }
    }

    /// A claim that a StatefulSet makes.
    pub(super) fn claimed(name: &str, folder: &str) -> Self {
        Self { volume: Value::Null, mount: json!({ "name": name, "mountPath": folder }) }
    }
}

/// The process in a pod.
pub(super) struct Process {
    pub(super) identity: Identity,
    pub(super) args: Vec<Value>,
    pub(super) port: (&'static str, u16),
    pub(super) probes: Vec<(&'static str, Value)>,
    /// Path of `resources` in the values.
    pub(super) resources: String,
    pub(super) volumes: Vec<Volume>,
}

/// The pod of a process, as a template of a Deployment or StatefulSet.
pub(super) fn template(process: &Process) -> Value {
    let labels = labels_of(process.identity);
    let volumes: Vec<&Value> =
        process.volumes.iter().map(|v| &v.volume).filter(|v| !v.is_null()).collect();
    json!({
        "metadata": {
            "labels": labels,
            "annotations": when(&Condition::set("podAnnotations"), json!(at("podAnnotations"))),
        },
        "spec": {
            "serviceAccountName": process.identity.account(),
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "topologySpreadConstraints": [{
                "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": { "matchLabels": labels },
            }],
            "imagePullSecrets": optional("imagePullSecrets"),
            "priorityClassName": optional("priorityClassName"),
            "nodeSelector": optional("nodeSelector"),
            "tolerations": optional("tolerations"),
            "containers": [container(process)],
            "volumes": volumes,
        },
    })
}

fn container(process: &Process) -> Value {
    let (port, number) = process.port;
    let mounts: Vec<&Value> = process.volumes.iter().map(|v| &v.mount).collect();
    let mut container = json!({
        "name": "regent",
        "image": format!("{}:{}", at("image.repository"), at("image.tag")),
        "imagePullPolicy": at("image.pullPolicy"),
        "args": process.args,
        "env": [
            { "name": "REGENT_LOG", "value": at("log") },
            { "name": "REGENT_LOG_FORMAT", "value": "json" },
            { "name": "POD_NAME", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } } },
        ],
        "ports": [{ "name": port, "containerPort": number, "protocol": "TCP" }],
        "resources": at(&process.resources),
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": mounts,
    });
    for (name, probe) in &process.probes {
        container[*name] = probe.clone();
    }
    container
}

fn optional(path: &str) -> Value {
    when(&Condition::set(path), json!(at(path)))
}
