//! One case: somebody tries something, and a policy refuses it or none does.

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::fixtures::{self, HOME};
use super::people::{self, Who};

/// What is tried; always dry.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Create(Value),
    /// Merge-patch the object of this kind and name.
    Change(Value, Value),
    Delete(Value),
    /// With all objects of its kind that have its name, as `kubectl delete --all` and a namespace's end do: such a request
    /// names no object.
    DeleteAmong(Value),
}

pub(super) struct Row {
    claim: &'static str,
    who: Who,
    act: Act,
    /// Policies of which one must refuse; empty where it must pass.
    refused_by: Vec<&'static str>,
}

pub(super) fn may(who: Who, claim: &'static str, act: Act) -> Row {
    Row { claim, who, act, refused_by: Vec::new() }
}

pub(super) fn may_not(who: Who, claim: &'static str, act: Act, policy: &'static str) -> Row {
    Row { claim, who, act, refused_by: vec![policy] }
}

impl Row {
    /// It breaks `policy` too, and any of them may be the one that says so.
    pub(super) fn or(mut self, policy: &'static str) -> Self {
        self.refused_by.push(policy);
        self
    }

    /// Tries it; what was found where it went another way.
    pub(super) async fn run(&self, admin: &kube::Client) -> Result<(), String> {
        let client = people::client(admin, self.who).map_err(|e| e.to_string())?;
        let answer = self.act.run(&client).await;
        let expected = match self.refused_by.as_slice() {
            [] => "no refusal".to_owned(),
            policies => format!("a refusal by {}", policies.join(" or ")),
        };
        let found = match answer {
            Ok(()) if self.refused_by.is_empty() => return Ok(()),
            Ok(()) => "no refusal".to_owned(),
            Err(kube::Error::Api(status)) => {
                let by = |p: &&str| {
                    status.message.contains(&format!("ValidatingAdmissionPolicy '{p}' with binding '{p}' denied request: expected"))
                };
                let coded = matches!(
                    (status.code, status.reason.as_str()),
                    (403, "Forbidden") | (422, "Invalid")
                );
                if coded && self.refused_by.iter().any(by) {
                    return Ok(());
                }
                format!("{} {}: {}", status.code, status.reason, status.message)
            }
            Err(other) => other.to_string(),
        };
        Err(format!(
            "{}: {}\n  expected  {expected}\n  found     {found}",
            self.who.user(),
            self.claim
        ))
    }
}

impl Act {
    async fn run(&self, client: &kube::Client) -> Result<(), kube::Error> {
        let name = |o: &Value| o["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        match self {
            Self::Create(object) => {
                let params = PostParams { dry_run: true, field_manager: Some("table".into()) };
                let parsed =
                    serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
                fixtures::api(client, object).create(&params, &parsed).await.map(drop)
            }
            Self::Change(object, patch) => {
                let params = PatchParams { dry_run: true, ..PatchParams::default() };
                let api = fixtures::api(client, object);
                api.patch(&name(object), &params, &Patch::Merge(patch)).await.map(drop)
            }
            Self::Delete(object) => {
                let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
                fixtures::api(client, object).delete(&name(object), &params).await.map(drop)
            }
            Self::DeleteAmong(object) => {
                let params = DeleteParams { dry_run: true, ..DeleteParams::default() };
                let of = ListParams::default().fields(&format!("metadata.name={}", name(object)));
                fixtures::api(client, object).delete_collection(&params, &of).await.map(drop)
            }
        }
    }
}

/// A reference to a Secret of the table's namespace.
pub(super) fn at(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": HOME } })
}

/// A merge patch of labels.
pub(super) fn labelled(key: &str, value: Value) -> Value {
    json!({ "metadata": { "labels": { key: value } } })
}

/// A merge patch of annotations.
pub(super) fn noted(key: &str, value: Value) -> Value {
    json!({ "metadata": { "annotations": { key: value } } })
}

/// A merge patch of data.
pub(super) fn data(password: Value) -> Value {
    json!({ "data": { "password": password } })
}
