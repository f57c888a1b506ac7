//! The open database: where it lies, how it is opened, opened again after a failure, closed.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, TryLockError};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, TableDefinition};

use super::error::StoreError;
use super::snapshot::{Records, Snapshots};

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

/// Opens a database of a test's own making, and whether the place it lies at takes anything.
#[cfg(test)]
pub(crate) struct OpenWith {
    pub(crate) open:
        Box<dyn Fn(&redb::Builder) -> Result<Database, redb::DatabaseError> + Send + Sync>,
    pub(crate) has_room: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The open database. Readers and the committer hold the lock while they use it, so that when
/// `close` has taken it the file's lock is free.
pub(super) struct OpenDatabase {
    backend: Backend,
    /// Used only by who holds `state`, and empty when that is closed.
    snapshots: Snapshots,
    state: RwLock<State>,
}

enum State {
    Open(Database),
    /// It could not be opened again after a failure.
    Broken(StoreError),
    Closed,
}

impl OpenDatabase {
    pub(super) fn new(backend: Backend) -> Result<Self, StoreError> {
        let database = open(&backend)?;
        Ok(Self {
            backend,
            snapshots: Snapshots::default(),
            state: RwLock::new(State::Open(database)),
        })
    }

    /// Runs `act` on the open database. Fails with [`StoreError::Closed`] after [`OpenDatabase::close`].
    pub(super) fn with<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).with(act)
    }

    /// Runs `act` on the records as of the last commit.
    pub(super) fn with_records<T>(
        &self,
        act: impl FnOnce(&Records) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|database| self.snapshots.with(database, act))
    }

    /// As [`OpenDatabase::with_records`], but `None` where it would have to wait.
    pub(super) fn try_with_records<T>(
        &self,
        act: impl FnOnce(&Records) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let act = |database: &Database| self.snapshots.with(database, act);
        match self.state.try_read() {
            Ok(state) => Some(state.with(act)),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner().with(act)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Runs a commit; afterwards everybody reads what it wrote.
    pub(super) fn commit(
        &self,
        act: impl FnOnce(&Database) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.with(|database| {
            self.snapshots.release();
            let result = act(database);
            self.snapshots.advance();
            result
        })
    }

    /// Another number after each commit.
    pub(super) fn generation(&self) -> u64 {
        self.snapshots.generation()
    }

    /// Closes the database and opens it anew: after an error redb refuses everything until then.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) || matches!(self.backend, Backend::Memory) {
            return Ok(());
        }
        // First out with the old one: it holds the file's lock.
        self.snapshots.advance();
        *state = State::Broken(StoreError::Closed);
        match open(&self.backend) {
            Ok(database) => {
                *state = State::Open(database);
                Ok(())
            }
            Err(error) => {
                *state = State::Broken(error.clone());
                Err(error)
            }
        }
    }

    /// Whether nothing can be read.
    pub(super) fn is_broken(&self) -> bool {
        self.state.try_read().is_ok_and(|state| matches!(*state, State::Broken(_)))
    }

    /// Whether what must be written would find room, as far as can be told without the database.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        match &self.backend {
            Backend::File(path) => probe(path, bytes).is_ok(),
            Backend::Memory => true,
            #[cfg(test)]
            Backend::Custom(custom) => (custom.has_room)(),
        }
    }

    /// Waits for those who use the database, then closes it; may be repeated.
    pub(super) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.snapshots.advance();
        *state = State::Closed;
    }
}

impl State {
    fn with<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Open(database) => act(database),
            Self::Broken(error) => Err(error.clone()),
            Self::Closed => Err(StoreError::Closed),
        }
    }
}

/// Writes `bytes` zeros to a file beside `path`, and removes it.
fn probe(path: &std::path::Path, bytes: usize) -> std::io::Result<()> {
    use std::io::Write as _;
    let probe = path.with_extension("probe");
    let wrote = std::fs::File::create(&probe).and_then(|mut file| {
        let block = [0; 64 << 10];
        for _ in 0..bytes.div_ceil(block.len()) {
            file.write_all(&block)?;
        }
        file.sync_data()
    });
    std::fs::remove_file(&probe)?;
    wrote
}

/// Opens or makes the database and checks its integrity.
fn open(backend: &Backend) -> Result<Database, StoreError> {
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
        Backend::Custom(custom) => (custom.open)(&builder).map_err(StoreError::of),
    }
}
