//! Writes one snapshot to the place.
//!
//! Who reads the data file is never the one who waits for the place: while the place hangs, the moment that is exported is
//! let go of in time.

use std::sync::Arc;
use std::time::Duration;

use hmac::Mac as _;
use tokio::sync::mpsc;

use super::error::SnapshotError;
use super::format::{CHUNK_LEN, Header};
use super::place::Place;
use super::threads::Threads;
use super::writer::SnapshotWriter;
use crate::barrier::{Barrier, KeyStatus};
use crate::storage::{Export, Pair, Store};

/// Parts that wait to be written: with the one in hand, 4 MiB or so.
const PARTS_WAITING_MAX: usize = 2;

/// What is written by, to and with.
pub(super) struct Writing {
    pub(super) store: Arc<Store>,
    pub(super) barrier: Arc<Barrier>,
    pub(super) place: Arc<dyn Place>,
    pub(super) threads: Threads,
    /// Longest that all of it may take.
    pub(super) limit: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) keys: u64,
    pub(super) bytes: u64,
}

enum Order {
    Add(Vec<Pair>),
    /// Without it whoever wrote has given up, and so does the thread.
    Finish,
}

impl Writing {
    /// Writes all records as of now to `name`, as the authority `cluster` at `taken`.
    pub(super) async fn write(
        &self,
        name: &str,
        cluster: String,
        taken: jiff::Timestamp,
    ) -> Result<Written, SnapshotError> {
        let doing = "writing it";
        let writing = self.write_unbounded(doing, name, cluster, taken);
        let hung = SnapshotError::Hung { doing, limit: self.limit };
        tokio::time::timeout(self.limit, writing).await.unwrap_or(Err(hung))
    }

    async fn write_unbounded(
        &self,
        doing: &'static str,
        name: &str,
        cluster: String,
        taken: jiff::Timestamp,
    ) -> Result<Written, SnapshotError> {
        let KeyStatus { term, .. } = self.barrier.keyring()?.status()?;
        let export = self.store.export().await?;
        let header = Header { cluster, term, taken, keys: export.count() };
        let (orders, queue) = mpsc::channel(PARTS_WAITING_MAX);
        let (place, barrier, file) = (self.place.clone(), self.barrier.clone(), name.to_owned());
        let upload = move || upload(&*place, &barrier, &file, &header, queue);
        let thread = self.threads.start(doing, upload)?;
        self.send(&export, &orders).await?;
        // From here on nothing is read: the moment is let go of.
        drop((export, orders));
        thread.answer().await
    }

    /// Reads parts and hands them on. A writer that is gone has its reason, which its thread answers.
    async fn send(
        &self,
        export: &Arc<Export>,
        orders: &mpsc::Sender<Order>,
    ) -> Result<(), SnapshotError> {
        let mut after = None;
        loop {
            let part = self.store.part(export, after.take(), CHUNK_LEN).await?;
            let order = match part.last() {
                Some((key, _)) => {
                    after = Some(key.clone());
                    Order::Add(part)
                }
                None => Order::Finish,
            };
            let is_last = matches!(order, Order::Finish);
            if orders.send(order).await.is_err() || is_last {
                return Ok(());
            }
        }
    }
}

fn upload(
    place: &dyn Place,
    barrier: &Barrier,
    name: &str,
    header: &Header,
    mut orders: mpsc::Receiver<Order>,
) -> Result<Written, SnapshotError> {
    let file = place.upload(name).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => SnapshotError::Exists(name.to_owned()),
        _ => SnapshotError::Io(error),
    })?;
    let mut writer = SnapshotWriter::begin(file, header)?;
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Add(records) => writer.add(&records)?,
            Order::Finish => {
                let mac = |text: &[u8]| {
                    let mut mac = barrier.keyring()?.snapshot_mac()?;
                    mac.update(text);
                    Ok(mac.finalize().into_bytes().into())
                };
                let (file, trailer, bytes) = writer.finish(mac)?;
                if trailer.keys != header.keys {
                    return Err(SnapshotError::Count { told: header.keys, found: trailer.keys });
                }
                file.finish()?;
                return Ok(Written { keys: trailer.keys, bytes });
            }
        }
    }
    // Given up: the file goes with its writer.
    Err(SnapshotError::Lost("who wrote it"))
}
