//! NetworkPolicies: in regent's namespace nothing may connect to anything, but for what these list.
//!
//! ```text
//! every pod                                         → DNS, API server
//! intent                                            → Git
//! who logs in (warden, orchestrator, materializer, publisher) → the authority, embedded or external
//! ```
//!
//! Probes come from the node, which no policy can shut out (Kubernetes, "Network Policies").

use serde_json::{Value, json};

use super::authority::{PORT, embedded};
use super::component::enabled;
use super::metadata::{COMPONENT_LABEL, COMPONENTS, labels_of, meta_named, part_of};
use super::template::{Condition, at, each, item, when};
use regent_types::authority_names::LOGINS;
use regent_types::identity::Identity;

pub(super) fn policies() -> Vec<Value> {
    let on = Condition::set("networkPolicies.enabled");
    let external = Condition::Unset("authority.embedded".into());
    let mut all = vec![(on.clone(), nothing()), (on.clone(), everywhere())];
    all.push((Condition::All(vec![on.clone(), enabled(Identity::Intent)]), git()));
    let own = Condition::All(vec![on.clone(), embedded()]);
    all.extend([(own.clone(), authority()), (own, to_authority())]);
    all.push((Condition::All(vec![on.clone(), external]), to_external()));
    for identity in COMPONENTS {
        let further = Condition::set(&further(identity));
        let there = Condition::All(vec![on.clone(), enabled(identity), further]);
        all.push((there, to_further(identity)));
    }
    all.iter().map(|(condition, policy)| when(condition, policy.clone())).collect()
}

fn policy(name: &str, pods: Value, spec: Value) -> Value {
    let mut spec = spec;
    spec["podSelector"] = pods;
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": meta_named(name), "spec": spec,
    })
}

fn egress(name: &str, pods: Value, rules: Value) -> Value {
    policy(name, pods, json!({ "policyTypes": ["Egress"], "egress": rules }))
}

fn pods_of(identity: Identity) -> Value {
    json!({ "matchLabels": labels_of(identity) })
}

/// The pods of the components that have a role in the authority.
fn logins() -> Value {
    let names: Vec<&str> =
        COMPONENTS.iter().filter(|i| LOGINS.contains(i)).map(|i| i.name()).collect();
    json!({ "matchExpressions": [
        { "key": COMPONENT_LABEL, "operator": "In", "values": names },
    ] })
}

fn nothing() -> Value {
    policy("regent-deny", json!({}), json!({ "policyTypes": ["Ingress", "Egress"] }))
}

fn everywhere() -> Value {
    let dns = json!({ "ports": [
        { "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" },
    ] });
    egress("regent-api-server", json!({ "matchLabels": part_of() }), json!([dns, to("apiServer")]))
}

fn git() -> Value {
    egress("regent-git", pods_of(Identity::Intent), json!([to("git")]))
}

fn authority() -> Value {
    let from = json!([
        { "podSelector": logins() },
        each("networkPolicies.authorityClients", json!(item())),
    ]);
    let spec = json!({
        "policyTypes": ["Ingress"],
        "ingress": [{ "from": from, "ports": [{ "port": PORT, "protocol": "TCP" }] }],
    });
    policy("regent-authority", pods_of(Identity::Authority), spec)
}

fn to_authority() -> Value {
    let rule = json!({
        "to": [{ "podSelector": pods_of(Identity::Authority) }],
        "ports": [{ "port": PORT, "protocol": "TCP" }],
    });
    egress("regent-to-authority", logins(), json!([rule]))
}

fn to_external() -> Value {
    egress("regent-to-external-authority", logins(), json!([to("externalAuthority")]))
}

fn further(identity: Identity) -> String {
    format!("components.{}.egress", identity.name())
}

fn to_further(identity: Identity) -> Value {
    let name = format!("{}-further", identity.account());
    egress(&name, pods_of(identity), json!([each(&further(identity), json!(item()))]))
}

/// A destination of the values; no peers is any.
fn to(name: &str) -> Value {
    let path = |field: &str| format!("networkPolicies.{name}.{field}");
    json!({
        "ports": [each(&path("ports"), json!({ "port": item(), "protocol": "TCP" }))],
        "to": when(&Condition::set(&path("peers")), json!(at(&path("peers")))),
    })
}
