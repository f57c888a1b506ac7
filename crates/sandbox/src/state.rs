//! What a sandbox holds, and what it notes of requests.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use regent_types::Sensitive;
use serde_json::Value;

use crate::Error;
use crate::admission::Policies;
use crate::auth::User;
use crate::auth::tokens::Signer;
use crate::certificates::CertificateAuthority;
use crate::kinds::{ADMISSION, Kinds, ResourceKind};
use crate::rbac::Ask;
use crate::store::Store;

/// Refused requests kept for tests and for a person to look at.
const REFUSALS_MAX: usize = 256;

pub(crate) struct ClusterState {
    pub(crate) store: Store,
    pub(crate) kinds: Kinds,
    pub(crate) policies: Policies,
    pub(crate) signer: Signer,
    pub(crate) audiences: Vec<String>,
    pub(crate) admin_token: Sensitive<String>,
    pub(crate) authority: CertificateAuthority,
    refusals: Mutex<VecDeque<String>>,
}

impl ClusterState {
    /// An empty cluster, whose tokens come from `issuer`.
    pub(crate) fn new(
        issuer: &str,
        audiences: Vec<String>,
        admin_token: Sensitive<String>,
    ) -> Result<Self, Error> {
        Ok(Self {
            store: Store::new(),
            kinds: Kinds::built_in(),
            policies: Policies::default(),
            signer: Signer::new(issuer)?,
            audiences,
            admin_token,
            authority: CertificateAuthority::new()?,
            refusals: Mutex::default(),
        })
    }

    /// After a policy or binding may have changed.
    pub(crate) fn reload_policies(&self, kind: &ResourceKind) {
        if kind.group == ADMISSION {
            self.policies.reload(&self.store);
        }
    }

    /// After an object was removed.
    pub(crate) fn removed(&self, object: &Value) {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let Some(kind) = self.kinds.by_kind(text("apiVersion"), text("kind")) else { return };
        if kind.kind == "CustomResourceDefinition" {
            self.kinds.undefine(object);
        }
        self.reload_policies(&kind);
    }

    /// Keeps what was refused.
    pub(crate) fn note(&self, user: &User, ask: &Ask, allowed: bool) {
        let Ask { verb, resource, namespace, name, .. } = ask;
        tracing::debug!(user = user.name, verb, resource, namespace, name, allowed, "request");
        if allowed {
            return;
        }
        let line = format!(
            "{} {} {}.{} {}/{}",
            user.name, ask.verb, ask.resource, ask.group, ask.namespace, ask.name
        );
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() == REFUSALS_MAX {
            refusals.pop_front();
        }
        refusals.push_back(line);
    }

    /// What was refused so far, newest last.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.iter().cloned().collect()
    }
}
