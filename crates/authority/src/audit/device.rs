//! Takes lines and says when they are written. A device that hangs costs nobody more than
//! [`DEADLINE`].
//!
//! ```text
//! append ─ nobody writes, a disk alone is waited for ─▶ written here and now
//!        └ else ─ bounded queue ─▶ a thread of its own ─▶ written; answered, or refused in time
//! ```
//!
//! Writing here and now needs another worker thread that goes on if this one is held up; where
//! there is none, everything goes through the queue.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};

use super::sink::{Sink, WaitsFor};

/// Longest that a line is waited for. A disk takes microseconds, a reader of a pipe milliseconds.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// Lines that may wait. Requests at once are bounded far below; more of them are refused.
const QUEUE_LEN_MAX: usize = 1024;

/// Lines written at once: 64 KiB or so.
const BATCH_LEN_MAX: usize = 64;

/// Why lines were not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum DeviceError {
    /// The operating system refused.
    #[error("writing failed")]
    Io(#[source] Arc<io::Error>),
    /// What is being written is taken by nobody.
    #[error("the device has taken nothing for {} s", DEADLINE.as_secs())]
    Hangs,
    /// More lines wait than may.
    #[error("{QUEUE_LEN_MAX} entries wait already")]
    Full,
}

enum Order {
    Append(Vec<u8>),
    Reopen,
}

struct Job {
    order: Order,
    done: oneshot::Sender<Result<(), DeviceError>>,
}

/// The sink, and since when somebody has been writing to it.
struct Writer {
    sink: Mutex<Sink>,
    began: Instant,
    /// Milliseconds after `began`, plus one; 0 while nobody writes.
    busy_since_ms: AtomicU64,
}

pub(super) struct Device {
    writer: Arc<Writer>,
    queue: mpsc::Sender<Job>,
    waits_for: WaitsFor,
}

impl Device {
    /// A device over `sink`, with its thread. Fails if no thread can be had.
    pub(super) fn new(sink: Sink) -> io::Result<Self> {
        let waits_for = sink.waits_for();
        let began = Instant::now();
        let writer = Writer { sink: Mutex::new(sink), began, busy_since_ms: AtomicU64::new(0) };
        let writer = Arc::new(writer);
        let (queue, mut jobs) = mpsc::channel(QUEUE_LEN_MAX);
        let theirs = writer.clone();
        // Not joined: while it hangs nobody waits for it, and when the queue is closed it ends.
        std::thread::Builder::new()
            .name("authority-audit".to_owned())
            .spawn(move || work(&theirs, &mut jobs))?;
        Ok(Self { writer, queue, waits_for })
    }

    /// Returns when `lines` (each with its end) are written.
    pub(super) async fn append(&self, lines: Vec<u8>) -> Result<(), DeviceError> {
        if self.writer.hangs() {
            return Err(DeviceError::Hangs);
        }
        if self.writes_here()
            && let Ok(mut sink) = self.writer.sink.try_lock()
        {
            return self.writer.append(&mut sink, &lines);
        }
        self.order(Order::Append(lines)).await
    }

    /// Opens the file anew, after what was queued before.
    pub(super) async fn reopen(&self) -> Result<(), DeviceError> {
        self.order(Order::Reopen).await
    }

    /// The newest lines of memory; none while somebody writes.
    pub(super) fn lines(&self) -> Vec<String> {
        self.writer.sink.lock().unwrap_or_else(PoisonError::into_inner).lines()
    }

    fn writes_here(&self) -> bool {
        match self.waits_for {
            WaitsFor::Nothing => true,
            WaitsFor::Disk => another_worker_goes_on(),
            WaitsFor::Reader => false,
        }
    }

    async fn order(&self, order: Order) -> Result<(), DeviceError> {
        let (done, written) = oneshot::channel();
        self.queue.try_send(Job { order, done }).map_err(|_| DeviceError::Full)?;
        match tokio::time::timeout(DEADLINE, written).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(DeviceError::Hangs),
        }
    }
}

impl Writer {
    fn hangs(&self) -> bool {
        let since = self.busy_since_ms.load(Ordering::Relaxed);
        since > 0 && self.elapsed_ms() > since.saturating_add(DEADLINE.as_millis() as u64)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn append(&self, sink: &mut Sink, lines: &[u8]) -> Result<(), DeviceError> {
        self.busy_since_ms.store(self.elapsed_ms() + 1, Ordering::Relaxed);
        let result = sink.append(lines);
        self.busy_since_ms.store(0, Ordering::Relaxed);
        result.map_err(|error| DeviceError::Io(Arc::new(error)))
    }
}

/// Runs until the device is dropped.
fn work(writer: &Writer, jobs: &mut mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let (mut lines, mut waiting, mut next) = (Vec::new(), Vec::new(), Some(first));
        let mut reopening = None;
        while let Some(Job { order, done }) = next {
            match order {
                Order::Append(text) => {
                    lines.extend_from_slice(&text);
                    waiting.push(done);
                }
                Order::Reopen => {
                    reopening = Some(done);
                    break;
                }
            }
            next = if waiting.len() < BATCH_LEN_MAX { jobs.try_recv().ok() } else { None };
        }
        let mut sink = writer.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.is_empty() {
            let result = writer.append(&mut sink, &lines);
            // Who does not wait any more was refused: its line says that it was tried.
            waiting.into_iter().for_each(|done| drop(done.send(result.clone())));
        }
        if let Some(done) = reopening {
            let result = sink.reopen().map_err(|error| DeviceError::Io(Arc::new(error)));
            drop(done.send(result));
        }
    }
}

/// Whether this thread may be held up by a disk without holding up everybody.
fn another_worker_goes_on() -> bool {
    Handle::try_current().is_ok_and(|handle| {
        handle.runtime_flavor() == RuntimeFlavor::MultiThread && handle.metrics().num_workers() > 1
    })
}
