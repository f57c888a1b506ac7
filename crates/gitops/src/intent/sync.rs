//! One sync of one GitSource: fetch, scan and compile, apply, prune.

use std::time::Duration;

use kube::ResourceExt;
use regent_api::GitSource;

use super::IntentError;
use super::apply::ObjectWriter;
use super::compile::{Beyond, Compiled, compile};
use super::ctx::{Ctx, LastSync};
use super::fetch::Head;
use super::location::{redact, unreadable};
use super::object::Marks;
use super::prune;
use super::scan::scan;
use super::status::Synced;

/// Every object is compared with Git this often even if no commit came: what was changed by hand
/// goes back.
const FULL_PASS_EVERY: Duration = Duration::from_secs(600);
/// Length of a commit in messages.
const COMMIT_SHOWN: usize = 12;

/// What one sync came to.
pub(super) enum SyncOutcome {
    Unchanged,
    /// Something was to be done, or nothing could be.
    Synced {
        commit: Option<String>,
        synced: Synced,
    },
}

impl Ctx {
    /// Does what `source` needs since its `last` sync.
    pub(super) async fn sync(&self, source: &GitSource, last: Option<&LastSync>) -> SyncOutcome {
        let not = |commit, error| SyncOutcome::Synced {
            commit,
            synced: Synced::Not { error, more: 0, inventory: None },
        };
        let head = match self.fetch_head(source).await {
            Ok(head) => head,
            Err(error) => return not(None, error),
        };
        let commit = head.commit.to_string();
        let same = last.filter(|m| m.settled.as_ref() == Some(&commit));
        if same.is_some_and(|m| m.full_pass.elapsed() < FULL_PASS_EVERY) {
            return SyncOutcome::Unchanged;
        }
        let writer = match self.writer(source) {
            Ok(writer) => writer,
            Err(error) => return not(Some(commit), error),
        };
        let synced = match self.compile(source, head, &writer).await {
            Ok(compiled) => self.apply_and_prune(source, &commit, compiled, &writer).await,
            Err(mut errors) => {
                let more = errors.len().saturating_sub(1);
                let error =
                    if errors.is_empty() { IntentError::Interrupted } else { errors.remove(0) };
                Synced::Not { error, more, inventory: None }
            }
        };
        SyncOutcome::Synced { commit: Some(commit), synced }
    }

    async fn compile(
        &self,
        source: &GitSource,
        head: Head,
        writer: &ObjectWriter,
    ) -> Result<(Compiled, usize), Vec<IntentError>> {
        let marks = Marks {
            source: writer.source.clone(),
            repository: redact(&source.spec.url),
            commit: head.commit.to_string(),
        };
        let beyond = if writer.account.is_some() { Beyond::Account } else { Beyond::Refuse };
        let (folder, url) = (source.spec.path.clone(), source.spec.url.clone());
        let thread = tokio::task::spawn_blocking(move || {
            let scan = scan(&head, &folder).map_err(|e| vec![unreadable(&url, e)])?;
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

    async fn apply_and_prune(
        &self,
        source: &GitSource,
        commit: &str,
        (compiled, not_followed): (Compiled, usize),
        writer: &ObjectWriter,
    ) -> Synced {
        let before = source.status.as_ref().map(|s| s.inventory.clone()).unwrap_or_default();
        let total = compiled.objects.len();
        let applied = writer.apply(&compiled.objects).await;
        if let Some(error) = summary("applied", applied.failures, total) {
            let inventory = Some(prune::union(&before, &applied.good));
            return Synced::Not { error, more: 0, inventory };
        }
        let gone = prune::gone(&before, &applied.good);
        let pruned = writer.prune(&gone).await;
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
