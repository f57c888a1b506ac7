//! A RuntimeSecret as the protocol knows it.

use std::sync::Arc;

use kube::{Api, ResourceExt};
use regent_api::RuntimeSecret;
use regent_api::runtime_secret::Introduce;
use regent_protocol::observation::{Request, RunRef, Subject};
use regent_protocol::record::{Origin, Owner};
use regent_types::lifecycle::Authoritative;
use regent_types::path::PathError;
use regent_types::{SecretPath, VersionPair};

use super::authority::Authority;
use super::bootstrap::BootstrapSecretRef;
use super::consumers;
use super::ctx::Ctx;
use super::error::Error;

/// One RuntimeSecret with the path that it declares.
pub(super) struct Declared {
    /// The object, as it was when the look began.
    pub(super) secret: Arc<RuntimeSecret>,
    pub(super) path: SecretPath,
    /// It, as records name it.
    pub(super) owner: Owner,
}

impl Declared {
    /// `secret` of this installation; an error where its path is none.
    pub(super) fn of(secret: &Arc<RuntimeSecret>, installation: &str) -> Result<Self, PathError> {
        let owner = Owner {
            installation: installation.to_owned(),
            namespace: secret.namespace().unwrap_or_default(),
            name: secret.name_any(),
        };
        Ok(Self { path: secret.secret_path()?, secret: Arc::clone(secret), owner })
    }

    /// How it declares that the secret comes into the authority.
    pub(super) fn origin(&self) -> Origin {
        match &self.secret.spec.introduce {
            Introduce { handover: Some(_), .. } => Origin::Handover,
            Introduce { derived: Some(_), .. } => Origin::Derived,
            Introduce { adopt: Some(_), .. } => Origin::Adopted,
            _ => Origin::Generate,
        }
    }

    /// It on behalf of `run`, as a session takes it.
    pub(super) fn subject(&self, ctx: &Ctx, a: &Authority, run: RunRef) -> Subject {
        let spec = &self.secret.spec;
        let handover = spec.introduce.handover.as_ref();
        Subject {
            run,
            path: self.path.to_string(),
            owner: self.owner.clone(),
            request: Request {
                origin: self.origin(),
                disposition: handover.and_then(|h| h.disposition),
                policy: spec.rotation_policy.clone().unwrap_or_default(),
                hurry: false,
            },
            granted: a.granted(&self.owner.namespace, &self.path),
            status: version_in_force(&self.secret),
            becoming: consumers::becoming(&self.secret, self.path.as_str(), &ctx.externals),
        }
    }

    /// The RuntimeSecret as the API server has it now; `None` where it is gone, is being deleted, or says another
    /// thing than the one that this look began with.
    pub(super) async fn read_again(&self, ctx: &Ctx) -> Result<Option<RuntimeSecret>, Error> {
        let (namespace, name) = (&self.owner.namespace, &self.owner.name);
        let api: Api<RuntimeSecret> = Api::namespaced(ctx.cx.api.clone(), namespace);
        let found = api.get_opt(name).await;
        let found = found
            .map_err(|e| Error::api("get", format!("RuntimeSecret {namespace}/{name}"), &e))?;
        Ok(found.filter(|found| self.is_said_by(found)))
    }

    /// Whether `found` is alive and declares, and knows of the authority, what this one does.
    fn is_said_by(&self, found: &RuntimeSecret) -> bool {
        found.metadata.deletion_timestamp.is_none()
            && found.metadata.uid == self.secret.metadata.uid
            && found.metadata.generation == self.secret.metadata.generation
            && version_in_force(found) == version_in_force(&self.secret)
    }

    /// The bootstrap Secret, where one is declared.
    pub(super) fn bootstrap<'a>(&'a self, ctx: &'a Ctx) -> Option<BootstrapSecretRef<'a>> {
        let from = self.secret.spec.introduce.handover.as_ref()?;
        Some(BootstrapSecretRef {
            api: &ctx.cx.api,
            namespace: &self.owner.namespace,
            name: &from.bootstrap_secret,
            rename: &from.rename_keys,
            manager: ctx.cx.manager(),
        })
    }
}

/// The version that the status of `secret` says is in force in the authority.
pub(super) fn version_in_force(secret: &RuntimeSecret) -> Option<VersionPair> {
    let status = secret.status.as_ref();
    status.filter(|s| s.authority == Some(Authoritative::Runtime))?.version.clone()
}
