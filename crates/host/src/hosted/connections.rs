//! Which connections are open, how many may be, and which one goes when one more comes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

/// Descriptors kept back for the data file, the audit log, token reviews and what else a process opens.
const RESERVE: usize = 128;

/// Connections at most, whatever the process may open: each takes some 20 KiB.
const CONNECTIONS_MAX: usize = 8_192;

/// What a process may open where that cannot be found out.
const DESCRIPTORS_USUAL: usize = 1_024;

/// All open connections of one server.
pub(super) struct Connections {
    max: usize,
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    by_id: HashMap<u64, Arc<Connection>>,
}

/// One of them. It is open as long as its [`Ticket`] lives.
pub(super) struct Connection {
    began: Instant,
    answering: AtomicUsize,
    /// Requests that have begun.
    requests: AtomicU64,
    /// Milliseconds after `began` of the server at which it was last of use.
    used_ms: AtomicU64,
    /// Whether a request on it was answered that only somebody known makes.
    is_known: AtomicBool,
    is_ended: AtomicBool,
    waker: AtomicWaker,
}

/// Keeps a connection in the list until it is dropped.
pub(super) struct Ticket {
    connections: Arc<Connections>,
    id: u64,
    pub(super) connection: Arc<Connection>,
}

/// Counts one request until it is dropped.
pub(super) struct Answering(Arc<Connection>);

/// What decides who goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    is_answering: bool,
    is_known: bool,
    used_ms: u64,
}

impl Connections {
    /// For a process that may open so many files as this one.
    pub(super) fn new() -> Arc<Self> {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self::of(bound(descriptors(&limits)))
    }

    pub(super) fn of(max: usize) -> Arc<Self> {
        Arc::new(Self { max, began: Instant::now(), open: Mutex::default() })
    }

    /// Admits one more. Where all places are taken, one that idles goes for it; `None` if none does.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.by_id.len() >= self.max {
            let leaves = leaves(open.by_id.iter().map(|(id, one)| (*id, one.standing())))?;
            let ended = open.by_id.remove(&leaves)?;
            ended.end();
        }
        let connection = Arc::new(Connection {
            began: self.began,
            answering: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            used_ms: AtomicU64::new(since_ms(self.began)),
            is_known: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        let id = open.next;
        open.next += 1;
        open.by_id.insert(id, connection.clone());
        Some(Ticket { connections: self.clone(), id, connection })
    }
}

impl Connection {
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Notes that somebody known asked.
    pub(super) fn note_known(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Whether a request is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    /// Requests that have begun.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// When it was last of use.
    pub(super) fn used(&self) -> Instant {
        self.began + Duration::from_millis(self.used_ms.load(Ordering::Relaxed))
    }

    /// Whether it is to end; the task of `cx` is woken when it is.
    pub(super) fn is_ended(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.is_ended.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn standing(&self) -> Standing {
        Standing {
            is_answering: self.is_answering(),
            is_known: self.is_known.load(Ordering::Relaxed),
            used_ms: self.used_ms.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.used_ms.store(since_ms(self.0.began), Ordering::Relaxed);
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.by_id.remove(&self.id);
    }
}

fn since_ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Who goes: never one that is being answered; strangers before those who are known; of these who
/// was of use longest ago.
fn leaves(open: impl Iterator<Item = (u64, Standing)>) -> Option<u64> {
    let idle = open.filter(|(_, standing)| !standing.is_answering);
    idle.min_by_key(|(id, standing)| (standing.is_known, standing.used_ms, *id)).map(|(id, _)| id)
}

/// How many connections go with so many descriptors: at least half of them, where there are few.
fn bound(descriptors: usize) -> usize {
    descriptors.saturating_sub(RESERVE).max(descriptors / 2).clamp(1, CONNECTIONS_MAX)
}

/// The soft limit of open files in the text of `/proc/self/limits`.
fn descriptors(limits: &str) -> usize {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => usize::MAX,
        Some(number) => number.parse().unwrap_or(DESCRIPTORS_USUAL),
        None => DESCRIPTORS_USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(is_answering: bool, is_known: bool, used_ms: u64) -> Standing {
        Standing { is_answering, is_known, used_ms }
    }

    #[test]
    fn v08_idle_strangers_go_first_and_nobody_who_is_answered() {
        let who = |open: &[Standing]| leaves((0..).zip(open.iter().copied()));
        assert_eq!(who(&[]), None);
        assert_eq!(who(&[one(true, false, 1), one(true, true, 2)]), None);
        assert_eq!(who(&[one(false, true, 1), one(false, false, 9)]), Some(1));
        assert_eq!(who(&[one(false, false, 5), one(false, false, 3)]), Some(1));
        assert_eq!(who(&[one(true, false, 1), one(false, true, 9)]), Some(1));
    }

    #[test]
    fn v08_descriptors_are_kept_back() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(descriptors(text), 1024);
        assert_eq!(descriptors("Max open files unlimited unlimited files"), usize::MAX);
        assert_eq!(descriptors(""), DESCRIPTORS_USUAL);
        for (descriptors, connections) in
            [(1024, 896), (100, 50), (1, 1), (1 << 20, CONNECTIONS_MAX), (256, 128)]
        {
            assert_eq!(bound(descriptors), connections, "{descriptors}");
        }
    }

    #[test]
    fn v08_a_place_is_made_and_given_back() {
        let connections = Connections::of(2);
        let (first, second) = (connections.admit().unwrap(), connections.admit().unwrap());
        first.connection.note_known();
        let third = connections.admit().unwrap();
        assert!(second.connection.is_ended.load(Ordering::Relaxed));
        let _answering = [first.connection.answering(), third.connection.answering()];
        assert!(connections.admit().is_none(), "nobody idles");
        drop(second);
        drop(first);
        assert!(connections.admit().is_some());
    }
}
