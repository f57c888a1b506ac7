//! What all requests share, sealed or not.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::seal_cache::SealCache;
use super::strangers::Strangers;
use super::throttle::Throttle;
use super::transition::Transition;
use super::turns::Turns;
use super::unsealed::Unsealed;
use crate::audit::AuditLog;
use crate::barrier::{Barrier, Stripes};
use crate::open_error::OpenError;
use crate::options::{Audit, Clock, Options};
use crate::reviewer::TokenReviewer;
use crate::reviews::Reviews;
use crate::snapshot::Snapshots;
use crate::storage::{Backend, Store};

pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) barrier: Arc<Barrier>,
    pub(crate) stripes: Arc<Stripes>,
    pub(crate) audit: AuditLog,
    pub(crate) reviewer: Arc<dyn TokenReviewer>,
    pub(crate) clock: Clock,
    pub(crate) version: String,
    pub(crate) turns: Turns,
    pub(crate) strangers: Strangers,
    /// `None` where no place is declared.
    pub(crate) snapshots: Option<Arc<Snapshots>>,
    /// What is stored of the seal, so that nobody asks the disk about it.
    pub(super) seal: SealCache,
    pub(super) unsealed: RwLock<Option<Arc<Unsealed>>>,
    pub(super) transition: Mutex<Transition>,
    pub(super) upkeep: Throttle,
}

impl Core {
    /// Opens the data file and the audit log; sealed.
    pub(crate) fn open(options: Options, backend: Backend) -> Result<Self, OpenError> {
        let store = Store::open(backend)
            .map_err(|error| OpenError::of(&options.storage, error))
            .map(Arc::new)?;
        let seal = SealCache::load(&store).map_err(|e| OpenError::of(&options.storage, e))?;
        let audit = AuditLog::open(&options.audit).map_err(|source| {
            let path = match &options.audit {
                Audit::File(path) => path.clone(),
                Audit::Stdout => "(standard output)".into(),
                Audit::Memory => "(memory)".into(),
            };
            OpenError::Audit { path, source }
        })?;
        let barrier = Arc::new(Barrier::new(store.clone(), None));
        let snapshots = options.snapshots.as_ref().map(|snapshots| {
            let (store, barrier) = (store.clone(), barrier.clone());
            Arc::new(Snapshots::new(snapshots, store, barrier, options.clock.clone()))
        });
        Ok(Self {
            barrier,
            store,
            stripes: Arc::new(Stripes::new()),
            audit,
            reviewer: Arc::new(Reviews::new(options.reviewer, options.clock.clone())),
            clock: options.clock,
            version: options.version,
            turns: Turns::default(),
            strangers: Strangers::default(),
            snapshots,
            seal,
            unsealed: RwLock::new(None),
            transition: Mutex::default(),
            upkeep: Throttle::default(),
        })
    }

    /// What unsealing loaded; `None` while sealed.
    pub(crate) fn unsealed(&self) -> Option<Arc<Unsealed>> {
        self.unsealed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
