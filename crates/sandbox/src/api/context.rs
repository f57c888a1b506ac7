//! What every verb is given: who asks, what the request is about, and how.

use std::sync::{Arc, Mutex, PoisonError};

use super::form::Form;
use super::path::RequestPath;
use crate::auth::User;
use crate::kinds::ResourceKind;
use crate::state::ClusterState;
use crate::status::Failure;
use crate::store::ObjectKey;

/// A request that its user may make; lives until it is answered.
pub(crate) struct Cx<'a> {
    pub(crate) state: &'a Arc<ClusterState>,
    pub(crate) user: User,
    pub(crate) kind: Arc<ResourceKind>,
    pub(crate) target: RequestPath,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) form: Form,
    /// Whether the object comes from a patch of the stored one.
    pub(crate) patched: bool,
    /// What the answer warns of.
    pub(crate) warnings: Mutex<Vec<String>>,
}

impl Cx<'_> {
    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey {
            resource: self.kind.stored_as(),
            namespace: self.target.namespace.clone(),
            name: self.target.name.clone(),
        }
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|v| v == "true" || v == "1")
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.param("dryRun").is_some()
    }

    /// Fields that the schema does not know: refused, warned of, or passed over, as the client wishes.
    pub(crate) fn unknown(&self, fields: &[String]) -> Result<(), Failure> {
        if fields.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = fields.iter().map(|f| format!("unknown field {f:?}")).collect();
        match self.param("fieldValidation") {
            Some("Ignore") => {}
            Some("Strict") => {
                let ResourceKind { kind, version, .. } = &*self.kind;
                let message = format!(
                    "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
                    all.join(", ")
                );
                return Err(Failure::bad_request(message));
            }
            _ => self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(all),
        }
        Ok(())
    }

    pub(crate) fn manager(&self) -> &str {
        self.param("fieldManager").unwrap_or("unknown")
    }
}
