//! Whether all pages of the file are as they were written: found out after a start, not before it.
//!
//! A file that was closed in order is opened without a look at its pages: 1M keys are a gigabyte.
//! A thread looks then, at the file as it was at the opening: a snapshot keeps its pages from being
//! used again, and what the check itself writes stays in memory. Until it is through, **what is found
//! is proven by its encryption, and what is not found is waited for**: a damaged page can hide a key,
//! and unreadable is never absent. redb checks by itself a file that was not closed in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Builder, StorageBackend};
use tokio::sync::watch;

use super::error::StoreError;

/// First page of the file: all that is written in place.
const HEADER_LEN: usize = 4096;

/// Page cache of the check. Each page is looked at once.
const CACHE_BYTES: usize = 4 << 20;

/// How far the check is.
#[derive(Clone, Debug)]
pub(super) enum Checked {
    Pending,
    Good,
    /// What redb said, and at which byte of the file it had read last.
    Bad(StoreError),
}

/// A file's header as it was before it was opened.
pub(super) struct Before {
    file: File,
    header: Vec<u8>,
    len: u64,
}

impl Before {
    /// Reads the header of the file at `path`; `None` where there is none yet.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let len = file.metadata()?.len();
        if len < HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut header = vec![0; HEADER_LEN];
        file.read_exact_at(&mut header, 0)?;
        Ok(Some(Self { file, header, len }))
    }

    /// Checks everything that the header leads to, as long as `stop` is not set.
    pub(super) fn check(self, stop: Arc<AtomicBool>) -> Checked {
        let last_read = Arc::new(Mutex::new(0));
        let overlay = Overlay {
            file: self.file,
            last_read: last_read.clone(),
            stop,
            state: Mutex::new(State { len: self.len, written: BTreeMap::new() }),
        };
        overlay.keep(0, &self.header);
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        // A damaged page may make it panic instead.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            builder.create_with_backend(overlay).map(drop)
        }));
        let at = *last_read.lock().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok(Ok(())) => Checked::Good,
            Ok(Err(error)) => {
                Checked::Bad(StoreError::Page { at, source: Some(Arc::new(error.into())) })
            }
            Err(_) => Checked::Bad(StoreError::Page { at, source: None }),
        }
    }
}

/// The file below what was written over it in memory.
#[derive(Debug)]
struct Overlay {
    file: File,
    last_read: Arc<Mutex<u64>>,
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// Whole blocks of [`BLOCK_LEN`] by their number.
    written: BTreeMap<u64, Vec<u8>>,
}

/// Grain of what is written: redb's pages are whole ones of these.
const BLOCK_LEN: u64 = HEADER_LEN as u64;

impl Overlay {
    fn keep(&self, offset: u64, data: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let (number, within) = (at / BLOCK_LEN, (at % BLOCK_LEN) as usize);
            let part = rest.len().min(HEADER_LEN - within);
            let block = state.written.entry(number).or_insert_with(|| {
                let mut block = vec![0; HEADER_LEN];
                fill(&self.file, number * BLOCK_LEN, &mut block);
                block
            });
            let (now, later) = rest.split_at(part);
            if let Some(place) = block.get_mut(within..within + part) {
                place.copy_from_slice(now);
            }
            rest = later;
            at += part as u64;
        }
    }
}

/// Reads what the file has there; zeros beyond its end.
fn fill(file: &File, offset: u64, out: &mut [u8]) {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) | Err(_) => return,
            Ok(read) => done += read,
        }
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = offset;
        out.fill(0);
        fill(&self.file, offset, out);
        let end = offset + out.len() as u64;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, block) in state.written.range(offset / BLOCK_LEN..end.div_ceil(BLOCK_LEN)) {
            let begin = number * BLOCK_LEN;
            let (from, to) = (begin.max(offset), (begin + BLOCK_LEN).min(end));
            let source = block.get((from - begin) as usize..(to - begin) as usize);
            let place = out.get_mut((from - offset) as usize..(to - offset) as usize);
            if let (Some(place), Some(source)) = (place, source) {
                place.copy_from_slice(source);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.keep(offset, data);
        Ok(())
    }
}

/// Waits until the check is through; fails if it found something.
pub(super) async fn passed(checked: &watch::Receiver<Checked>) -> Result<(), StoreError> {
    let mut checked = checked.clone();
    let settled = checked.wait_for(|checked| !matches!(checked, Checked::Pending)).await;
    match settled.as_deref() {
        Ok(Checked::Bad(error)) => Err(error.clone()),
        Ok(Checked::Good | Checked::Pending) => Ok(()),
        Err(_) => Err(StoreError::Closed),
    }
}
