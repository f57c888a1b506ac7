//! Where the repository of a GitSource stands: asked on a thread of its own, with the credentials that it names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use regent_api::GitSource;
use regent_operator::api_error::{ApiError, Category};
use regent_types::Sensitive;
use tokio::sync::oneshot;

use super::IntentError;
use super::ctx::Ctx;
use super::fetch::{self, Account, Head, Wanted};
use super::location::{Location, unreadable};

/// Longest a look at a remote repository may take; a fetch beyond it is stopped and begun again.
const FETCH_MAX: Duration = Duration::from_secs(120);

/// Runs `work` on a thread that nobody waits for at the end of the process: one that hangs in a server's answer ends
/// with the process, where a runtime's own threads would hold it up.
fn on_thread<T: Send + 'static>(
    stop: &Arc<AtomicBool>,
    work: impl FnOnce(&Arc<AtomicBool>) -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, IntentError> {
    let (done, answer) = oneshot::channel();
    let stop = Arc::clone(stop);
    let thread = std::thread::Builder::new().name("git".to_owned());
    let started = thread.spawn(move || {
        // Nobody may be waiting any more.
        let _unheard = done.send(work(&stop));
    });
    started.map(|_detached| answer).map_err(|_| IntentError::Interrupted)
}

impl Ctx {
    /// The commit that `source` names, on disk.
    pub(super) async fn fetch_head(&self, source: &GitSource) -> Result<Head, IntentError> {
        let spec = &source.spec;
        let location = Location::parse(&spec.url)?;
        let account = match (&spec.credentials, &location) {
            (Some(secret), Location::Http(url)) => {
                if !url.starts_with("https://") {
                    let problem = "credentials are sent over https only".to_owned();
                    return Err(IntentError::Credentials { name: secret.name.clone(), problem });
                }
                Some(self.account(&secret.name).await?)
            }
            _ => None,
        };
        let wanted = Wanted {
            location,
            reference: spec.reference.clone(),
            account,
            cache_dir: self.args.cache_dir.clone(),
        };
        let copies = self.copies.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let answer = on_thread(&stop, move |stop| fetch::look(&wanted, &copies, stop))?;
        let answer = tokio::select! {
            answer = tokio::time::timeout(FETCH_MAX, answer) => answer,
            () = self.operator.shutdown.clone().wait() => {
                stop.store(true, Ordering::Relaxed);
                return Err(IntentError::Interrupted);
            }
        };
        stop.store(true, Ordering::Relaxed);
        match answer {
            Ok(Ok(answer)) => answer.map_err(|e| unreadable(&spec.url, e)),
            Ok(Err(_)) | Err(_) => Err(IntentError::Interrupted),
        }
    }

    async fn account(&self, name: &str) -> Result<Account, IntentError> {
        let problem = |problem: &str| IntentError::Credentials {
            name: name.to_owned(),
            problem: problem.to_owned(),
        };
        let secrets: Api<Secret> =
            Api::namespaced(self.operator.api.clone(), &self.args.system_namespace);
        let secret = secrets.get(name).await.map_err(|error| {
            problem(match ApiError::new("get", format!("Secret {name}"), &error).category() {
                Category::NotFound => "not found",
                Category::Forbidden => "intent may not read it; its name is regent-git-credentials",
                Category::Conflict | Category::Invalid | Category::Transient => {
                    "the API server could not be asked"
                }
            })
        })?;
        let mut data = secret.data.unwrap_or_default();
        let mut take = |key: &str| {
            data.remove(key)
                .and_then(|bytes| String::from_utf8(bytes.0).ok())
                .ok_or_else(|| problem(&format!("key {key} is missing or not text")))
        };
        let username = take("username")?;
        Ok(Account { username, password: Sensitive::new(take("password")?) })
    }
}
