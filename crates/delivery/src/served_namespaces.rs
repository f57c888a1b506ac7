//! Which namespaces the installation serves: those in which it lets this component reach Secrets.
//!
//! Asked, not tried, for a refused request is somebody's alarm; and asked again ever more seldom, for only a person
//! changes it. Refusals that come all the same, of a watch or of a request, are told here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use regent_operator::Context;
use regent_operator::backoff::Growth;
use regent_operator::error::ReconcileError;

use crate::not_ready::NotReady;

/// Pauses before it is asked again whether a namespace is served by now.
const PAUSES: Growth = Growth::new(Duration::from_millis(500), Duration::from_secs(60));
/// Namespaces remembered; beyond it all are asked about again.
const NAMESPACES_MAX: usize = 5_000;

/// What one component may do with the Secrets of which namespace.
pub(crate) struct ServedNamespaces {
    cx: Context,
    verb: &'static str,
    answers: Mutex<HashMap<String, Answer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Served,
    /// For so many answers in a row; it is asked again at that time.
    Refused {
        answers: u32,
        again_at: Timestamp,
    },
}

impl ServedNamespaces {
    /// `verb` is what this component does with all Secrets of a namespace that it serves.
    pub(crate) fn new(cx: Context, verb: &'static str) -> Self {
        Self { cx, verb, answers: Mutex::default() }
    }

    /// Whether `namespace` is served, as far as is known at `now`.
    ///
    /// # Errors
    /// The API server did not answer the question.
    pub(crate) async fn is_served(
        &self,
        namespace: &str,
        now: Timestamp,
    ) -> Result<bool, ReconcileError> {
        let known = self.answers().get(namespace).copied();
        match known {
            Some(Answer::Served) => return Ok(true),
            Some(Answer::Refused { again_at, .. }) if rests(now, again_at) => return Ok(false),
            Some(Answer::Refused { .. }) | None => {}
        }
        let allowed = self.ask(namespace).await?;
        if allowed {
            self.served(namespace);
        } else {
            self.refused(namespace, now);
        }
        Ok(allowed)
    }

    /// A request was answered in `namespace`.
    pub(crate) fn served(&self, namespace: &str) {
        self.note(namespace, Answer::Served);
    }

    /// A request was refused in `namespace` at `now`.
    pub(crate) fn refused(&self, namespace: &str, now: Timestamp) {
        let before = match self.answers().get(namespace) {
            Some(Answer::Refused { answers, .. }) => *answers,
            Some(Answer::Served) | None => 0,
        };
        let again_at = now.saturating_add(PAUSES.pause(before)).unwrap_or(now);
        let answers = before.saturating_add(1);
        self.note(namespace, Answer::Refused { answers, again_at });
    }

    pub(crate) fn forget(&self, namespace: &str) {
        self.answers().remove(namespace);
    }

    fn note(&self, namespace: &str, answer: Answer) {
        let mut answers = self.answers();
        if answers.len() >= NAMESPACES_MAX {
            answers.clear();
        }
        answers.insert(namespace.to_owned(), answer);
    }

    async fn ask(&self, namespace: &str) -> Result<bool, ReconcileError> {
        let attributes = ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            verb: Some(self.verb.to_owned()),
            resource: Some("secrets".into()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.cx.api.clone());
        match api.create(&self.cx.manager().post(), &review).await {
            Ok(answer) => Ok(answer.status.is_some_and(|status| status.allowed)),
            // Kubernetes lets every account ask by default (`system:basic-user`); where that was taken away, it is tried.
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(true),
            Err(error) => Err(ReconcileError::api("create", "SelfSubjectAccessReview", &error)),
        }
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is too early to ask again; a clock that was set back delays nothing.
fn rests(now: Timestamp, again_at: Timestamp) -> bool {
    let left = Duration::try_from(again_at.duration_since(now)).unwrap_or(Duration::ZERO);
    !left.is_zero() && left <= PAUSES.pause(u32::MAX)
}

/// What an object in a namespace says that is not served.
pub(crate) fn not_served(namespace: &str) -> NotReady {
    let message = format!(
        "this installation does not serve namespace {namespace}: it may not reach Secrets there. \
         `regent install --namespace {namespace} | kubectl apply --server-side -f -` serves it; name the other \
         flags and values of the installation as well, or add {namespace} to `namespaces` of the Helm release"
    );
    NotReady::until_retry("NamespaceNotServed", message)
}

/// Whether `error` says that this component may not read a Secret.
pub(crate) fn is_refused_read(error: &ReconcileError) -> bool {
    matches!(error, ReconcileError::Api(e)
        if e.code == 403 && e.verb == "get" && e.object.starts_with("Secret "))
}

#[cfg(test)]
#[path = "served_namespaces_tests.rs"]
pub(crate) mod tests;
