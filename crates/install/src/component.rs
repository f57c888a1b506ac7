//! A Deployment for each component: `regent run NAME` under its own account.

use serde_json::{Value, json};

use super::metadata::{COMPONENTS, labels_of, meta};
use super::pod::{self, Process, Volume};
use super::template::{Condition, at, each, item, when};
use regent_types::authority_names::LOGINS;
use regent_types::identity::Identity;

/// Where a component answers probes.
const HEALTH_PORT: u16 = 8081;
/// Bare copies of remote repositories, and what is fetched at the moment.
const CACHE_SIZE_MAX: &str = "2Gi";

/// Deployments of all components.
pub(super) fn deployments() -> Vec<Value> {
    COMPONENTS.into_iter().map(deployment).collect()
}

/// Whether the component is installed.
pub(super) fn enabled(identity: Identity) -> Condition {
    Condition::Set(format!("components.{}.enabled", identity.name()))
}

fn deployment(identity: Identity) -> Value {
    let path = |field: &str| format!("components.{}.{field}", identity.name());
    let process = Process {
        identity,
        args: vec![json!("run"), json!(identity.name()), each(&path("args"), json!(item()))],
        port: ("health", HEALTH_PORT),
        probes: vec![("livenessProbe", probe("/livez")), ("readinessProbe", probe("/readyz"))],
        resources: path("resources"),
        volumes: volumes(identity),
    };
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(identity),
        "spec": {
            "replicas": at(&path("replicas")),
            "revisionHistoryLimit": 3,
            "selector": { "matchLabels": labels_of(identity) },
            // A new pod waits for the Lease of the old one, so that both may be there at once.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "template": pod::template(&process),
        },
    });
    when(&enabled(identity), object)
}

fn volumes(identity: Identity) -> Vec<Volume> {
    let mut volumes = vec![Volume::account()];
    if LOGINS.contains(&identity) {
        volumes.extend([Volume::authority_token(), Volume::authority_ca()]);
    }
    if identity == Identity::Intent {
        volumes.push(Volume::scratch("cache", "/var/cache/regent", CACHE_SIZE_MAX));
    }
    volumes
}

fn probe(path: &str) -> Value {
    json!({
        "httpGet": { "path": path, "port": "health", "scheme": "HTTP" },
        "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3, "successThreshold": 1,
    })
}
