//! A writer's view of its chain.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{EVENTS_PER_ENTRY_MAX, Entry, Epoch, Event, GENESIS, Head, REMEMBERED_IDS_MAX, day_of};

/// A writer's view of its chain: where it ends and which events it holds already. Pure; the writer
/// does the IO.
#[derive(Clone, Debug)]
pub struct Chain {
    writer: String,
    head: Option<Head>,
    ids: BTreeSet<String>,
    order: VecDeque<String>,
    /// What the next entry opens, and its number.
    opens: Option<(Epoch, u64)>,
}

impl Chain {
    /// The chain of `writer` whose newest entries are `recent`, oldest first; empty for a new
    /// chain.
    pub fn resume(writer: &str, recent: &[Entry]) -> Self {
        let mut chain = Self {
            writer: writer.to_owned(),
            head: None,
            ids: BTreeSet::new(),
            order: VecDeque::new(),
            opens: None,
        };
        for entry in recent {
            chain.accept(entry);
        }
        chain
    }

    /// The same chain, whose next entry is number `seq` and opens `epoch`.
    #[must_use]
    pub fn opening(self, epoch: Epoch, seq: u64) -> Self {
        Self { opens: Some((epoch, seq)), ..self }
    }

    /// The newest entry's place and hash; `None` where the chain is empty.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the event is in it, as far as it remembers.
    pub fn holds(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The entry to create next with `cas=0`, of those events that it does not hold yet; `None`
    /// when it holds all. At most [`EVENTS_PER_ENTRY_MAX`] are taken.
    pub fn next(&self, events: &[Event], now: Timestamp) -> Option<Entry> {
        let mut fresh: Vec<Event> = Vec::new();
        for event in events {
            let twice = self.holds(&event.id) || fresh.iter().any(|e| e.id == event.id);
            if !twice && fresh.len() < EVENTS_PER_ENTRY_MAX {
                fresh.push(event.clone());
            }
        }
        let today = day_of(now);
        let next = self.head.as_ref().map_or(1, |h| h.seq + 1);
        (!fresh.is_empty()).then(|| Entry {
            writer: self.writer.clone(),
            day: self.head.as_ref().map_or(today.clone(), |h| h.day.clone().max(today)),
            seq: self.opens.as_ref().map_or(next, |(_, seq)| *seq),
            prev_hash: self.head.as_ref().map_or(GENESIS.into(), |h| h.hash.clone()),
            events: fresh,
            epoch: self.opens.as_ref().map(|(epoch, _)| epoch.clone()),
        })
    }

    /// Takes note that `entry` is in the chain.
    pub fn accept(&mut self, entry: &Entry) {
        (self.head, self.opens) = (Some(entry.head()), None);
        for event in &entry.events {
            if self.ids.insert(event.id.clone()) {
                self.order.push_back(event.id.clone());
            }
        }
        while self.order.len() > REMEMBERED_IDS_MAX {
            if let Some(old) = self.order.pop_front() {
                self.ids.remove(&old);
            }
        }
    }
}
