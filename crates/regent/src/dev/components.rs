//! Runs each component as its own task under its own identity, so that any can be ended and started alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use regent_components::{
    Context, Endpoints, Shutdown, bootstrap, intent, materializer, orchestrator, publisher,
    triggers, warden,
};
use regent_sandbox::Sandbox;
use regent_types::access::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use regent_vault::FileJwt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::tokens::Tokens;

/// Components in the order they become active (C4-2).
pub(super) const ALL: [Identity; 7] = [
    Identity::Intent,
    Identity::Bootstrap,
    Identity::Warden,
    Identity::Orchestrator,
    Identity::Triggers,
    Identity::Materializer,
    Identity::Publisher,
];

/// What the components share beside their identities.
#[derive(Clone)]
pub struct Wiring {
    /// The API server.
    pub(super) sandbox: Sandbox,
    /// Their tokens.
    pub(super) tokens: Tokens,
    /// Where the authority answers.
    pub(super) endpoints: Endpoints,
    /// The API server as the authority reaches it.
    pub(super) kubernetes_host: String,
    /// Its CA.
    pub(super) kubernetes_ca: String,
    /// Bare copies of remote repositories.
    pub(super) cache: PathBuf,
}

/// The running components.
#[derive(Default)]
pub struct Components(BTreeMap<Identity, (watch::Sender<bool>, JoinHandle<()>)>);

impl Components {
    /// Starts `identity`'s component unless it runs.
    pub(super) fn start(&mut self, identity: Identity, wiring: &Wiring) {
        if self.0.contains_key(&identity) {
            return;
        }
        let (stop, shutdown) = Shutdown::new();
        let cx = Context {
            identity,
            api: wiring.sandbox.client(wiring.tokens.api_token(identity), SYSTEM_NAMESPACE),
            endpoints: wiring.endpoints.clone(),
            jwt: Arc::new(FileJwt { path: wiring.tokens.authority_file(identity) }),
            shutdown,
        };
        if let Some(task) = spawn(identity, cx, wiring) {
            self.0.insert(identity, (stop, task));
        }
    }

    /// Ends it at once, wherever it is, as a crash would.
    pub(super) async fn kill(&mut self, identity: Identity) {
        if let Some((_stop, task)) = self.0.remove(&identity) {
            task.abort();
            // Cancelled is what it is to be.
            let _cancelled = task.await;
        }
    }

    /// Asks all to stop and waits.
    pub(super) async fn stop(&mut self) {
        for (stop, _) in self.0.values() {
            stop.send_replace(true);
        }
        for (identity, (_, task)) in std::mem::take(&mut self.0) {
            if task.await.is_err() {
                tracing::error!(component = identity.name(), "component ended badly");
            }
        }
    }
}

fn spawn(identity: Identity, cx: Context, wiring: &Wiring) -> Option<JoinHandle<()>> {
    let task = match identity {
        Identity::Intent => {
            let args = intent::Args {
                cache_dir: wiring.cache.clone(),
                system_namespace: SYSTEM_NAMESPACE.to_owned(),
            };
            tokio::spawn(intent::run(cx, args))
        }
        Identity::Bootstrap => tokio::spawn(bootstrap::run(cx, bootstrap::Args::default())),
        Identity::Warden => {
            let args = warden::Args {
                kubernetes_host: wiring.kubernetes_host.clone(),
                kubernetes_ca_cert: Some(wiring.kubernetes_ca.clone()),
            };
            named(identity, warden::run(cx, args))
        }
        Identity::Orchestrator => {
            named(identity, orchestrator::run(cx, orchestrator::Args::default()))
        }
        Identity::Triggers => named(identity, triggers::run(cx, triggers::Args::default())),
        Identity::Materializer => {
            named(identity, materializer::run(cx, materializer::Args::default()))
        }
        Identity::Publisher => named(identity, publisher::run(cx, publisher::Args::default())),
        Identity::Authority | Identity::Reader => return None,
    };
    Some(task)
}

/// A component's task; if it ends with an error, that is logged once, here.
fn named<E: std::fmt::Display>(
    identity: Identity,
    run: impl Future<Output = Result<(), E>> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = run.await {
            tracing::error!(component = identity.name(), error = %error, "component ended");
        }
    })
}
