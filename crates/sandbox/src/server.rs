//! The sandbox itself: state, start, what the API server's own controllers do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use regent_types::Sensitive;
use serde_json::Value;

use crate::Error;
use crate::admission::{self, Policies};
use crate::api::{self, gc};
use crate::auth::User;
use crate::auth::tokens::Signer;
use crate::kinds::{Kind, Kinds};
use crate::rbac::Ask;
use crate::seed;
use crate::serve::Authority;
use crate::store::{Key, Store};

/// Refused requests kept for tests and for a person to look at.
const REFUSALS_MAX: usize = 256;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Issuer of ServiceAccount tokens.
    pub issuer: String,
    /// Audiences of tokens for the API server itself.
    pub audiences: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let issuer = "https://sandbox.regent.local".to_owned();
        Self { audiences: vec![issuer.clone()], issuer }
    }
}

/// A Kubernetes API in memory. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) state: Arc<State>,
}

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) kinds: Kinds,
    pub(crate) policies: Policies,
    pub(crate) signer: Signer,
    pub(crate) audiences: Vec<String>,
    pub(crate) admin_token: Sensitive<String>,
    pub(crate) authority: Authority,
    refusals: Mutex<VecDeque<String>>,
}

impl Sandbox {
    /// A new, empty cluster with a certificate authority and signing key of its own.
    pub fn start(options: Options) -> Result<Self, Error> {
        let mut raw = [0_u8; 24];
        getrandom::fill(&mut raw)
            .map_err(|e| Error::Crypto { what: "an admin token", detail: e.to_string() })?;
        let admin: String = raw.iter().map(|b| format!("{b:02x}")).collect();
        let state = State {
            store: Store::new(),
            kinds: Kinds::built_in(),
            policies: Policies::default(),
            signer: Signer::new(&options.issuer)?,
            audiences: options.audiences,
            admin_token: Sensitive::new(admin),
            authority: Authority::new()?,
            refusals: Mutex::default(),
        };
        seed::plant(&state.store);
        Ok(Self { state: Arc::new(state) })
    }

    /// The API as a router: authentication and authorization included.
    pub fn router(&self) -> axum::Router {
        let state = Arc::clone(&self.state);
        axum::Router::new().fallback(move |request: http::Request<axum::body::Body>| {
            api::answer(Arc::clone(&state), request)
        })
    }

    /// The admin's token.
    pub fn admin_token(&self) -> Sensitive<String> {
        self.state.admin_token.duplicate()
    }

    /// Requests that RBAC refused so far, newest last: `user verb resource namespace/name`.
    pub fn refusals(&self) -> Vec<String> {
        let refusals = self.state.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.iter().cloned().collect()
    }
}

impl State {
    /// After an object was written: what the API server itself derives from it.
    pub(crate) fn written(&self, kind: &Kind, object: &Value) {
        match kind.kind.as_str() {
            "CustomResourceDefinition" => self.kinds.define(object),
            "Namespace" => self.namespace_written(object),
            _ => {}
        }
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let meta = &object["metadata"];
        let (namespace, name) = (text(&meta["namespace"]), text(&meta["name"]));
        self.reload_policies(kind);
        gc::written(self, &Key { resource: kind.stored_as(), namespace, name }, object);
    }

    /// A new namespace gets its account; one that ends may be gone now.
    fn namespace_written(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return gc::empty(self, name);
        }
        let key = Key {
            resource: "serviceaccounts".into(),
            namespace: name.to_owned(),
            name: "default".into(),
        };
        let mut tx = self.store.tx();
        if tx.get(&key).is_none()
            && let Ok(uid) = api::admit::uid()
        {
            // A full store refuses: the next write of the namespace tries again.
            let _stored = tx.put(&key, seed::account(name, &uid));
        }
    }

    fn reload_policies(&self, kind: &Kind) {
        if kind.group == admission::GROUP {
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
}
