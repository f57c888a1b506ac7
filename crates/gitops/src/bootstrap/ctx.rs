//! What all reconciles of EncryptedManifests share.

use kube::ResourceExt;
use kube::runtime::reflector::Store;
use regent_api::{EncryptedManifest, RuntimeSecret};
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::events::EventRecorder;

use super::Args;
use super::gone::Gone;
use super::keys::Keys;

pub(super) struct Ctx {
    pub(super) operator: Context,
    pub(super) keys: Keys,
    /// RuntimeSecrets as the watch last told of them.
    pub(super) secrets: Store<RuntimeSecret>,
    /// Whether it has told of all.
    pub(super) listed: CacheSync,
    pub(super) events: EventRecorder,
    /// By the manifest's [`namespaced_name`].
    pub(super) backoff: Backoff<String>,
    /// Manifests that are there, and those that went.
    pub(super) gone: Gone,
    /// Of Secrets whose end failed, by `namespace/name`.
    pub(super) retiring: Backoff<String>,
}

impl Ctx {
    pub(super) fn new(operator: Context, args: Args, secrets: Store<RuntimeSecret>) -> Self {
        Self {
            keys: Keys::new(&operator, &args.system_namespace),
            listed: CacheSync::of(&secrets),
            events: operator.event_recorder(),
            backoff: Backoff::default(),
            gone: Gone::default(),
            retiring: Backoff::default(),
            secrets,
            operator,
        }
    }
}

pub(super) fn namespaced_name(manifest: &EncryptedManifest) -> String {
    format!("{}/{}", manifest.namespace().unwrap_or_default(), manifest.name_any())
}
