//! One sync of one GitSource: fetch, scan and compile, apply, prune.

use std::time::Duration;

use kube::ResourceExt;
use regent_api::GitSource;
use tokio::time::Instant;

use super::IntentError;
use super::apply::{ApplyReport, ObjectWriter};
use super::compile::{Beyond, Compiled, compile};
use super::ctx::{Ctx, LastSync};
use super::fetch::Head;
use super::inventory::Before;
use super::location::{redact, unreadable};
use super::object::{Marks, Writer};
use super::problems::Problems;
use super::prune;
use super::scan::scan;
use super::status::Synced;
use super::unreadable::{self, PassedOver};
use super::words::{self, short};

/// Objects that no watch vouches for are compared with Git this often even if no commit came.
const FULL_PASS_EVERY: Duration = Duration::from_secs(600);
/// Objects of the account that a source names, up to which they are compared at each look: intent may not watch them.
const COMPARED_EACH_LOOK_MAX: usize = 200;

/// What one sync came to.
pub(super) enum SyncOutcome {
    Unchanged,
    /// Something was to be done, or nothing could be.
    Synced {
        commit: Option<String>,
        synced: Synced,
        /// Whether every look compares.
        compares_always: bool,
        /// Objects that were put back, each with how.
        put_back: Vec<String>,
    },
}

impl SyncOutcome {
    fn not(commit: Option<String>, problems: impl Into<Problems>) -> Self {
        let synced = Synced::Not { problems: problems.into(), rest: None, inventory: None };
        Self::Synced { commit, synced, compares_always: false, put_back: Vec::new() }
    }
}

/// A commit made ready to apply.
struct Prepared {
    compiled: Compiled,
    passed_over: Vec<PassedOver>,
}

impl Ctx {
    /// Does what `source` needs since its `last` sync.
    pub(super) async fn sync(&self, source: &GitSource, last: Option<&LastSync>) -> SyncOutcome {
        let head = match self.fetch_head(source).await {
            Ok(head) => head,
            Err(problem) => return SyncOutcome::not(None, problem),
        };
        let commit = head.commit.to_string();
        let writer = match self.writer(source) {
            Ok(writer) => writer,
            Err(problem) => return SyncOutcome::not(Some(commit), problem),
        };
        let same = last.filter(|m| m.settled.as_ref() == Some(&commit));
        let compared = |m: &LastSync| !m.compares_always && m.full_pass.elapsed() < FULL_PASS_EVERY;
        if same.is_some_and(compared) && !self.drift.is_dirty(&writer.source, Instant::now()) {
            return SyncOutcome::Unchanged;
        }
        let before = match self.inventory(source).await {
            Ok(before) => before,
            Err(problem) => return SyncOutcome::not(Some(commit), problem),
        };
        match self.prepare(source, head, &writer).await {
            Ok(prepared) => {
                let outcome = apply_and_prune(source, &commit, prepared, &writer, before).await;
                let SyncOutcome::Synced { put_back, .. } = &outcome else { return outcome };
                self.report_put_back(source, put_back).await;
                outcome
            }
            Err(problems) => SyncOutcome::not(Some(commit), problems),
        }
    }

    async fn prepare(
        &self,
        source: &GitSource,
        head: Head,
        writer: &ObjectWriter,
    ) -> Result<Prepared, Problems> {
        let marks = Marks {
            source: writer.source.clone(),
            repository: redact(&source.spec.url),
            commit: head.commit.to_string(),
        };
        let beyond = if writer.account.is_some() { Beyond::Account } else { Beyond::Refuse };
        let (folder, url) = (source.spec.path.clone(), source.spec.url.clone());
        let thread = tokio::task::spawn_blocking(move || {
            let mut scan = scan(&head, &folder).map_err(|e| unreadable(&url, e))?;
            let mut compiled = compile(&scan.files, &marks, beyond);
            compiled.problems.extend(std::mem::take(&mut scan.problems));
            if compiled.problems.refuse_all() {
                return Err(compiled.problems);
            }
            if compiled.objects.is_empty() && compiled.problems.is_empty() {
                let path = if folder.is_empty() { "the root folder".to_owned() } else { folder };
                return Err(IntentError::Empty { path, commit: short(&marks.commit) }.into());
            }
            let mut passed_over = scan.passed_over;
            let documents = compiled.passed_over.iter();
            passed_over.extend(documents.map(|place| unreadable::document(place.clone())));
            Ok(Prepared { compiled, passed_over })
        });
        thread.await.unwrap_or_else(|_| Err(IntentError::Interrupted.into()))
    }
}

async fn apply_and_prune(
    source: &GitSource,
    commit: &str,
    prepared: Prepared,
    writer: &ObjectWriter,
    before: Before,
) -> SyncOutcome {
    let Prepared { compiled: Compiled { objects, mut problems, .. }, passed_over } = prepared;
    let of_account = objects.iter().filter(|o| matches!(o.writer, Writer::Account(_))).count();
    let compares_always = (1..=COMPARED_EACH_LOOK_MAX).contains(&of_account);
    let total = objects.len();
    let mut applied = writer.apply(&objects, &before.items).await;
    let failures = std::mem::take(&mut applied.failures);
    if let Some(failed) = words::summary("applied", failures, total) {
        problems.push(failed);
    }
    if let Some(lost) = before.lost {
        problems.push(lost);
    }
    let put_back = std::mem::take(&mut applied.put_back);
    let synced = if problems.is_empty() {
        prune_rest(source, commit, &passed_over, writer, &before.items, applied, &put_back).await
    } else {
        let rest = words::rest(applied.good.len(), commit);
        let inventory = Some(prune::union(&before.items, &applied.good));
        Synced::Not { problems, rest: Some(rest), inventory }
    };
    SyncOutcome::Synced { commit: Some(commit.to_owned()), synced, compares_always, put_back }
}

/// Everything of the commit is applied: what left the repository goes.
async fn prune_rest(
    source: &GitSource,
    commit: &str,
    passed_over: &[PassedOver],
    writer: &ObjectWriter,
    before: &[regent_api::git_source::InventoryItem],
    applied: ApplyReport,
    put_back: &[String],
) -> Synced {
    let gone = prune::gone(before, &applied.good);
    let pruned = writer.prune(&gone, passed_over).await;
    let mut problems = Problems::default();
    if let Some(failed) = words::summary("removed", pruned.failures, gone.len()) {
        problems.push(failed);
    }
    for (index, place) in passed_over.iter().enumerate() {
        let kept = pruned.unread.iter().filter(|unread| **unread == index).count();
        if kept > 0 {
            problems.push(unreadable::kept(place, kept));
        }
    }
    let total = applied.good.len();
    let inventory = prune::union(&pruned.left, &applied.good);
    if !problems.is_empty() {
        let rest = Some(words::rest(total, commit));
        return Synced::Not { problems, rest, inventory: Some(inventory) };
    }
    if applied.written + pruned.removed > 0 {
        let (object, revision) = (source.name_any(), short(commit));
        let (written, removed) = (applied.written, pruned.removed);
        tracing::info!(component = "intent", object, revision, total, written, removed, "synced");
    }
    let message = words::applied(total, commit, passed_over, put_back);
    Synced::Whole { revision: commit.to_owned(), inventory, message }
}
