//! Watches: newline-delimited JSON from a cursor in the store's history.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use super::context::Cx;
use super::form::Form;
use super::list;
use super::select::Selector;
use super::shape::shape;
use crate::kinds::EVENTS;
use crate::state::ClusterState;
use crate::status::Failure;
use crate::store::{StoredEvent, read};

/// Events taken from the history at a time.
const BATCH: usize = 256;
/// How long a watch lives when the client does not say; the real API server ends them too.
const LIFE_DEFAULT: Duration = Duration::from_secs(1_800);
/// How often an idle watch that asked for bookmarks gets one.
const BOOKMARK: Duration = Duration::from_secs(60);

struct Watch {
    state: Arc<ClusterState>,
    cx: Shaper,
    selector: Selector,
    cursor: u64,
    pending: VecDeque<Bytes>,
    changes: tokio::sync::watch::Receiver<u64>,
    ends: tokio::time::Instant,
    bookmarks: bool,
    ended: bool,
}

/// What of a request outlives it.
struct Shaper {
    user: crate::auth::User,
    kind: Arc<crate::kinds::ResourceKind>,
    target: super::path::RequestPath,
    form: Form,
}

pub(super) fn answer(cx: &Cx<'_>) -> Result<Response, Failure> {
    let selector = list::selector(cx)?;
    let bookmarks = cx.flag("allowWatchBookmarks");
    let from = cx.param("resourceVersion").unwrap_or_default();
    let changes = cx.state.store.changes();
    let mut pending = VecDeque::new();
    let mut ended = false;
    let initial = cx.flag("sendInitialEvents") || from.is_empty() || from == "0";
    let cursor = if initial {
        let (items, rv) = list::selected(cx)?;
        pending.extend(items.iter().map(|o| line("ADDED", shape(cx, o))));
        if cx.flag("sendInitialEvents") && bookmarks {
            let mut mark = bookmark(&cx.kind, rv);
            mark["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
            pending.push_back(line("BOOKMARK", mark));
        }
        rv
    } else {
        let why = "invalid syntax";
        let message = format!(
            "resourceVersion: Invalid value: {from:?}: strconv.ParseUint: parsing {from:?}: {why}"
        );
        // An internal error without a reason, as the real API server answers.
        let rv = from.parse().map_err(|_| Failure::new(500, "", message))?;
        // A version that history has left behind is an event, not an answer.
        if let Err(failure) = cx.state.store.since(&cx.kind.stored_as(), rv, 0) {
            pending.push_back(line("ERROR", failure.body()));
            ended = true;
        }
        rv
    };
    let life = cx.param("timeoutSeconds").and_then(|s| s.parse().ok()).map(Duration::from_secs);
    let watch = Watch {
        state: Arc::clone(cx.state),
        cx: Shaper {
            user: cx.user.clone(),
            kind: Arc::clone(&cx.kind),
            target: cx.target.clone(),
            form: cx.form.clone(),
        },
        selector,
        cursor,
        pending,
        changes,
        ends: tokio::time::Instant::now() + life.unwrap_or(LIFE_DEFAULT),
        bookmarks,
        ended,
    };
    let body = Body::from_stream(stream::unfold(watch, |mut watch| async move {
        watch.next().await.map(|line| (Ok::<_, Infallible>(line), watch))
    }));
    let response = Response::builder().header(http::header::CONTENT_TYPE, "application/json");
    response.body(body).map_err(|e| Failure::new(500, "InternalError", e.to_string()))
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.pending.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.changes.borrow_and_update();
            match self.state.store.since(&self.cx.kind.stored_as(), self.cursor, BATCH) {
                Ok((events, upto)) => {
                    self.cursor = upto;
                    self.take(&events);
                }
                Err(failure) => {
                    self.ended = true;
                    self.pending.push_back(line("ERROR", failure.body()));
                }
            }
            if !self.pending.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => self.ended = changed.is_err(),
                () = tokio::time::sleep_until(self.ends) => self.ended = true,
                () = tokio::time::sleep(BOOKMARK), if self.bookmarks => {
                    self.pending.push_back(line("BOOKMARK", bookmark(&self.cx.kind, self.cursor)));
                }
            }
        }
    }

    fn take(&mut self, events: &[StoredEvent]) {
        let cx = Cx {
            state: &self.state,
            user: self.cx.user.clone(),
            kind: Arc::clone(&self.cx.kind),
            target: self.cx.target.clone(),
            query: Vec::new(),
            form: self.cx.form.clone(),
            patched: false,
            warnings: std::sync::Mutex::default(),
        };
        let namespace = self.cx.target.namespace.as_str();
        // History is sent as it is kept where nobody selects and nobody asks for another form.
        let as_kept = self.selector.is_any()
            && matches!(cx.form, Form::Whole | Form::Discovery)
            && cx.kind.group != EVENTS;
        for event in events {
            if !namespace.is_empty() && event.key.namespace != namespace {
                continue;
            }
            let line = if as_kept { Some(kept(event)) } else { self.selected(&cx, event) };
            self.pending.extend(line);
        }
    }

    /// The event as who selects sees it, if at all.
    fn selected(&self, cx: &Cx<'_>, event: &StoredEvent) -> Option<Bytes> {
        let (object, before) = (read(&event.object), event.before.as_deref().map(read));
        let was = before.as_ref().is_some_and(|o| self.selector.matches(o));
        let is = !event.deleted && self.selector.matches(&object);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        // What no longer matches is shown as it did, with the version of the change.
        let shown = match before {
            Some(mut before) if kind == "DELETED" && !event.deleted => {
                before["metadata"]["resourceVersion"] =
                    object["metadata"]["resourceVersion"].clone();
                shape(cx, &before)
            }
            _ => shape(cx, &object),
        };
        Some(line(kind, shown))
    }
}

fn kept(event: &StoredEvent) -> Bytes {
    let kind = match (&event.before, event.deleted) {
        (_, true) => "DELETED",
        (None, false) => "ADDED",
        (Some(_), false) => "MODIFIED",
    };
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{}}}\n", event.object))
}

fn bookmark(kind: &crate::kinds::ResourceKind, rv: u64) -> Value {
    json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": { "resourceVersion": rv.to_string(), "creationTimestamp": null },
    })
}

fn line(kind: &str, object: Value) -> Bytes {
    let mut text = json!({ "type": kind, "object": object }).to_string();
    text.push('\n');
    Bytes::from(text)
}
