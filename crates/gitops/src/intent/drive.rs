//! One look at one GitSource: what moved is compiled and applied, what did not is left alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use regent_api::{GitSource, GitSourceStatus};
use regent_types::{Explain, Sensitive};
use tokio::time::Instant;

use super::apply::Target;
use super::compile::{Beyond, Compiled, compile};
use super::fetch::{self, Account, Copies, Head, Wanted};
use super::location::{Location, redact};
use super::object::{Marks, source_label};
use super::scan::scan;
use super::status::{self, Synced};
use super::{Args, IntentError, impersonate, prune};
use crate::gitrepo::GitError;
use regent_operator::Context;
use regent_operator::api_error::{ApiError, Category};
use regent_operator::backoff::Backoff;
use regent_operator::write::{StatusWrite, write_status};

/// Longest a look at a remote repository may take; a fetch beyond it is stopped and begun again.
const FETCH_MAX: Duration = Duration::from_secs(120);
/// Every object is compared with Git this often even if no commit came: what was changed by hand
/// goes back.
const FULL_PASS_EVERY: Duration = Duration::from_secs(600);
/// Sources remembered; beyond it (they were deleted and made again that often) all are forgotten.
const MEMORIES_MAX: usize = 1_000;
/// Length of a commit in messages.
const COMMIT_SHOWN: usize = 12;

/// What the driver remembers of one source. Losing it costs one comparison of every object.
#[derive(Clone, Debug)]
struct Memory {
    generation: Option<i64>,
    /// Commit that needs nothing more: applied, or refused until another commit comes.
    settled: Option<String>,
    full_pass: Instant,
    due: Instant,
}

/// Shared by all reconciliations.
pub(super) struct Driver {
    cx: Context,
    args: Args,
    copies: Copies,
    memory: Mutex<BTreeMap<String, Memory>>,
    /// By the source's uid.
    backoff: Backoff<String>,
}

impl Driver {
    pub(super) fn new(cx: Context, args: Args) -> Self {
        let (copies, memory, backoff) = (Copies::default(), Mutex::default(), Backoff::default());
        Self { cx, args, copies, memory, backoff }
    }

    fn recall(&self, uid: &str) -> Option<Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    fn remember(&self, uid: String, memory: Memory) {
        let mut all = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MEMORIES_MAX {
            all.clear();
        }
        all.insert(uid, memory);
    }
}

/// Entry point of the controller.
pub(super) async fn reconcile(
    source: Arc<GitSource>,
    driver: Arc<Driver>,
) -> Result<Action, IntentError> {
    let name = source.name_any();
    // A source that is made anew under the same name has another uid, and nothing is known of it.
    let uid = source.uid().unwrap_or_default();
    if source.meta().deletion_timestamp.is_some() {
        driver.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        driver.backoff.reset(&uid);
        return Ok(Action::await_change());
    }
    let generation = source.meta().generation;
    let known = driver.recall(&uid).filter(|m| m.generation == generation);
    if source.spec.suspend {
        driver.write_status(&source, &Synced::Suspended).await?;
        driver.backoff.reset(&uid);
        return Ok(Action::await_change());
    }
    let now = Instant::now();
    if let Some(memory) = known.as_ref().filter(|m| m.due > now) {
        return Ok(Action::requeue(memory.due - now));
    }
    let outcome = driver.sync(&source, known.as_ref()).await;
    let every =
        Duration::from_secs(u64::try_from(source.spec.interval_seconds).unwrap_or(60).max(1));
    let fresh = |settled: Option<String>, wait: Duration| Memory {
        generation,
        settled,
        full_pass: Instant::now(),
        due: Instant::now() + wait,
    };
    let memory = match outcome {
        Looked::Same => Memory {
            due: Instant::now() + every,
            ..known.unwrap_or_else(|| fresh(None, every))
        },
        Looked::Synced { commit, synced } => {
            let written = driver.write_status(&source, &synced).await;
            if let Err(error) = written {
                driver.remember(uid, fresh(None, Duration::ZERO));
                return Err(error);
            }
            let failed = match &synced {
                Synced::Not { error, .. } => {
                    report(&name, error);
                    error.is_transient() || commit.is_none()
                }
                Synced::Whole { .. } | Synced::Suspended => false,
            };
            if failed {
                let wait = driver.backoff.next(uid.clone()).min(every);
                driver.remember(uid, fresh(None, wait));
                return Ok(Action::requeue(wait));
            }
            fresh(commit, every)
        }
    };
    driver.backoff.reset(&uid);
    let wait = memory.due.saturating_duration_since(Instant::now());
    driver.remember(uid, memory);
    Ok(Action::requeue(wait))
}

/// A status that could not be written: tried again, ever more slowly.
pub(super) fn on_error(
    source: Arc<GitSource>,
    error: &IntentError,
    driver: Arc<Driver>,
) -> Action {
    tracing::warn!(component = "intent", reason = error.reason(), %error, "status not written");
    Action::requeue(driver.backoff.next(source.uid().unwrap_or_default()))
}

fn report(name: &str, error: &IntentError) {
    let reason = error.reason();
    if error.is_transient() {
        tracing::warn!(component = "intent", object = name, reason, %error, "sync failed");
    } else {
        tracing::error!(component = "intent", object = name, reason, %error, "sync refused");
    }
}

/// What one look came to.
enum Looked {
    /// Nothing moved.
    Same,
    /// Something was to be done, or nothing could be.
    Synced { commit: Option<String>, synced: Synced },
}

impl Driver {
    async fn sync(&self, source: &GitSource, known: Option<&Memory>) -> Looked {
        let not = |commit, error| Looked::Synced {
            commit,
            synced: Synced::Not { error, more: 0, inventory: None },
        };
        let head = match self.look(source).await {
            Ok(head) => head,
            Err(error) => return not(None, error),
        };
        let commit = head.commit.to_string();
        let same = known.filter(|m| m.settled.as_ref() == Some(&commit));
        if same.is_some_and(|m| m.full_pass.elapsed() < FULL_PASS_EVERY) {
            return Looked::Same;
        }
        let target = match self.target(source) {
            Ok(target) => target,
            Err(error) => return not(Some(commit), error),
        };
        let synced = match self.compile(source, head, &target).await {
            Ok(compiled) => self.carry_out(source, &commit, compiled, &target).await,
            Err(mut errors) => {
                let more = errors.len().saturating_sub(1);
                let error =
                    if errors.is_empty() { IntentError::Interrupted } else { errors.remove(0) };
                Synced::Not { error, more, inventory: None }
            }
        };
        Looked::Synced { commit: Some(commit), synced }
    }

    async fn look(&self, source: &GitSource) -> Result<Head, IntentError> {
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
            Ok(Ok(answer)) => answer.map_err(|e| at(&spec.url, e)),
            Ok(Err(_)) | Err(_) => Err(IntentError::Interrupted),
        }
    }

    async fn account(&self, name: &str) -> Result<Account, IntentError> {
        let problem = |problem: &str| IntentError::Credentials {
            name: name.to_owned(),
            problem: problem.to_owned(),
        };
        let secrets: Api<Secret> =
            Api::namespaced(self.cx.api.clone(), &self.args.system_namespace);
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

    fn target(&self, source: &GitSource) -> Result<Target, IntentError> {
        let account = source.spec.service_account_name.as_deref();
        let account = account
            .map(|name| impersonate::client(&self.cx.api, &self.args.system_namespace, name))
            .transpose()?;
        Ok(Target {
            own: self.cx.api.clone(),
            account,
            manager: self.cx.manager(),
            source: source_label(&self.args.system_namespace, &source.name_any()),
        })
    }

    async fn compile(
        &self,
        source: &GitSource,
        head: Head,
        target: &Target,
    ) -> Result<(Compiled, usize), Vec<IntentError>> {
        let marks = Marks {
            source: target.source.clone(),
            repository: redact(&source.spec.url),
            commit: head.commit.to_string(),
        };
        let beyond = if target.account.is_some() { Beyond::Account } else { Beyond::Refuse };
        let (folder, url) = (source.spec.path.clone(), source.spec.url.clone());
        let thread = tokio::task::spawn_blocking(move || {
            let scan = scan(&head, &folder).map_err(|e| vec![at(&url, e)])?;
            if !scan.findings.is_empty() {
                return Err(scan.findings);
            }
            let compiled = compile(&scan.files, &marks, beyond)?;
            if compiled.objects.is_empty() {
                let path = if folder.is_empty() { "the root folder".to_owned() } else { folder };
                return Err(vec![IntentError::Empty { path, commit: short(&marks.commit) }]);
            }
            Ok((compiled, scan.not_followed.len()))
        });
        thread.await.unwrap_or_else(|_| Err(vec![IntentError::Interrupted]))
    }

    async fn carry_out(
        &self,
        source: &GitSource,
        commit: &str,
        (compiled, not_followed): (Compiled, usize),
        target: &Target,
    ) -> Synced {
        let before = source.status.as_ref().map(|s| s.inventory.clone()).unwrap_or_default();
        let total = compiled.objects.len();
        let applied = target.apply(&compiled.objects).await;
        if let Some(error) = summary("applied", applied.failures, total) {
            let inventory = Some(prune::union(&before, &applied.good));
            return Synced::Not { error, more: 0, inventory };
        }
        let gone = prune::gone(&before, &applied.good);
        let pruned = target.prune(&gone).await;
        if let Some(error) = summary("removed", pruned.failures, gone.len()) {
            let inventory = Some(prune::union(&pruned.good, &applied.good));
            return Synced::Not { error, more: 0, inventory };
        }
        if applied.written + pruned.written > 0 {
            let (object, revision) = (source.name_any(), short(commit));
            let (written, removed) = (applied.written, pruned.written);
            tracing::info!(
                component = "intent",
                object,
                revision,
                total,
                written,
                removed,
                "synced"
            );
        }
        let mut message = format!("{total} objects of commit {}", short(commit));
        if compiled.passed_over > 0 {
            message = format!("{message}; {} other documents passed over", compiled.passed_over);
        }
        if not_followed > 0 {
            message = format!("{message}; {not_followed} submodules and links not followed");
        }
        Synced::Whole { revision: commit.to_owned(), inventory: applied.good, message }
    }

    async fn write_status(&self, source: &GitSource, synced: &Synced) -> Result<(), IntentError> {
        let old = source.status.clone().unwrap_or_default();
        let new: GitSourceStatus =
            status::next(&old, synced, source.meta().generation, self.cx.now());
        if new == old {
            return Ok(());
        }
        let sources: Api<GitSource> =
            Api::namespaced(self.cx.api.clone(), &self.args.system_namespace);
        let mut object = source.clone();
        object.status = Some(new);
        object.metadata.managed_fields = None;
        match write_status(&sources, &self.cx.manager(), &object).await? {
            StatusWrite::Written | StatusWrite::Gone => Ok(()),
            StatusWrite::Changed => Err(IntentError::Changed),
        }
    }
}

fn at(url: &str, source: GitError) -> IntentError {
    IntentError::Repository { repository: redact(url), source }
}

fn short(commit: &str) -> String {
    commit.chars().take(COMMIT_SHOWN).collect()
}

/// One error for all failures of a pass: the first in full, the rest as a number.
fn summary(
    verb: &'static str,
    mut failures: Vec<IntentError>,
    total: usize,
) -> Option<IntentError> {
    if failures.is_empty() {
        return None;
    }
    let failed = failures.len();
    let first = match failures.swap_remove(0) {
        IntentError::Apply { first, .. } => first,
        error if failed == 1 => return Some(error),
        error => error.to_string(),
    };
    Some(IntentError::Apply { verb, failed, total, first })
}
