//! The write of a Secret: under uid and resourceVersion, and what the API server refuses is said in its own words.

use k8s_openapi::api::core::v1::Secret;
use kube::core::Status;
use kube::{Api, ResourceExt};
use regent_operator::error::ReconcileError;
use regent_operator::wiped_secret::WipedSecret;
use regent_operator::write::delete_exactly;
use regent_types::labels;

use super::owner::Owner;
use super::sync_decision::ObjectVersion;
use super::target::{self, Versions, Write};
use super::worker::Worker;
use crate::not_ready::NotReady;
use crate::secret_values::without_values;

/// Longest sentence of the API server that a condition repeats, in characters.
const SENTENCE_MAX: usize = 600;

/// What is to be done.
pub(crate) enum Plan {
    /// And the versions that it renders.
    Write(Write, Versions),
    Delete,
}

pub(crate) enum Done {
    Gone,
    Written { before: Option<ObjectVersion>, now: Option<ObjectVersion>, wrote: bool },
}

pub(crate) struct At<'a> {
    pub(crate) api: &'a Api<Secret>,
    pub(crate) name: &'a str,
    pub(crate) object: &'a str,
}

/// Makes `existing` what `write` says.
pub(crate) async fn write(
    worker: &Worker,
    at: &At<'_>,
    existing: Option<&Secret>,
    write: Write,
) -> Result<Result<Done, NotReady>, ReconcileError> {
    let params = worker.cx.manager().post();
    let before = existing.map(ObjectVersion::of);
    let (verb, secret, written) = match write {
        Write::Nothing => {
            return Ok(Ok(Done::Written { now: before.clone(), before, wrote: false }));
        }
        Write::Create(secret) => {
            let written = at.api.create(&params, &secret).await;
            ("create", secret, written)
        }
        Write::Replace(secret) => {
            let written = at.api.replace(at.name, &params, &secret).await;
            ("update", secret, written)
        }
    };
    let written = match written {
        Ok(written) => WipedSecret::new(written),
        Err(error) => {
            return match refused(at, &secret, &error) {
                Some(not_ready) => Ok(Err(not_ready)),
                None => Err(ReconcileError::api(verb, at.object, &error)),
            };
        }
    };
    tracing::info!(
        component = "materializer", object = %at.object, verb,
        versions = written.annotations().get(labels::VERSIONS),
        "Secret materialized"
    );
    let now = Some(ObjectVersion::of(&*written));
    Ok(Ok(Done::Written { before, now, wrote: true }))
}

/// What a person has to see of an answer: every refusal but that the Secret changed in between, or that the API server is
/// busy, after which the same is tried again.
fn refused(at: &At<'_>, secret: &Secret, error: &kube::Error) -> Option<NotReady> {
    let kube::Error::Api(status) = error else { return None };
    if matches!(status.code, 409 | 429 | 502..=504) {
        return None;
    }
    let message = format!(
        "the API server refuses {}: {}{}",
        at.object,
        sentence(status, secret),
        super::render::KEPT
    );
    Some(NotReady::until_retry("SecretSyncedError", message))
}

/// The API server's own sentence on one line, without any value that it may repeat.
fn sentence(status: &Status, secret: &Secret) -> String {
    let flat = status.message.split_whitespace().collect::<Vec<_>>().join(" ");
    let flat: String = flat.chars().filter(|c| !c.is_control()).collect();
    let said = without_values(&flat, secret);
    let short: String = said.chars().take(SENTENCE_MAX).collect();
    if short.is_empty() { format!("{} {}", status.code, status.reason) } else { short }
}

/// Deletes `existing` where `owner` owns it, as its policy says.
pub(crate) async fn delete(
    at: &At<'_>,
    owner: &Owner<'_>,
    existing: Option<&Secret>,
) -> Result<Result<Done, NotReady>, ReconcileError> {
    let Some(secret) = existing.filter(|secret| target::is_owned(secret, owner)) else {
        return Ok(Ok(Done::Gone));
    };
    let params = delete_exactly(secret.uid(), secret.resource_version());
    match at.api.delete(at.name, &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(ReconcileError::api("delete", at.object, &error)),
    }
    tracing::info!(component = "materializer", object = %at.object, "Secret deleted by policy");
    Ok(Ok(Done::Gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(code: u16, message: &str) -> Option<String> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": "app" },
            "data": { "password": "aHVudGVyMg==", "pin": "NzM=" },
        }))
        .expect("a Secret");
        let mut status = Status::failure(message, "Invalid");
        status.code = code;
        let error = kube::Error::Api(Box::new(status));
        let client = kube::Client::new(axum::Router::new(), "n");
        let api = Api::namespaced(client, "n");
        let at = At { api: &api, name: "app", object: "Secret n/app" };
        refused(&at, &secret, &error).map(|not_ready| not_ready.message)
    }

    #[tokio::test]
    async fn m03_a_refusal_is_told_in_the_api_servers_words_and_tells_no_value() {
        let tls = "Secret \"app\" is invalid: data[tls.key]: Required value";
        let expected = format!("the API server refuses Secret n/app: {tls}; the Secret is kept");
        assert_eq!(said(422, tls), Some(expected));
        for quoted in ["x hunter2 y", "x aHVudGVyMg== y"] {
            let told = said(403, quoted).unwrap_or_default();
            assert!(told.contains("x [value] y") && !told.contains("hunter2"), "{told}");
        }
        for (code, again) in [(409, true), (429, true), (503, true), (500, false), (413, false)] {
            assert_eq!(said(code, "no").is_none(), again, "{code}");
        }
    }
}
