//! How many scenarios run at once: as many as the machine has time for. Beyond that they only take each other's, until a
//! step that waits for something runs into its limit.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many run however busy the machine is.
const LEAST: usize = 4;
/// Over so long it is seen how busy it is, and no more than one further scenario begins in it.
const WINDOW: Duration = Duration::from_secs(1);
/// Share of processor time that is to spare where one more begins.
const SPARE: f64 = 0.15;

static STATE: Mutex<State> = Mutex::new(State { running: 0, seen: None });
static ENDED: Condvar = Condvar::new();

/// Leave to run; given back when dropped.
pub struct Turn(());

/// Waits until one more may run.
pub fn begin() -> Turn {
    let mut state = lock();
    while state.running >= LEAST && !state.spare() {
        state = ENDED.wait_timeout(state, WINDOW).unwrap_or_else(PoisonError::into_inner).0;
    }
    state.running += 1;
    Turn(())
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock().running -= 1;
        ENDED.notify_one();
    }
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct State {
    running: usize,
    seen: Option<(Instant, Spent)>,
}

impl State {
    /// Whether processors were idle since the last look. A machine that does not tell has time.
    fn spare(&mut self) -> bool {
        let told = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let Some(now) = Spent::parse(&told) else { return true };
        match self.seen {
            Some((at, _)) if at.elapsed() < WINDOW => false,
            seen => {
                self.seen = Some((Instant::now(), now));
                seen.is_some_and(|(_, before)| now.idle_since(before) >= SPARE)
            }
        }
    }
}

/// Processor time since the machine started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    idle: u64,
    all: u64,
}

impl Spent {
    /// The first line of `/proc/stat` (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq, steal.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).filter_map(|t| t.parse().ok()).collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self { idle, all: ticks.iter().sum() })
    }

    fn idle_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        self.idle.saturating_sub(before.idle) as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_idle_is_a_share_of_what_was_spent_meanwhile() {
        let before = Spent::parse("cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 1\n");
        let now = Spent::parse("cpu  160 0 70 815 55 0 0 0 9 9\n");
        assert_eq!(before, Some(Spent { idle: 850, all: 1_000 }));
        let share = now.unwrap().idle_since(before.unwrap());
        assert!((share - 0.2).abs() < 1e-9, "{share}");
        assert_eq!(Spent::parse("intr 1\n"), None);
    }

    #[test]
    fn the_least_number_runs_without_a_question() {
        let turns: Vec<Turn> = (0..LEAST).map(|_| begin()).collect();
        assert_eq!(lock().running, LEAST);
        drop(turns);
        assert_eq!(lock().running, 0);
    }
}
