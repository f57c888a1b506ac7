//! What an installation consists of: one source for `regent install` and the Helm chart.
//!
//! ```text
//! values       what differs from installation to installation     validation   whether values can be used
//! limits       what values may be                                 metadata labels and names in common
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
mod component;
pub mod definitions;
mod disruption;
pub mod documents;
mod identities;
mod limits;
mod metadata;
mod namespace;
mod network;
mod pod;
pub mod template;
pub mod validation;
pub mod values;

use std::collections::BTreeSet;

use serde_json::Value;

pub use metadata::COMPONENTS;
use template::TemplateError;
use template::render::{Scope, render};
pub use values::Values;

/// Objects that belong together: a template file of the chart.
pub struct Part {
    /// Its file name without the end.
    pub name: &'static str,
    /// Its objects, as templates.
    pub objects: Vec<Value>,
}

/// All parts, in the order in which they are applied.
pub fn parts() -> Result<Vec<Part>, TemplateError> {
    let definitions = definitions::objects().map_err(|e| TemplateError(e.to_string()))?;
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
pub fn objects(values: &Values, placeable: &BTreeSet<String>) -> Result<Vec<Value>, TemplateError> {
    let values = serde_json::to_value(values).map_err(|e| TemplateError(e.to_string()))?;
    let scope = Scope::new(&values, placeable);
    let templates = parts()?.into_iter().flat_map(|part| part.objects);
    let all: Result<Vec<Vec<Value>>, TemplateError> =
        templates.map(|t| render(&t, scope)).collect();
    Ok(all?.concat())
}

#[cfg(test)]
mod tests;
