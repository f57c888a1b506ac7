//! Lists: selected, in pages.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

use super::form::Form;
use super::select::Selector;
use super::{Cx, table};
use crate::status::Failure;

/// The objects of the collection that the selectors match, and the version they are of.
pub(super) fn selected(cx: &Cx<'_>) -> Result<(Vec<Arc<Value>>, u64), Failure> {
    let selector = selector(cx)?;
    let namespace = Some(cx.target.namespace.as_str()).filter(|n| !n.is_empty());
    let (mut items, rv) = cx.state.store.list(&cx.kind.resource(), namespace);
    items.retain(|object| selector.matches(object));
    Ok((items, rv))
}

pub(super) fn selector(cx: &Cx<'_>) -> Result<Selector, Failure> {
    let labels = cx.param("labelSelector").unwrap_or_default();
    Selector::parse(labels, cx.param("fieldSelector").unwrap_or_default())
}

pub(super) fn answer(cx: &Cx<'_>) -> Result<Response, Failure> {
    let (items, rv) = selected(cx)?;
    let start = page_start(cx, &items)?;
    let limit = cx.param("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0);
    let end = limit.map_or(items.len(), |limit: usize| (start + limit).min(items.len()));
    let page = &items[start..end];
    let mut metadata = json!({ "resourceVersion": rv.to_string() });
    if let Some(last) = page.last().filter(|_| end < items.len()) {
        metadata["continue"] = position(last).into();
        metadata["remainingItemCount"] = (items.len() - end).into();
    }
    let body = match cx.form {
        Form::Table => {
            let page: Vec<&Value> = page.iter().map(AsRef::as_ref).collect();
            let mut table = table::of(cx, &page, rv.to_string().into());
            table["metadata"] = metadata;
            table
        }
        Form::Metadata => {
            let items: Vec<Value> = page.iter().map(|o| super::form::shape(cx, o)).collect();
            json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                "metadata": metadata, "items": items,
            })
        }
        Form::Whole | Form::Discovery => {
            let items: Vec<&Value> = page.iter().map(AsRef::as_ref).collect();
            json!({
                "apiVersion": cx.kind.api_version(), "kind": format!("{}List", cx.kind.kind),
                "metadata": metadata, "items": items,
            })
        }
    };
    Ok(axum::Json(body).into_response())
}

/// Where a page starts: after the object that `continue` names.
fn page_start(cx: &Cx<'_>, items: &[Arc<Value>]) -> Result<usize, Failure> {
    let Some(token) = cx.param("continue").filter(|t| !t.is_empty()) else { return Ok(0) };
    if !token.contains('/') {
        return Err(Failure::bad_request("continue key is not valid"));
    }
    Ok(items.partition_point(|o| position(o).as_str() <= token))
}

fn position(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}
