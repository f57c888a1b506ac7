//! One round: look at the place, take a snapshot, restore it on trial, look at earlier ones, let the oldest go.

use std::sync::atomic::Ordering;

use super::entry::{Entry, Trial, prefix};
use super::error::{Says, SnapshotError};
use super::history::Failure;
use super::place::Placed;
use super::reader::read_through;
use super::report::Running;
use super::retention::retired;
use super::snapshots::Snapshots;
use super::take::Writing;
use super::trial::{Tried, try_restore};

impl Snapshots {
    /// Takes `wanted` and sees to the others. What is wrong is noted and stored; it fails where that cannot be, as while sealed.
    pub(super) async fn round(&self, wanted: &Running) -> Result<(), SnapshotError> {
        let cluster = self.cluster()?;
        self.load(self.clock.now()).await?;
        let problems = match self.list(&cluster).await {
            // Nothing is written where nothing can be listed: that would hang, or fail, as well.
            Err(error) => vec![format!("{}: {error}", self.place.describe())],
            Ok(placed) => {
                let mut problems = self.compare(&placed, &cluster);
                let taken = self.take(wanted, &cluster).await;
                // A place or a disk that is in the way would be so of the rest too, and nothing is let go then.
                let goes_on =
                    taken.as_ref().err().is_none_or(|error| error.says() != Says::Nothing);
                problems.extend(taken.err().map(|error| format!("{}: {error}", wanted.name)));
                if goes_on {
                    problems.extend(self.try_unknown(&wanted.name, &cluster).await);
                    problems.extend(self.look_again(&wanted.name).await);
                    problems.extend(self.retire().await);
                }
                problems
            }
        };
        self.note(wanted, &problems);
        self.save().await
    }

    async fn list(&self, cluster: &str) -> Result<Vec<Placed>, SnapshotError> {
        let (place, prefix) = (self.place.clone(), prefix(cluster));
        let list = move || Ok(place.list(&prefix)?);
        self.threads.run("listing it", self.look_limit, list).await
    }

    fn compare(&self, placed: &[Placed], cluster: &str) -> Vec<String> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.history.get_or_insert_default().compare(placed, cluster, now)
    }

    /// Writes it and restores it on trial.
    async fn take(&self, wanted: &Running, cluster: &str) -> Result<(), SnapshotError> {
        let writing = Writing {
            store: self.store.clone(),
            barrier: self.barrier.clone(),
            place: self.place.clone(),
            threads: self.threads.clone(),
            limit: self.limit,
        };
        let written = writing.write(&wanted.name, cluster.to_owned(), wanted.since).await?;
        let mut entry = Entry {
            name: wanted.name.clone(),
            kind: wanted.kind,
            at: wanted.since,
            keys: written.keys,
            bytes: written.bytes,
            trial: Trial::Untried,
            tried: None,
            error: None,
        };
        let tried = self.tried(&wanted.name, cluster).await;
        let result = judge(&mut entry, tried, self.clock.now());
        self.lock().history.get_or_insert_default().put(entry);
        result
    }

    /// Tries the newest of the others that nobody tried.
    async fn try_unknown(&self, newest: &str, cluster: &str) -> Option<String> {
        let mut entry = self.lock().history.as_ref()?.untried(newest)?.clone();
        let tried = self.tried(&entry.name, cluster).await;
        let result = judge(&mut entry, tried, self.clock.now());
        let problem = result.err().map(|error| format!("{}: {error}", entry.name));
        self.lock().history.get_or_insert_default().put(entry);
        problem
    }

    async fn tried(&self, name: &str, cluster: &str) -> Result<Tried, SnapshotError> {
        let number = self.trials.fetch_add(1, Ordering::Relaxed);
        let scratch = self.scratch.join(format!("trial-{number}.redb"));
        let (place, barrier) = (self.place.clone(), self.barrier.clone());
        let (name, cluster) = (name.to_owned(), cluster.to_owned());
        let act = move || try_restore(&*place, &barrier, &name, &cluster, scratch);
        self.threads.run("restoring it on trial", self.limit, act).await
    }

    /// Reads earlier ones through: what was good may not have stayed so.
    async fn look_again(&self, newest: &str) -> Vec<String> {
        let due = {
            let mut state = self.lock();
            state.rounds = state.rounds.wrapping_add(1);
            let rounds = state.rounds;
            state.history.get_or_insert_default().due_for_a_look(newest, rounds)
        };
        let mut problems = Vec::new();
        for mut entry in due {
            let (place, name) = (self.place.clone(), entry.name.clone());
            let act = move || read_through(place.read(&name)?).map(drop);
            let Err(error) = self.threads.run("reading it again", self.limit, act).await else {
                continue;
            };
            problems.push(format!("{}: {error}", entry.name));
            entry.spoil(&error, self.clock.now());
            self.lock().history.get_or_insert_default().put(entry);
        }
        problems
    }

    /// Removes those that have served.
    async fn retire(&self) -> Vec<String> {
        let gone = {
            let mut state = self.lock();
            retired(&state.history.get_or_insert_default().entries, self.keep)
        };
        let (mut removed, mut problems) = (Vec::new(), Vec::new());
        for name in gone {
            let (place, file) = (self.place.clone(), name.clone());
            let act = move || Ok(place.remove(&file)?);
            match self.threads.run("removing it", self.look_limit, act).await {
                Ok(()) => removed.push(name),
                Err(error) => {
                    // The others would take as long.
                    problems.push(format!("{name}: {error}"));
                    break;
                }
            }
        }
        self.lock().history.get_or_insert_default().remove(&removed);
        problems
    }

    fn note(&self, wanted: &Running, problems: &[String]) {
        let at = self.clock.now();
        let error = problems.join("; ");
        match problems {
            [] => tracing::info!(
                component = "authority",
                name = wanted.name,
                "snapshot restored on trial"
            ),
            _ => tracing::error!(
                component = "authority",
                name = wanted.name,
                error,
                "snapshots are not in order"
            ),
        }
        let mut state = self.lock();
        let history = state.history.get_or_insert_default();
        history.begun = Some(wanted.since);
        history.failure = (!problems.is_empty()).then_some(Failure { at, error });
    }
}

/// Notes what a trial came to.
fn judge(
    entry: &mut Entry,
    tried: Result<Tried, SnapshotError>,
    now: jiff::Timestamp,
) -> Result<(), SnapshotError> {
    match tried {
        Ok(tried) => {
            (entry.keys, entry.at) = (tried.keys, tried.taken);
            (entry.trial, entry.tried, entry.error) = (Trial::Good, Some(now), None);
            Ok(())
        }
        Err(error) => {
            entry.spoil(&error, now);
            Err(error)
        }
    }
}
