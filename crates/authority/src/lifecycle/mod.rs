//! The authority's life: nothing yet → initialized and sealed → active → sealed again.
//!
//! ```text
//! init ─ one commit ─▶ sealed ─ threshold shares ─▶ active ─ seal, close ─▶ sealed
//!                        └─── recover: possession of shares, new key, new shares ──▶ active
//! ```
//!
//! One transition at a time (`Core::transition`). `active` is what unsealing loads: mount table,
//! audit salt; everything else is loaded when it is asked for. No task runs in the background:
//! upkeep rides on requests.

mod generate_root;
mod init;
mod recover;
mod rotate;
mod state;
mod unseal;
mod upkeep;

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, Semaphore};

use self::generate_root::RootAttempt;
pub(crate) use self::generate_root::RootStatus;
pub(crate) use self::state::Active;
use crate::audit::AuditLog;
use crate::barrier::Barrier;
use crate::seal::Collection;
use crate::storage::view::Stripes;
use crate::storage::{Backend, Store};
use crate::{Clock, OpenError, Options, Storage, TokenReviewer};

/// Calls at once, each with at most a 1 MiB body; more wait their turn within the request's
/// deadline.
const CALLS_MAX: usize = 256;

/// An embedded runtime authority. It has one data file and serves through [`Authority::router`].
pub struct Authority {
    core: Arc<Core>,
}

/// What all requests share.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) barrier: Arc<Barrier>,
    pub(crate) stripes: Arc<Stripes>,
    pub(crate) audit: AuditLog,
    pub(crate) reviewer: Arc<dyn TokenReviewer>,
    pub(crate) clock: Clock,
    pub(crate) version: String,
    pub(crate) calls: Arc<Semaphore>,
    active: RwLock<Option<Arc<Active>>>,
    transition: Mutex<Transition>,
    due: upkeep::Due,
}

/// What a transition in progress knows. Shares in it are wiped on drop.
#[derive(Default)]
struct Transition {
    unseal: Collection,
    root: Option<RootAttempt>,
}

impl Authority {
    /// Opens (or makes) the data file and the audit log. The authority is sealed, or not
    /// initialized yet.
    ///
    /// # Errors
    /// [`OpenError`] says what stood in the way: locked, foreign, damaged or unreadable files.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let backend = match &options.storage {
            Storage::File(path) => Backend::File(path.clone()),
            Storage::Memory => Backend::Memory,
        };
        Self::open_backend(options, backend)
    }

    pub(crate) fn open_backend(options: Options, backend: Backend) -> Result<Self, OpenError> {
        let store = Store::open(backend)
            .map_err(|error| OpenError::of(&options.storage, error))
            .map(Arc::new)?;
        let audit = AuditLog::open(&options.audit).map_err(|source| {
            let path = match &options.audit {
                crate::Audit::File(path) => path.clone(),
                crate::Audit::Stdout => "(standard output)".into(),
                crate::Audit::Memory => "(memory)".into(),
            };
            OpenError::Audit { path, source }
        })?;
        let core = Core {
            barrier: Arc::new(Barrier::new(store.clone(), None)),
            store,
            stripes: Arc::new(Stripes::new()),
            audit,
            reviewer: options.reviewer,
            clock: options.clock,
            version: options.version,
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            active: RwLock::new(None),
            transition: Mutex::default(),
            due: upkeep::Due::default(),
        };
        Ok(Self { core: Arc::new(core) })
    }

    /// The Vault API below `/v1/`. Serve it with
    /// `into_make_service_with_connect_info::<SocketAddr>()` so that the audit log knows where
    /// requests come from.
    pub fn router(&self) -> axum::Router {
        crate::http::router(self.core.clone())
    }

    /// The newest lines of an [`crate::Audit::Memory`] log; empty for a file.
    #[must_use]
    pub fn audit_lines(&self) -> Vec<String> {
        self.core.audit.lines()
    }

    /// Seals, commits what is queued and closes the data file; its lock is free when this returns.
    /// Routers of this authority answer 500 or 503 from then on.
    pub async fn close(self) {
        self.core.seal().await;
        self.core.store.close().await;
    }
}

impl Core {
    /// What unsealing loaded; `None` while sealed.
    pub(crate) fn active(&self) -> Option<Arc<Active>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
