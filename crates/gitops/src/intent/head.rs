//! Where the repository of a GitSource stands: asked on a thread of its own, with the credentials that it names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use regent_api::GitSource;
use regent_operator::api_error::{ApiError, Category};
use regent_types::Sensitive;

use super::IntentError;
use super::ctx::Ctx;
use super::fetch::{self, Account, Head, Wanted};
use super::location::{Location, unreadable};

/// Longest a look at a remote repository may take; a fetch beyond it is stopped and begun again.
const FETCH_MAX: Duration = Duration::from_secs(120);

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
        let stop = Arc::new(AtomicBool::new(false));
        let (copies, thread_stop) = (self.copies.clone(), Arc::clone(&stop));
        let thread =
            tokio::task::spawn_blocking(move || fetch::look(&wanted, &copies, &thread_stop));
        let answer = tokio::time::timeout(FETCH_MAX, thread).await;
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
