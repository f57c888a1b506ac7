//! A component begins once every kind that it follows is defined as this release knows it: until then it says which is
//! missing or older, and is not ready. Fields that a definition lacks are pruned in silence: a status that tells who
//! has power would be lost.
//!
//! ```text
//!   listed, or forbidden ─► regent's own: every field served ─► begin
//!     404 ─► DefinitionMissing      a field lacks ─► DefinitionOutdated      anything else ─► ApiServer
//!      └────────────────────── asked again, ever more slowly ──────────────────────┘
//! ```
//!
//! Forbidden is no reason to wait: a Role that an operator narrowed is said by what needs it. Kinds of External Secrets
//! are a neighbour's, older or newer than those that regent knows, and are not compared.

mod schema;

use std::time::Duration;

use http::Request;
use kube::Resource;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_api::RuntimeAuthority;
use regent_install::access::rbac;
use regent_install::access::rbac::Scope;
use regent_types::identity::Identity;
use regent_types::{Advice, Explain, labels};
use serde_json::Value;

use crate::backoff::Growth;
use crate::startup;
use crate::{Context, watch_error};

/// Between two tries. The longest is how late a component may notice that a definition came.
const PAUSES: Growth = Growth::new(Duration::from_millis(500), Duration::from_secs(10));

/// A kind that a component follows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FollowedKind {
    resource: ApiResource,
    /// Where it is followed: everywhere, or in regent's own namespace.
    everywhere: bool,
    /// Its schema, where the definition is regent's own.
    schema: Option<Value>,
}

/// Why a component waits.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The API server does not know the kind.
    #[error("kind {kind} is not defined")]
    Missing {
        /// `PLURAL.GROUP`, as its CustomResourceDefinition is called.
        kind: String,
    },
    /// A field of it is not served.
    #[error("kind {kind} is defined without {field}")]
    Outdated {
        kind: String,
        /// The first field that is not there.
        field: String,
    },
    /// It answered nothing that tells.
    #[error("whether kind {kind} is defined cannot be seen: {found}")]
    Unanswered {
        kind: String,
        /// Code and reason, or the kind of transport failure.
        found: String,
    },
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "DefinitionMissing",
            Self::Outdated { .. } => "DefinitionOutdated",
            Self::Unanswered { .. } => "ApiServer",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Missing { kind } => Advice::new(
                format!("CustomResourceDefinition {kind}"),
                "the API server does not know it",
                "apply the definitions that `regent install` prints",
            ),
            Self::Outdated { kind, field } => Advice::new(
                format!("CustomResourceDefinition {kind} of this release"),
                format!("it has no {field}, which the API server would drop in silence"),
                "apply the definitions that `regent install` prints",
            ),
            Self::Unanswered { kind, found } => Advice::new(
                format!("an answer about {kind}"),
                found.clone(),
                "see whether the API server answers and the component's account is there",
            ),
        }
    }
}

/// The custom kinds that `identity` lists and watches, by the table of its rights.
fn kinds(identity: Identity) -> Vec<FollowedKind> {
    let crds = regent_api::all_crds();
    let rules = rbac::rules(identity);
    let followed = rules.iter().filter(|r| r.verbs.contains(&"list") && r.verbs.contains(&"watch"));
    followed
        .flat_map(|rule| rule.resources.iter().map(move |plural| (rule, *plural)))
        .filter_map(|(rule, plural)| {
            let crd = crds
                .iter()
                .find(|c| c.spec.group == rule.group && c.spec.names.plural == plural)?;
            let (version, kind) = (crd.spec.versions.first()?, &crd.spec.names.kind);
            let gvk = GroupVersionKind::gvk(rule.group, &version.name, kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
            let own =
                version.schema.as_ref().filter(|_| rule.group == RuntimeAuthority::group(&()));
            let schema = own.and_then(|own| serde_json::to_value(&own.open_api_v3_schema).ok());
            Some(FollowedKind { resource, everywhere: rule.scope == Scope::Cluster, schema })
        })
        .collect()
}

/// Waits until every kind that this component follows is defined; `false` where the signal to stop came first.
pub async fn wait(cx: &Context) -> bool {
    for kind in kinds(cx.identity) {
        let tried = startup::until(cx.identity, &cx.shutdown, PAUSES, || attempt(cx, &kind));
        if !tried.await {
            return false;
        }
    }
    true
}

async fn attempt(cx: &Context, kind: &FollowedKind) -> Result<(), Error> {
    let api: Api<DynamicObject> = if kind.everywhere {
        Api::all_with(cx.api.clone(), &kind.resource)
    } else {
        Api::namespaced_with(cx.api.clone(), labels::SYSTEM_NAMESPACE, &kind.resource)
    };
    let name = format!("{}.{}", kind.resource.plural, kind.resource.group);
    judge(&name, api.list_metadata(&ListParams::default().limit(1)).await)?;
    let Some(own) = &kind.schema else { return Ok(()) };
    let path = format!("/openapi/v3/apis/{}", kind.resource.api_version);
    let unanswered = |found: String| Error::Unanswered { kind: name.clone(), found };
    let request = Request::get(path).body(Vec::new()).map_err(|e| unanswered(e.to_string()))?;
    match cx.api.request::<Value>(request).await {
        Ok(document) => compare(&name, own, schema::of_kind(&document, &kind.resource.kind)),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(()),
        Err(error) => Err(unanswered(watch_error::request_summary(&error))),
    }
}

/// `served` is absent for a moment after a definition was made: the document follows it.
fn compare(name: &str, own: &Value, served: Option<&Value>) -> Result<(), Error> {
    let kind = name.to_owned();
    let Some(served) = served else {
        return Err(Error::Unanswered { kind, found: "no schema of it yet".into() });
    };
    match schema::lacking(own, served) {
        None => Ok(()),
        Some(field) => Err(Error::Outdated { kind, field }),
    }
}

fn judge<T>(kind: &str, answer: Result<T, kube::Error>) -> Result<(), Error> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(()),
        // By the code alone: for a path that it does not know the API server answers in plain text.
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Err(Error::Missing { kind: kind.to_owned() })
        }
        Err(error) => Err(Error::Unanswered {
            kind: kind.to_owned(),
            found: watch_error::request_summary(&error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn answered(code: u16, reason: &str) -> Option<&'static str> {
        let mut status = Status::failure("", reason);
        status.code = code;
        let answer: Result<(), _> = Err(kube::Error::Api(Box::new(status)));
        judge("a.b", answer).err().map(|e| e.reason())
    }

    /// C4-3: only an API server that does not know the kind is missing its definition.
    #[test]
    fn a_missing_kind_is_told_from_a_silent_server() {
        assert_eq!(judge("a.b", Ok(())).err().map(|e| e.reason()), None);
        assert_eq!(answered(404, "NotFound"), Some("DefinitionMissing"));
        assert_eq!(answered(404, watch_error::UNPARSED), Some("DefinitionMissing"));
        assert_eq!(answered(429, "TooManyRequests"), Some("ApiServer"));
        assert_eq!(answered(401, "Unauthorized"), Some("ApiServer"));
        assert_eq!(answered(403, "Forbidden"), None);
    }

    /// C4-3: a definition of an earlier release is told from one that is not there, and names what it lacks.
    #[test]
    fn an_older_definition_names_the_field_that_it_lacks() {
        let kind = kinds(Identity::Orchestrator).into_iter().find_map(|kind| kind.schema);
        let own = kind.expect("a kind of regent's own");
        assert!(compare("a.b", &own, Some(&own)).is_ok());
        let mut older = own.clone();
        let status = older.pointer_mut("/properties/status/properties").expect("a status");
        status.as_object_mut().expect("an object").remove("version").expect("a version");
        let error = compare("a.b", &own, Some(&older)).expect_err("older");
        assert_eq!(error.reason(), "DefinitionOutdated");
        assert!(error.advice().found.contains("status.version"), "{}", error.advice().found);
        let missing = compare("a.b", &own, None).expect_err("no schema");
        assert_eq!(missing.reason(), "ApiServer");
    }

    /// Every component follows some kind of regent's; intent its own namespace's GitSources, and everywhere what it has
    /// applied, so that it notices what was changed by hand.
    #[test]
    fn what_is_followed_comes_from_the_table_of_rights() {
        for identity in Identity::ALL.into_iter().filter(|i| *i != Identity::Authority) {
            let found = kinds(identity);
            assert!(!found.is_empty() || identity == Identity::Reader, "{identity:?}");
        }
        let intent = kinds(Identity::Intent);
        let told: Vec<_> =
            intent.iter().map(|k| (k.resource.plural.as_str(), k.everywhere)).collect();
        assert!(told.contains(&("gitsources", false)) && told.contains(&("runtimesecrets", true)));
        assert_eq!(told.iter().filter(|(_, everywhere)| !everywhere).count(), 1, "{told:?}");
        let versions: Vec<_> =
            kinds(Identity::Publisher).into_iter().map(|k| k.resource.api_version).collect();
        assert!(versions.contains(&"external-secrets.io/v1alpha1".to_owned()), "{versions:?}");
    }
}
