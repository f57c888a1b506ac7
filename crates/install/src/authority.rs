//! The embedded authority: a StatefulSet with a volume of its own, and the one Service through which it is reached.

use serde_json::{Value, json};

use super::metadata::{labels_of, meta};
use super::pod::{self, Process, Volume};
use super::template::{Condition, at, when};
use regent_types::identity::Identity;

/// Where the Vault API is served.
pub(super) const PORT: u16 = 8200;
const DATA: &str = "data";
const DATA_DIR: &str = "/var/lib/regent";
const SNAPSHOTS: &str = "snapshots";
const SNAPSHOTS_DIR: &str = "/var/lib/regent-snapshots";
/// In the values: whose name the claim has, and whether any are taken.
const SNAPSHOTS_CLAIM: &str = "authority.snapshots.claim";
/// Sealed and not initialized are states to work in, for warden: neither unready nor dead.
const HEALTH: &str = "/v1/sys/health?standbyok=true&sealedcode=200&uninitcode=200";
/// Starts may wait this many probes of 5 s for the certificate that warden makes: ten minutes.
const START_PROBES_MAX: u32 = 120;

/// Whether regent's own authority is installed.
pub(super) fn embedded() -> Condition {
    Condition::set("authority.embedded")
}

/// Its Service and StatefulSet.
pub(super) fn objects() -> Vec<Value> {
    vec![when(&embedded(), service()), when(&embedded(), stateful_set())]
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": meta(Identity::Authority),
        "spec": {
            "type": "ClusterIP",
            "selector": labels_of(Identity::Authority),
            "ports": [{ "name": "https", "port": PORT, "targetPort": "https", "protocol": "TCP" }],
        },
    })
}

fn stateful_set() -> Value {
    let identity = Identity::Authority;
    let args = [
        "authority",
        "serve",
        "--data-dir",
        "/var/lib/regent/authority",
        "--listen",
        "0.0.0.0:8200",
        "--tls-dir",
        "/var/run/secrets/regent.dev/tls",
        "--audit-log",
        "-",
    ];
    let there = Condition::set(SNAPSHOTS_CLAIM);
    let snapshots = [
        format!("--snapshot-dir={SNAPSHOTS_DIR}"),
        format!("--snapshot-interval={}", at("authority.snapshots.interval")),
        format!("--snapshot-keep={}", at("authority.snapshots.keep")),
    ];
    let snapshots = snapshots.map(|argument| when(&there, json!(argument)));
    let snapshots_volume = Volume::foreign_claim(SNAPSHOTS, SNAPSHOTS_DIR, SNAPSHOTS_CLAIM);
    let process = Process {
        identity,
        args: args.map(Value::from).into_iter().chain(snapshots).collect(),
        port: ("https", PORT),
        probes: vec![
            ("startupProbe", probe(5, START_PROBES_MAX)),
            ("livenessProbe", probe(10, 6)),
            ("readinessProbe", probe(5, 2)),
        ],
        resources: "authority.resources".into(),
        volumes: vec![
            Volume::account(),
            Volume::tls(),
            Volume::claimed(DATA, DATA_DIR),
            snapshots_volume,
        ],
    };
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta(identity),
        "spec": {
            // One process owns the storage; a second would wait for its lock.
            "replicas": 1,
            "serviceName": identity.account(),
            "revisionHistoryLimit": 3,
            "selector": { "matchLabels": labels_of(identity) },
            "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
            "template": pod::template(&process),
            "volumeClaimTemplates": [{
                "metadata": { "name": DATA, "labels": labels_of(identity) },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": { "requests": { "storage": at("authority.storage.size") } },
                    "storageClassName": when(
                        &Condition::set("authority.storage.className"),
                        json!(at("authority.storage.className")),
                    ),
                },
            }],
        },
    })
}

fn probe(period_s: u32, failures_max: u32) -> Value {
    json!({
        "httpGet": { "path": HEALTH, "port": "https", "scheme": "HTTPS" },
        "periodSeconds": period_s, "timeoutSeconds": 5, "failureThreshold": failures_max,
        "successThreshold": 1,
    })
}
