//! A data file made from records that were exported, aside from its place until it is whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, Durability};

use super::chunks::{self, CHUNKS};
use super::database::open_aside;
use super::error::StoreError;
use super::export::{Export, Pair};
use super::snapshot::TABLE;

/// A data file in the making. Dropped before [`Import::finish`] it leaves nothing.
pub(crate) struct Import {
    database: Option<Database>,
    aside: PathBuf,
    path: PathBuf,
}

impl Import {
    /// Begins one that will lie at `path`. Fails where something lies there already.
    pub(crate) fn begin(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let aside = path.with_extension("restoring");
        match std::fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Err(_) | Ok(()) => {}
        }
        let database = open_aside(&aside)?;
        let import = Self { database: Some(database), aside, path: path.to_owned() };
        import.add(&[])?;
        Ok(import)
    }

    /// Adds records, in one commit. A key that is there already is replaced.
    pub(crate) fn add(&self, records: &[Pair]) -> Result<(), StoreError> {
        let database = self.database.as_ref().ok_or(StoreError::Closed)?;
        let mut transaction = database.begin_write().map_err(StoreError::of)?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|error| failed(io::Error::other(error)))?;
        {
            let mut table = transaction.open_table(TABLE).map_err(StoreError::of)?;
            let mut parts = transaction.open_table(CHUNKS).map_err(StoreError::of)?;
            for (key, value) in records {
                let cut = chunks::cut(value, &mut parts)?;
                let record = cut.as_deref().unwrap_or(value);
                let replaced = table.insert(key.as_str(), record).map_err(StoreError::of)?;
                if let Some(replaced) = replaced {
                    chunks::remove(replaced.value(), &mut parts)?;
                }
            }
        }
        transaction.commit().map_err(StoreError::of)
    }

    /// The record at `key`, whole.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let database = self.database.as_ref().ok_or(StoreError::Closed)?;
        Export::begin(database)?.get(key)
    }

    /// Closes the file and puts it in its place, durably.
    pub(crate) fn finish(mut self) -> Result<(), StoreError> {
        drop(self.database.take());
        File::open(&self.aside).and_then(|file| file.sync_all()).map_err(failed)?;
        if self.path.exists() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        std::fs::rename(&self.aside, &self.path).map_err(failed)?;
        match self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed),
            None => Ok(()),
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        drop(self.database.take());
        // After `finish` there is none.
        let _ = std::fs::remove_file(&self.aside);
    }
}

/// Opens the data file at `path` and gives all of its records to `each`, in parts of about `bytes`; returns how many there
/// are.
pub(crate) fn read_all<E: From<StoreError>>(
    path: &Path,
    bytes: usize,
    mut each: impl FnMut(&[Pair]) -> Result<(), E>,
) -> Result<u64, E> {
    let database = open_aside(path)?;
    let found = Export::begin(&database)?;
    let mut after: Option<String> = None;
    loop {
        let part = found.part(after.as_deref(), bytes)?;
        let Some((last, _)) = part.last() else { return Ok(found.count()) };
        after = Some(last.clone());
        each(&part)?;
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Io(Arc::new(error))
}
