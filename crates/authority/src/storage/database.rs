//! The open database: where it lies, how it is opened, opened again after a failure, closed.

use std::fs::{File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::thread::JoinHandle;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, CompactionError, Database, ReadTransaction, ReadableDatabase as _};
use tokio::sync::watch;

use super::check::{Before, Checked};
use super::chunks::CHUNKS;
use super::error::StoreError;
use super::snapshot::{Records, Snapshots, TABLE};

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

#[cfg(test)]
type Opens = dyn Fn(&redb::Builder) -> Result<Database, redb::DatabaseError> + Send + Sync;

/// Opens a database of a test's own making, and whether the place it lies at takes anything.
#[cfg(test)]
pub(crate) struct OpenWith {
    pub(crate) open: Box<Opens>,
    pub(crate) has_room: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The open database. Readers and the committer hold the lock while they use it, so that when
/// `close` has taken it the file's lock is free.
pub(super) struct OpenDatabase {
    backend: Backend,
    /// Used only by who holds `state`, and empty when that is closed.
    snapshots: Snapshots,
    state: RwLock<State>,
    checking: Mutex<Option<Checking>>,
    checked: watch::Sender<Checked>,
}

/// A check under way.
struct Checking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

enum State {
    Open(Database),
    /// It could not be opened again after a failure.
    Broken(StoreError),
    Closed,
}

impl OpenDatabase {
    /// Opens or makes it. One that was closed in order is checked from here on, not before.
    pub(super) fn new(backend: Backend) -> Result<Self, StoreError> {
        let before = match &backend {
            Backend::File(path) => Before::of(path).map_err(|e| StoreError::Io(Arc::new(e)))?,
            _ => None,
        };
        let (database, is_checked) = open(&backend)?;
        let unchecked = before.filter(|_| !is_checked);
        let pin = unchecked.as_ref().map(|_| database.begin_read().map_err(StoreError::of));
        let opened = Self {
            backend,
            snapshots: Snapshots::default(),
            state: RwLock::new(State::Open(database)),
            checking: Mutex::default(),
            checked: watch::Sender::new(Checked::Good),
        };
        if let (Some(before), Some(pin)) = (unchecked, pin) {
            opened.check(before, pin?)?;
        }
        Ok(opened)
    }

    /// What the check has come to.
    pub(super) fn checked(&self) -> watch::Receiver<Checked> {
        self.checked.subscribe()
    }

    #[cfg(test)]
    pub(super) fn is_checking(&self) -> bool {
        self.checking.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Starts the check. `pin` keeps the pages that it looks at from being used again.
    fn check(&self, before: Before, pin: ReadTransaction) -> Result<(), StoreError> {
        self.checked.send_replace(Checked::Pending);
        let (sender, stop) = (self.checked.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let work = move || {
            let found = before.check(stopped.clone());
            drop(pin);
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            if let Checked::Bad(error) = &found {
                tracing::error!(
                    component = "authority",
                    error = error as &dyn std::error::Error,
                    "the data file is damaged: nothing is said to be absent; restore the newest snapshot"
                );
            }
            sender.send_replace(found);
        };
        let thread = std::thread::Builder::new().name("authority-check".to_owned()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Io(Arc::new(error)))?;
        *self.checking.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Checking { stop, thread });
        Ok(())
    }

    /// Ends the check, which holds the file.
    fn stop_check(&self) {
        let checking = self.checking.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Checking { stop, thread }) = checking {
            stop.store(true, Ordering::Relaxed);
            // One that panicked holds nothing any more.
            let _ = thread.join();
        }
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

    /// Moves what there is to the front of the file and gives the rest back to the file system. It is
    /// left for another time while something holds a snapshot.
    pub(super) fn compact(&self) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let State::Open(database) = &mut *state else { return Ok(()) };
        self.snapshots.advance();
        let done = catch_unwind(AssertUnwindSafe(|| match database.compact() {
            Ok(_) | Err(CompactionError::TransactionInProgress) => Ok(()),
            Err(error) => Err(StoreError::of(error)),
        }));
        done.unwrap_or_else(|_| Err(StoreError::senseless()))
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
        self.stop_check();
        self.snapshots.advance();
        *state = State::Broken(StoreError::Closed);
        match open(&self.backend) {
            Ok((database, _)) => {
                // It was not closed in order: redb has looked at all of its pages.
                self.checked.send_replace(Checked::Good);
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
        self.stop_check();
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
            Self::Open(database) => {
                // A damaged page that nobody has found yet may make redb panic.
                let done = catch_unwind(AssertUnwindSafe(|| act(database)));
                done.unwrap_or_else(|_| Err(StoreError::senseless()))
            }
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

/// Opens or makes the database; says whether all of its pages were looked at, as redb does where it
/// was not closed in order.
fn open(backend: &Backend) -> Result<(Database, bool), StoreError> {
    let is_checked = Arc::new(AtomicBool::new(false));
    let noted = is_checked.clone();
    // A damaged page may make it panic instead.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
        open_with(&builder, backend)
    }));
    let database = opened.unwrap_or_else(|_| Err(StoreError::senseless()))?;
    Ok((database, is_checked.load(Ordering::Relaxed)))
}

fn open_with(builder: &Builder, backend: &Backend) -> Result<Database, StoreError> {
    match backend {
        Backend::File(path) => {
            if !path.exists() {
                make(builder, path)?;
            }
            open_file(builder, path)
        }
        Backend::Memory => {
            builder.create_with_backend(InMemoryBackend::new()).map_err(StoreError::of)
        }
        #[cfg(test)]
        Backend::Custom(custom) => (custom.open)(builder).map_err(StoreError::of),
    }
}

/// Makes a data file aside and puts it in its place whole: whoever is killed meanwhile leaves none.
fn make(builder: &Builder, path: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::Io(Arc::new(error));
    let aside = path.with_extension("new");
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        Err(_) | Ok(()) => {}
    }
    let database = open_file(builder, &aside)?;
    let transaction = database.begin_write().map_err(StoreError::of)?;
    transaction.open_table(TABLE).map(drop).map_err(StoreError::of)?;
    transaction.open_table(CHUNKS).map(drop).map_err(StoreError::of)?;
    transaction.commit().map_err(StoreError::of)?;
    drop(database);
    File::open(&aside).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&aside, path).map_err(io)?;
    match path.parent() {
        Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(io),
        None => Ok(()),
    }
}

/// Opens or makes a data file that nobody serves from.
pub(super) fn open_aside(path: &Path) -> Result<Database, StoreError> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        open_file(&builder, path)
    }));
    opened.unwrap_or_else(|_| Err(StoreError::senseless()))
}

fn open_file(builder: &Builder, path: &Path) -> Result<Database, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| StoreError::Io(Arc::new(error)))?;
    let backend = FileBackend::new(file).map_err(StoreError::of)?;
    builder.create_with_backend(backend).map_err(StoreError::of)
}
