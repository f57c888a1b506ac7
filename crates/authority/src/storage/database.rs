//! The open database: where it lies, how it is opened, when it is closed.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, TableDefinition};

use super::error::StoreError;

/// The one table: storage key to sealed bytes.
pub(super) const TABLE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("records");

/// Page cache of redb. The file's hot part is small; the kernel caches the rest.
const CACHE_BYTES: usize = 16 << 20;

/// Where the data lives.
pub(crate) enum Backend {
    /// A file, made with mode 0600 if absent.
    File(PathBuf),
    Memory,
    #[cfg(test)]
    Custom(OpenWith),
}

/// Opens a database of a test's own making.
#[cfg(test)]
pub(crate) type OpenWith = Box<dyn FnOnce(&redb::Builder) -> Result<Database, redb::DatabaseError>>;

/// The open database; empty once closed. Readers and the committer hold the lock while they use it,
/// so that when `close` has taken it the file's lock is free.
pub(super) struct OpenDatabase(RwLock<Option<Database>>);

impl OpenDatabase {
    pub(super) fn new(database: Database) -> Self {
        Self(RwLock::new(Some(database)))
    }

    /// Runs `act` on the open database. Fails with [`StoreError::Closed`] after [`OpenDatabase::close`].
    pub(super) fn with<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let guard = self.0.read().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map_or(Err(StoreError::Closed), act)
    }

    /// Waits for those who use the database, then closes it; may be repeated.
    pub(super) fn close(&self) {
        drop(self.0.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Opens or makes the database and checks its integrity.
pub(super) fn open(backend: Backend) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    // A damaged file is refused here, with a clear error, instead of failing (or worse) later.
    builder.set_check_integrity_on_open(true);
    match backend {
        Backend::File(path) => {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path).map_err(|error| StoreError::Io(Arc::new(error)))?;
            let backend = FileBackend::new(file).map_err(StoreError::of)?;
            builder.create_with_backend(backend).map_err(StoreError::of)
        }
        Backend::Memory => {
            builder.create_with_backend(InMemoryBackend::new()).map_err(StoreError::of)
        }
        #[cfg(test)]
        Backend::Custom(open) => open(&builder).map_err(StoreError::of),
    }
}
