//! Every order of appends, restarts, restores, publications and acceptances up to a length, over the chain and the judge
//! that run in production; the writer around them does as `operator/src/ledger.rs` does.

use jiff::Timestamp;

use super::tests::event;
use super::{Chain, Entry, Head, judge, verify_chain};

const WRITER: &str = "orchestrator";
/// Steps in one order: every order of this many is tried.
const STEPS: usize = 7;

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Append,
    Restart,
    /// The storage loses its newest entry, or all of them; nobody is told.
    Restore {
        all: bool,
    },
    Publish,
    Accept,
}

const ACTS: [Act; 6] = [
    Act::Append,
    Act::Restart,
    Act::Restore { all: false },
    Act::Restore { all: true },
    Act::Publish,
    Act::Accept,
];

/// What can be left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// A look at the last entry before the next one is written.
    LastEntry,
    /// The head that was published.
    Published,
}

#[derive(Clone, Default)]
struct World {
    storage: Vec<Entry>,
    chain: Option<Chain>,
    known: Option<Head>,
    published: Option<Head>,
    accepted: Option<String>,
    events: usize,
    /// Entries that were lost and that no epoch tells of, though another one was written since.
    untold: bool,
}

impl World {
    fn there(&self, head: &Head) -> bool {
        self.storage.iter().any(|e| e.seq == head.seq && e.hash() == head.hash)
    }

    fn superseded(&self, head: &Head) -> bool {
        self.storage.iter().any(|e| e.epoch.is_some() && e.seq > head.seq)
    }

    fn append(&mut self, without: Option<Guard>) {
        let head = self.chain.as_ref().and_then(Chain::head);
        let gone = head.is_some_and(|head| !self.there(head));
        if gone && without != Some(Guard::LastEntry) {
            self.chain = None;
        }
        if self.chain.is_none() && !self.resume(without) {
            return;
        }
        let Some(mut chain) = self.chain.take() else { return };
        let Some(entry) = chain.next(&[event(self.events)], Timestamp::UNIX_EPOCH) else { return };
        // `cas=0`: what is there is not written over.
        if self.storage.iter().any(|e| e.seq == entry.seq) {
            return;
        }
        self.events += 1;
        chain.accept(&entry);
        self.known = chain.head().cloned();
        self.storage.push(entry);
        self.chain = Some(chain);
        let published = self.published.as_ref();
        self.untold |= published.is_some_and(|head| !self.there(head) && !self.superseded(head));
    }

    /// Whether the chain that is there is gone on with.
    fn resume(&mut self, without: Option<Guard>) -> bool {
        let published = self.published.clone().filter(|_| without != Some(Guard::Published));
        let known = [published, self.known.clone()].into_iter().flatten().max_by_key(|h| h.seq);
        let at_known = known.as_ref().and_then(|k| self.storage.iter().find(|e| e.seq == k.seq));
        let judged = judge(WRITER, &self.storage, known.as_ref(), at_known);
        let is_of =
            |accepted: &String| self.published.as_ref().is_some_and(|h| h.text() == *accepted);
        let accepted = self.accepted.as_ref().is_some_and(is_of);
        self.chain = match judged {
            Ok(chain) => Some(chain),
            Err(gone) if accepted => Some(gone.accepted(WRITER, &self.storage, "ann", "r")),
            Err(_) => None,
        };
        self.chain.is_some()
    }

    fn act(&mut self, act: Act, without: Option<Guard>) {
        match act {
            Act::Append => self.append(without),
            Act::Restart => (self.chain, self.known) = (None, None),
            Act::Restore { all: true } => self.storage.clear(),
            Act::Restore { all: false } => drop(self.storage.pop()),
            Act::Publish => {
                let later = |head: &Head| self.published.as_ref().is_none_or(|p| p.seq < head.seq);
                if let Some(head) = self.known.clone().filter(later) {
                    self.published = Some(head);
                }
            }
            // Nobody accepts what is not missing.
            Act::Accept => {
                let gone = self.published.clone().filter(|head| !self.there(head));
                self.accepted = gone.map(|head| head.text()).or(self.accepted.take());
            }
        }
    }

    /// What must hold, by name.
    fn broken(&self) -> Option<&'static str> {
        let holds = self.storage.is_empty() || verify_chain(&self.storage).is_ok();
        [(!holds, "ledger-chain"), (self.untold, "restore-is-told")]
            .into_iter()
            .find_map(|(broken, name)| broken.then_some(name))
    }
}

/// Tries every order; how many there were, or the first that breaks something.
fn every_order(without: Option<Guard>) -> Result<usize, String> {
    let mut todo = vec![(World::default(), Vec::new())];
    let mut tried = 0;
    while let Some((world, done)) = todo.pop() {
        for act in ACTS {
            let mut next = world.clone();
            next.act(act, without);
            let mut order = done.clone();
            order.push(act);
            tried += 1;
            if let Some(name) = next.broken() {
                return Err(format!("{name}: {order:?}"));
            }
            if order.len() < STEPS {
                todo.push((next, order));
            }
        }
    }
    Ok(tried)
}

/// H3, H4: in no order is an entry written over a gap that nobody accepted, and the chain holds from its first entry.
#[test]
fn h03_no_order_of_restores_and_appends_leaves_a_hole() {
    let tried = every_order(None).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(tried > 100_000, "{tried}");
    println!("the ledger under restores: {tried} orders");
}

#[test]
fn h03_without_any_of_its_guards_a_ledger_under_restores_breaks() {
    for (guard, name) in [(Guard::LastEntry, "ledger-chain"), (Guard::Published, "restore-is-told")]
    {
        let broken = every_order(Some(guard)).err();
        let broken = broken.unwrap_or_else(|| panic!("{guard:?}: expected {name}"));
        assert!(broken.starts_with(name), "{guard:?}: {broken}");
    }
}
