//! Lists: selected, in pages.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use std::sync::Arc;

use super::context::Cx;
use super::form::Form;
use super::select::Selector;
use super::shape::shape;
use super::table;
use crate::status::Failure;

/// The objects of the collection that the selectors match, and the version they are of.
pub(super) fn selected(cx: &Cx<'_>) -> Result<(Vec<Arc<Value>>, u64), Failure> {
    let (mut items, rv) = cx.state.store.list(&cx.kind.stored_as(), namespace(cx));
    let selector = selector(cx)?;
    items.retain(|object| selector.matches(object));
    Ok((items, rv))
}

fn namespace<'a>(cx: &'a Cx<'_>) -> Option<&'a str> {
    Some(cx.target.namespace.as_str()).filter(|n| !n.is_empty())
}

pub(super) fn selector(cx: &Cx<'_>) -> Result<Selector, Failure> {
    let labels = cx.param("labelSelector").unwrap_or_default();
    let selector = Selector::parse(labels, cx.param("fieldSelector").unwrap_or_default())?;
    selector.supported(&cx.kind)?;
    Ok(selector)
}

/// Where the next page starts, and of which version all pages are.
struct Next {
    rv: u64,
    after: String,
}

impl Next {
    fn token(&self) -> String {
        BASE64.encode(format!("{}:{}", self.rv, self.after))
    }

    fn parse(token: &str) -> Result<Self, Failure> {
        let read = || {
            let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
            let (rv, after) = text.split_once(':')?;
            Some(Self { rv: rv.parse().ok()?, after: after.to_owned() })
        };
        read().ok_or_else(|| Failure::bad_request("continue key is not valid"))
    }
}

/// The list as it is, or as it was at the version that is asked for.
fn whole(cx: &Cx<'_>, next: Option<&Next>) -> Result<(Vec<Arc<Value>>, u64), Failure> {
    let asked = cx.param("resourceVersion").filter(|v| !v.is_empty());
    let asked: Option<u64> = asked
        .map(|v| {
            v.parse().map_err(|_| Failure::bad_request(format!("invalid resource version: {v:?}")))
        })
        .transpose()?;
    let exact = asked.filter(|_| cx.param("resourceVersionMatch") == Some("Exact"));
    let Some(rv) = next.map(|n| n.rv).or(exact) else { return selected(cx) };
    let mut items = cx.state.store.list_at(&cx.kind.stored_as(), namespace(cx), rv)?;
    let selector = selector(cx)?;
    items.retain(|object| selector.matches(object));
    Ok((items, rv))
}

pub(super) fn answer(cx: &Cx<'_>) -> Result<Response, Failure> {
    let token = cx.param("continue").filter(|t| !t.is_empty());
    let next = token.map(Next::parse).transpose()?;
    let (items, rv) = whole(cx, next.as_ref())?;
    let start = next.map_or(0, |n| items.partition_point(|o| position(o) <= n.after));
    let limit = cx.param("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0);
    let end = limit.map_or(items.len(), |limit: usize| (start + limit).min(items.len()));
    let page = &items[start..end];
    let mut metadata = json!({ "resourceVersion": rv.to_string() });
    if let Some(last) = page.last().filter(|_| end < items.len()) {
        metadata["continue"] = Next { rv, after: position(last) }.token().into();
        // The real one does not count what a selector leaves out.
        if selector(cx)?.is_any() {
            metadata["remainingItemCount"] = (items.len() - end).into();
        }
    }
    let body = match cx.form {
        Form::Table => {
            let page: Vec<&Value> = page.iter().map(AsRef::as_ref).collect();
            let mut table = table::of(cx, &page, rv.to_string().into());
            table["metadata"] = metadata;
            table
        }
        Form::Metadata => {
            let items: Vec<Value> = page.iter().map(|o| shape(cx, o)).collect();
            json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                "metadata": metadata, "items": items,
            })
        }
        Form::Whole | Form::Discovery => {
            let items: Vec<Value> = page.iter().map(|o| item(cx, o)).collect();
            json!({
                "apiVersion": cx.kind.api_version(), "kind": format!("{}List", cx.kind.kind),
                "metadata": metadata, "items": items,
            })
        }
    };
    Ok(axum::Json(body).into_response())
}

/// An item of a list: built-in kinds do not repeat what the list says.
fn item(cx: &Cx<'_>, object: &Value) -> Value {
    let mut object = shape(cx, object);
    if cx.kind.schema.is_none() {
        super::admit::remove(&mut object, "kind");
        super::admit::remove(&mut object, "apiVersion");
    }
    object
}

/// Sorts as the store does: what separates comes before every character of a name.
fn position(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    format!("{}\0{}", text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}
