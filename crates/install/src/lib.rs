//! What an installation consists of: one source for `regent install` and the Helm chart.
//!
//! ```text
//! values       what differs from installation to installation     bounds   what values may be
//! template/    objects with holes, and their two readings
//! namespace    definitions (CRDs)    identities (accounts, RBAC)  network  who may talk to whom
//! admission    the write paths that the API server enforces
//! authority    StatefulSet, Service  component (Deployments)      pod      what all pods have in common
//! disruption   how many pods may be missing
//! documents    values.yaml, its schema and its table
//! ```
//!
//! `access/` is the one table of who may do what; all of RBAC, authority policies and admission come from it.
//!
//! [`parts`] is the one list; [`objects`] reads it with values, the chart's generator reads it as Helm templates.

pub mod access;
mod admission;
mod authority;
pub mod bounds;
mod component;
pub mod definitions;
mod disruption;
pub mod documents;
mod identities;
mod namespace;
mod network;
mod pod;
pub mod template;
pub mod values;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use template::Broken;
use template::render::{Scope, render};
pub use values::Values;

/// The components, each a Deployment, in the order in which they become active (C4-2).
pub const COMPONENTS: [Identity; 7] = [
    Identity::Intent,
    Identity::Bootstrap,
    Identity::Warden,
    Identity::Orchestrator,
    Identity::Triggers,
    Identity::Materializer,
    Identity::Publisher,
];
const REGENT: &str = regent_types::labels::REGENT;
const PART_OF_LABEL: &str = regent_types::labels::PART_OF;
const COMPONENT_LABEL: &str = "app.kubernetes.io/component";

/// Objects that belong together: a template file of the chart.
pub struct Part {
    /// Its file name without the end.
    pub name: &'static str,
    /// Its objects, as templates.
    pub objects: Vec<Value>,
}

/// All parts, in the order in which they are applied.
pub fn parts() -> Result<Vec<Part>, Broken> {
    let definitions = definitions::objects().map_err(|e| Broken(e.to_string()))?;
    let part = |name, objects| Part { name, objects };
    Ok(vec![
        part("namespace", namespace::objects()),
        part("definitions", definitions),
        part("identities", identities::objects()),
        // In force before anything that they bind runs.
        part("admission", admission::objects()),
        part("network-policies", network::policies()),
        part("authority", authority::objects()),
        part("components", component::deployments()),
        part("disruption-budgets", disruption::budgets()),
    ])
}

/// What is installed with `values`, in the order in which it is applied. Of the definitions in
/// [`definitions::shared`] only those that are `placeable`.
pub fn objects(values: &Values, placeable: &BTreeSet<String>) -> Result<Vec<Value>, Broken> {
    let values = serde_json::to_value(values).map_err(|e| Broken(e.to_string()))?;
    let scope = Scope::new(&values, placeable);
    let templates = parts()?.into_iter().flat_map(|part| part.objects);
    let all: Result<Vec<Vec<Value>>, Broken> = templates.map(|t| render(&t, scope)).collect();
    Ok(all?.concat())
}

fn part_of() -> Value {
    json!({ PART_OF_LABEL: REGENT })
}

/// Labels of the pods of `identity`, by which they are selected.
fn labels_of(identity: Identity) -> Value {
    json!({ PART_OF_LABEL: REGENT, COMPONENT_LABEL: identity.name() })
}

/// Metadata of the workload of `identity` and of what belongs to it.
fn meta(identity: Identity) -> Value {
    json!({ "name": identity.account(), "namespace": SYSTEM_NAMESPACE, "labels": labels_of(identity) })
}

fn meta_named(name: &str) -> Value {
    json!({ "name": name, "namespace": SYSTEM_NAMESPACE, "labels": part_of() })
}

#[cfg(test)]
mod tests;
