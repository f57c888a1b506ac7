//! One component with its arguments, as `regent dev` runs it in a task and `regent run` as a process.

use std::path::PathBuf;

use regent_control::{orchestrator, triggers, warden};
use regent_delivery::{materializer, publisher};
use regent_gitops::{bootstrap, intent};
use regent_operator::Context;
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use regent_types::{Advice, Explain};

use crate::failure::Failure;

/// What components are told beside their identity; each takes what concerns it.
#[derive(Clone, Debug)]
pub struct Given {
    /// intent: bare copies of remote repositories.
    pub cache: PathBuf,
    /// warden: the API server as the authority reaches it.
    pub kubernetes_host: String,
    /// warden: CA of that API server, PEM; only for an authority outside the cluster.
    pub kubernetes_ca: Option<String>,
}

/// Runs the component of `cx.identity` until its shutdown signal.
///
/// # Errors
/// What kept it from starting; everything later becomes a condition and is tried again.
pub async fn run(cx: Context, given: Given) -> Result<(), Failure> {
    match cx.identity {
        Identity::Intent => {
            let system_namespace = SYSTEM_NAMESPACE.to_owned();
            let args = intent::Args { cache_dir: given.cache, system_namespace };
            intent::run(cx, args).await;
            Ok(())
        }
        Identity::Bootstrap => {
            bootstrap::run(cx, bootstrap::Args::default()).await;
            Ok(())
        }
        Identity::Warden => {
            let args = warden::Args {
                kubernetes_host: given.kubernetes_host,
                kubernetes_ca_cert: given.kubernetes_ca,
            };
            told(warden::run(cx, args).await)
        }
        Identity::Orchestrator => told(orchestrator::run(cx, orchestrator::Args::default()).await),
        Identity::Triggers => told(triggers::run(cx, triggers::Args::default()).await),
        Identity::Materializer => told(materializer::run(cx, materializer::Args::default()).await),
        Identity::Publisher => told(publisher::run(cx, publisher::Args::default()).await),
        Identity::Authority | Identity::Reader => {
            let found = cx.identity.name();
            let advice = Advice::new("a component", found, "see `regent run --help`");
            Err(Failure::new("NoComponent", "this identity runs no component", advice).code(2))
        }
    }
}

fn told<E: Explain>(done: Result<(), E>) -> Result<(), Failure> {
    done.map_err(|e| Failure::of("the component", &e))
}
