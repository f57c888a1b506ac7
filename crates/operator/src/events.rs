//! Kubernetes Events: what a person finds beside an object with `kubectl describe`. An Event is a courtesy; whatever
//! counts is said in a condition as well.
//!
//! ```text
//!   first of its kind ─► create        the same again within six minutes ─► patch: a series with a count
//!   (severity, action, reason, object)
//! ```

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::Context;
use crate::api_error::ApiError;

/// Longest reason and action that the API server takes, in bytes.
const WORD_LEN_MAX: usize = 128;
/// Longest note that the API server takes, in bytes.
const NOTE_LEN_MAX: usize = 1_024;

/// What is said about an object. No field may hold a secret value: whoever may list Events reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// Whether a person should look.
    pub severity: EventType,
    /// Why, in one word, as in a condition; cut at 128 bytes.
    pub reason: &'a str,
    /// What was tried, in one word; cut at 128 bytes.
    pub action: &'a str,
    /// The same for people; cut at 1,024 bytes.
    pub note: &'a str,
}

/// Emits the Events of one component. Clones share the memory of what was emitted.
#[derive(Clone)]
pub struct EventRecorder(Recorder);

impl Context {
    /// The recorder of this component: one is kept for the component's life, since it counts repeats.
    pub fn event_recorder(&self) -> EventRecorder {
        let reporter = Reporter { controller: self.field_manager(), instance: None };
        EventRecorder(Recorder::new(self.api.clone(), reporter))
    }
}

impl EventRecorder {
    /// Emits `said` in the namespace of the object `about`, or counts it up where it was emitted just now.
    ///
    /// # Errors
    /// The API server's refusal; the Event is lost then.
    pub async fn emit(
        &self,
        about: &ObjectReference,
        said: &Announcement<'_>,
    ) -> Result<(), ApiError> {
        let event = Event {
            type_: said.severity,
            reason: cut(said.reason, WORD_LEN_MAX).to_owned(),
            note: Some(cut(said.note, NOTE_LEN_MAX).to_owned()),
            action: cut(said.action, WORD_LEN_MAX).to_owned(),
            secondary: None,
        };
        let published = self.0.publish(&event, about).await;
        published.map_err(|error| {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            let object =
                format!("{} {}/{}", text(&about.kind), text(&about.namespace), text(&about.name));
            ApiError::new("emit Event about", object, &error)
        })
    }
}

/// The longest beginning of `text` of at most `len_max` bytes that ends with a whole character.
fn cut(text: &str, len_max: usize) -> &str {
    let end = (0..=len_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::State;
    use axum::http::{Method, Request, Response};
    use regent_types::Sensitive;
    use regent_types::identity::Identity;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Endpoints, Shutdown};

    struct NoJwt;

    impl regent_vault::JwtSource for NoJwt {
        fn jwt(&self) -> Result<Sensitive<String>, regent_vault::Error> {
            Ok(Sensitive::new(String::new()))
        }
    }

    type Seen = Arc<Mutex<Vec<(Method, Value)>>>;

    async fn take(State(seen): State<Seen>, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        seen.lock().unwrap().push((parts.method, event.clone()));
        Response::new(Body::from(event.to_string()))
    }

    fn context(seen: &Seen) -> Context {
        let router = Router::new().fallback(take).with_state(Arc::clone(seen));
        Context {
            identity: Identity::Bootstrap,
            api: kube::Client::new(router, "default"),
            endpoints: Endpoints { dial: BTreeMap::new(), ca_pem: None, ca_file: None },
            jwt: Arc::new(NoJwt),
            shutdown: Shutdown::new().1,
        }
    }

    #[tokio::test]
    async fn a_repeat_is_counted_and_no_text_is_longer_than_the_api_server_takes() {
        let seen = Seen::default();
        let recorder = context(&seen).event_recorder();
        let about = ObjectReference {
            kind: Some("EncryptedManifest".into()),
            namespace: Some("apps".into()),
            name: Some("db".into()),
            ..ObjectReference::default()
        };
        let (long, note) = ("r".repeat(200), "ä".repeat(600));
        let said = Announcement {
            severity: EventType::Warning,
            reason: &long,
            action: "Open",
            note: &note,
        };
        recorder.emit(&about, &said).await.unwrap();
        recorder.emit(&about, &said).await.unwrap();
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), &seen[0].0, &seen[1].0), (2, &Method::POST, &Method::PATCH));
        assert_eq!(seen[0].1["reason"], json!("r".repeat(128)));
        assert_eq!(seen[0].1["note"], json!("ä".repeat(512)));
        assert_eq!(seen[0].1["reportingController"], json!("regent-bootstrap"));
        assert_eq!(seen[1].1["series"]["count"], json!(2));
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!((cut("aä", 2), cut("aä", 3), cut("", 3)), ("a", "aä", ""));
    }
}
