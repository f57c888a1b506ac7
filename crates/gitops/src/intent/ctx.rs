//! What all reconciles of GitSources share, and what they remember of each.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use regent_api::GitSource;
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use tokio::time::Instant;

use super::apply::ObjectWriter;
use super::fetch::Copies;
use super::object::source_label;
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
    /// When to look at the repository again.
    pub(super) due: Instant,
}

pub(super) struct Ctx {
    pub(super) operator: Context,
    pub(super) args: Args,
    pub(super) copies: Copies,
    /// By the source's uid.
    last_syncs: Mutex<BTreeMap<String, LastSync>>,
    /// By the source's uid.
    pub(super) backoff: Backoff<String>,
}

impl Ctx {
    pub(super) fn new(operator: Context, args: Args) -> Self {
        let (copies, last_syncs, backoff) =
            (Copies::default(), Mutex::default(), Backoff::default());
        Self { operator, args, copies, last_syncs, backoff }
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
        self.backoff.reset(uid);
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
        })
    }
}
