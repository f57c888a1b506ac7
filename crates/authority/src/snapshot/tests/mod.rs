//! Claims about snapshots: the format, one round after the other, places that fail, restores.

mod format;
mod places;
mod restore;
mod rounds;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::directory::Directory;
use super::place::Place;
use super::snapshots::Snapshots;
use crate::barrier::{Barrier, KEYRING_KEY, Keyring};
use crate::options::{Clock, SnapshotOptions};
use crate::seal::{CONFIG_KEY, ROOT_KEY, SHARES_KEY, SealConfig};
use crate::storage::{Backend, Store, Write};

/// Id of the authority of these tests.
const CLUSTER: &str = "0a1b2c3d-4e5f-4000-8000-000000000000";

/// Records besides those of the seal and the keyring.
const VALUES: usize = 40;

/// Longest that one use of the place may take.
const LIMIT: Duration = Duration::from_secs(3);

/// An unsealed barrier with some records, a folder for snapshots and one for trials, and the clock.
struct Rig {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    barrier: Arc<Barrier>,
    now_s: Arc<AtomicI64>,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("place")).unwrap();
        let store = Arc::new(Store::open(Backend::Memory).unwrap());
        let keyring = Arc::new(Keyring::generate(Timestamp::UNIX_EPOCH).unwrap());
        let config = SealConfig::plain(1, 1, CLUSTER.to_owned()).unwrap();
        let put = |key: &str, value: Vec<u8>| Write::Put(key.to_owned(), value);
        let mut writes = vec![
            put(CONFIG_KEY, serde_json::to_vec(&config).unwrap()),
            put(SHARES_KEY, b"[]".to_vec()),
            put(ROOT_KEY, b"wrapped".to_vec()),
            put(KEYRING_KEY, keyring.to_record().unwrap()),
        ];
        for number in 0..VALUES {
            let key = format!("mount/{number:03}");
            let value = vec![7; if number == 3 { 3 << 20 } else { 100 * number }];
            writes.push(put(&key, keyring.seal(&key, &value).unwrap()));
        }
        store.commit(writes).await.unwrap();
        let barrier = Arc::new(Barrier::new(store.clone(), Some(keyring)));
        let now_s = Arc::new(AtomicI64::new(1_800_000_000));
        Self { folder, store, barrier, now_s }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn place(&self) -> Arc<dyn Place> {
        Arc::new(Directory::new(self.path("place")))
    }

    /// Snapshots every hour at `place`, of which `keep` stay.
    fn snapshots(&self, place: Arc<dyn Place>, keep: usize) -> Arc<Snapshots> {
        let options = SnapshotOptions {
            directory: self.path("place"),
            scratch: self.path("scratch"),
            interval: Duration::from_secs(3_600),
            keep,
        };
        let clock = self.now_s.clone();
        let clock =
            Clock::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        let (store, barrier) = (self.store.clone(), self.barrier.clone());
        let mut snapshots = Snapshots::at(place, &options, store, barrier, clock);
        // Room for a machine under load; what hangs here does so for ever.
        (snapshots.limit, snapshots.look_limit) = (LIMIT, LIMIT);
        Arc::new(snapshots)
    }

    fn advance(&self, seconds: i64) {
        self.now_s.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Names at the place, whatever they are.
    fn names(&self) -> Vec<String> {
        names(&self.path("place"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).map(|all| all.map(|e| e.unwrap().file_name())).ok();
    let mut all: Vec<String> =
        entries.into_iter().flatten().map(|name| name.into_string().unwrap()).collect();
    all.sort();
    all
}

/// How `snapshots` stand, as JSON.
async fn told(snapshots: &Snapshots) -> serde_json::Value {
    let report = snapshots.report(snapshots.clock.now()).await.unwrap();
    serde_json::to_value(report).unwrap()
}
