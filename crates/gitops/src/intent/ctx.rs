//! What all reconciles of GitSources share, and what they remember of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use regent_api::GitSource;
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::events::EventRecorder;
use tokio::time::Instant;

use super::apply::ObjectWriter;
use super::drift::Drift;
use super::fetch::Copies;
use super::inventory::Stored;
use super::object::source_label;
use super::status::Synced;
use super::{Args, IntentError, impersonate};

/// Sources remembered; beyond it (they were deleted and made again that often) all are forgotten.
const SOURCES_MAX: usize = 1_000;

/// What is remembered of one source. Losing it costs one comparison of every object.
#[derive(Clone, Debug)]
pub(super) struct LastSync {
    pub(super) generation: Option<i64>,
    /// Commit that needs nothing more: applied, or refused until another commit comes.
    pub(super) settled: Option<String>,
    /// When every object was compared.
    pub(super) full_pass: Instant,
    /// Whether objects are compared at each look, because no watch tells of them.
    pub(super) compares_always: bool,
    /// When to look at the repository again.
    pub(super) due: Instant,
}

/// What a sync came to, where the API server would not take the status.
#[derive(Debug)]
pub(super) struct Unsaid {
    pub(super) synced: Synced,
    pub(super) stored: Option<Stored>,
}

pub(super) struct Ctx {
    pub(super) operator: Context,
    pub(super) args: Args,
    pub(super) copies: Copies,
    /// Which objects are as they were left; all sources share the watches.
    pub(super) drift: Arc<Drift>,
    pub(super) events: EventRecorder,
    /// What could not be said yet, by the source's uid.
    unsaid: Mutex<BTreeMap<String, Arc<Unsaid>>>,
    /// By the source's uid.
    last_syncs: Mutex<BTreeMap<String, LastSync>>,
    /// By the source's uid.
    pub(super) backoff: Backoff<String>,
    /// Of statuses that could not be written, by the source's uid.
    pub(super) unwritten: Backoff<String>,
}

impl Ctx {
    pub(super) fn new(operator: Context, args: Args) -> Self {
        Self {
            copies: Copies::default(),
            drift: Arc::default(),
            events: operator.event_recorder(),
            unsaid: Mutex::default(),
            last_syncs: Mutex::default(),
            backoff: Backoff::default(),
            unwritten: Backoff::default(),
            operator,
            args,
        }
    }

    fn all_unsaid(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Unsaid>>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unsaid(&self, uid: &str) -> Option<Arc<Unsaid>> {
        self.all_unsaid().get(uid).cloned()
    }

    /// Remembers what the status of a source should say, or that it says so.
    pub(super) fn set_unsaid(&self, uid: &str, unsaid: Option<Arc<Unsaid>>) {
        let mut all = self.all_unsaid();
        match unsaid {
            Some(unsaid) if all.len() < SOURCES_MAX => _ = all.insert(uid.to_owned(), unsaid),
            _ => _ = all.remove(uid),
        }
    }

    fn last_syncs(&self) -> MutexGuard<'_, BTreeMap<String, LastSync>> {
        self.last_syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_sync(&self, uid: &str) -> Option<LastSync> {
        self.last_syncs().get(uid).cloned()
    }

    pub(super) fn set_last_sync(&self, uid: String, last_sync: LastSync) {
        let mut all = self.last_syncs();
        if all.len() >= SOURCES_MAX {
            all.clear();
        }
        all.insert(uid, last_sync);
    }

    /// Of a source that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.last_syncs().remove(uid);
        self.set_unsaid(uid, None);
        self.backoff.reset(uid);
        self.unwritten.reset(uid);
    }

    /// Who writes the objects of `source`: intent itself, and the account that it names.
    pub(super) fn writer(&self, source: &GitSource) -> Result<ObjectWriter, IntentError> {
        let account = source.spec.service_account_name.as_deref();
        let account = account
            .map(|name| impersonate::client(&self.operator.api, &self.args.system_namespace, name))
            .transpose()?;
        Ok(ObjectWriter {
            own: self.operator.api.clone(),
            account,
            manager: self.operator.manager(),
            source: source_label(&self.args.system_namespace, &source.name_any()),
            drift: Arc::clone(&self.drift),
        })
    }
}
