//! Claims about the data file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::{Backend, Condition, OpenWith, Store, StoreError, Write};

fn put(key: &str) -> Write {
    Write::Put(key.to_owned(), key.as_bytes().to_vec())
}

async fn filled(keys: &[&str]) -> Store {
    let store = Store::open(Backend::Memory).unwrap();
    store.commit(keys.iter().map(|key| put(key)).collect()).await.unwrap();
    store
}

#[tokio::test]
async fn a_listing_names_each_folder_once_and_in_order() {
    let store = filled(&[
        "m/a", "m/a-b", "m/a/x", "m/a/y/z", "m/a0", "m/b/1", "m/b/2", "m/ü/1", "mm", "n/x",
    ])
    .await;
    for (prefix, names) in [
        ("m/", vec!["a", "a-b", "a/", "a0", "b/", "ü/"]),
        ("m/a/", vec!["x", "y/"]),
        ("m/none/", vec![]),
        ("", vec!["m/", "mm", "n/"]),
    ] {
        assert_eq!(store.list(prefix.to_owned()).await.unwrap(), names, "{prefix:?}");
    }
}

#[tokio::test]
async fn a_scan_goes_on_where_the_last_one_ended() {
    let store = filled(&["m/a", "m/a/x", "m/b", "m/c", "n/a"]).await;
    let scan = |after: &str| store.scan("m/".to_owned(), after.to_owned(), 2);
    assert_eq!(scan("").await.unwrap(), ["m/a", "m/a/x"]);
    assert_eq!(scan("m/a/x").await.unwrap(), ["m/b", "m/c"]);
    assert!(scan("m/c").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_commit_is_read_at_once_and_a_deletion_too() {
    let store = filled(&["a", "b"]).await;
    assert_eq!(store.get("a".to_owned()).await.unwrap().unwrap(), b"a");
    store.commit(vec![Write::Delete("a".to_owned()), put("c")]).await.unwrap();
    assert!(store.get("a".to_owned()).await.unwrap().is_none());
    assert!(store.get("c".to_owned()).await.unwrap().is_some());
}

#[tokio::test]
async fn after_closing_everything_says_so_and_queued_commits_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = Arc::new(Store::open(Backend::File(path.clone())).unwrap());
    let writes = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(vec![put(&format!("k{n}"))]).await })
    });
    let writes: Vec<_> = writes.collect();
    tokio::task::yield_now().await;
    store.close().await;
    store.close().await;
    let mut landed = 0;
    for write in writes {
        landed += usize::from(write.await.unwrap().is_ok());
    }
    assert!(matches!(store.get("k0".to_owned()).await, Err(StoreError::Closed)));
    assert!(matches!(store.commit(vec![put("x")]).await, Err(StoreError::Closed)));
    let again = Store::open(Backend::File(path)).unwrap();
    let kept = again.list(String::new()).await.unwrap().len();
    assert!(kept >= landed && landed > 0, "{landed} acknowledged, {kept} kept");
}

/// A disk in memory that counts its syncs.
#[derive(Debug)]
struct Counting(InMemoryBackend, Arc<AtomicUsize>);

impl StorageBackend for Counting {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

#[tokio::test]
async fn writers_at_once_share_their_syncs() {
    let syncs = Arc::new(AtomicUsize::new(0));
    let disk = Counting(InMemoryBackend::new(), syncs.clone());
    let disk = std::sync::Mutex::new(Some(disk));
    let store = Store::open(Backend::Custom(OpenWith {
        open: Box::new(move |builder| {
            builder.create_with_backend(disk.lock().unwrap().take().unwrap())
        }),
        has_room: Box::new(|| true),
    }))
    .unwrap();
    syncs.store(0, Ordering::Relaxed);
    store.commit(vec![put("first")]).await.unwrap();
    let one = syncs.load(Ordering::Relaxed);
    assert!(one > 0, "a commit is durable");
    let writes = (0..200).map(|n| store.commit(vec![put(&format!("k{n}"))]));
    for result in futures::future::join_all(writes).await {
        result.unwrap();
    }
    let all = syncs.load(Ordering::Relaxed) - one;
    assert!(all < 100 * one, "200 commits took {all} syncs, one takes {one}");
    assert_eq!(store.list(String::new()).await.unwrap().len(), 201);
}

/// Flipped bytes anywhere in the file: refused, found, or harmless; nothing is absent by them, and nothing crashes.
#[tokio::test]
async fn a_damaged_file_is_found_out_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = Store::open(Backend::File(path.clone())).unwrap();
    let keys: Vec<String> = (0..300).map(|n| format!("key/{n}/with-a-long-name")).collect();
    store.commit(keys.iter().map(|key| put(key)).collect()).await.unwrap();
    store.close().await;
    let good = std::fs::read(&path).unwrap();
    let (mut refused, mut served) = (0, 0);
    for at in (0..good.len()).step_by(good.len() / 150) {
        let mut bad = good.clone();
        for byte in bad.iter_mut().skip(at).take(16) {
            *byte ^= 0x5a;
        }
        let damaged = folder.path().join(format!("damaged-{at}"));
        std::fs::write(&damaged, &bad).unwrap();
        let Ok(store) = Store::open(Backend::File(damaged.clone())) else {
            refused += 1;
            continue;
        };
        let mut altered = false;
        for key in &keys {
            match store.get(key.clone()).await {
                Ok(found) => altered |= found.expect("not absent") != key.as_bytes(),
                Err(_) => altered = true,
            }
        }
        // Nothing is said to be absent, nor a list to be whole, that a damaged page may hide.
        let listed = store.list("key/".to_owned()).await;
        assert!(listed.as_ref().is_err() || listed.unwrap().len() == keys.len(), "at {at}");
        let absent = store.get("absent".to_owned()).await;
        let is_whole = store.condition() == Condition::Good;
        assert_eq!(absent.is_ok(), is_whole, "at {at}");
        // What is altered the encryption above finds at once, and the check soon.
        assert!(!altered || !is_whole, "at {at}");
        refused += usize::from(!is_whole);
        store.close().await;
        std::fs::remove_file(damaged).unwrap();
        served += 1;
    }
    assert!(refused > 0, "{refused} refused, {served} served");
}

/// A disk in memory that outlives its openings and takes nothing new while it is full, as a file
/// system does: what has its place can be written over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Small(Arc<SmallDisk>);

#[derive(Debug, Default)]
struct SmallDisk {
    bytes: std::sync::Mutex<Vec<u8>>,
    is_full: AtomicBool,
    writes_refused: AtomicUsize,
    syncs: AtomicUsize,
    /// Whether syncs wait, and for what.
    is_held: std::sync::Mutex<bool>,
    released: std::sync::Condvar,
}

impl Small {
    pub(crate) fn backend(&self) -> Backend {
        let (disk, room) = (self.clone(), self.clone());
        Backend::Custom(OpenWith {
            open: Box::new(move |builder| builder.create_with_backend(disk.clone())),
            has_room: Box::new(move || !room.0.is_full.load(Ordering::Relaxed)),
        })
    }

    pub(crate) fn syncs(&self) -> usize {
        self.0.syncs.load(Ordering::Relaxed)
    }

    /// Has syncs wait from now on, or not any more.
    pub(crate) fn hold(&self, is_held: bool) {
        *self.0.is_held.lock().unwrap() = is_held;
        self.0.released.notify_all();
    }

    pub(crate) fn fill(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::Relaxed);
    }
}

impl StorageBackend for Small {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let bytes = self.0.bytes.lock().unwrap();
        let from = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
        let mut is_held = self.0.is_held.lock().unwrap();
        while *is_held {
            is_held = self.0.released.wait(is_held).unwrap();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        let mut bytes = self.0.bytes.lock().unwrap();
        let place = &mut bytes[offset as usize..offset as usize + data.len()];
        // The header has had its place since the file was made.
        if self.0.is_full.load(Ordering::Relaxed) && offset > 0 {
            self.0.writes_refused.fetch_add(1, Ordering::Relaxed);
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        place.copy_from_slice(data);
        Ok(())
    }
}

/// Waits out the pause before the next try.
async fn until_written(store: &Store, key: &str) {
    let written = async {
        while store.commit(vec![put(key)]).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), written).await.unwrap();
}

#[tokio::test]
async fn v01_a_full_disk_costs_writes_alone_and_heals_by_itself() {
    let disk = Small::default();
    let store = Store::open(disk.backend()).unwrap();
    store.commit(vec![put("before")]).await.unwrap();
    assert_eq!(store.condition(), Condition::Good);
    disk.fill(true);
    for turn in 0..50 {
        let refused = store.commit(vec![put(&format!("k{turn}"))]).await;
        assert!(matches!(refused, Err(StoreError::CannotWrite)), "{refused:?}");
        assert_eq!(store.get("before".to_owned()).await.unwrap().unwrap(), b"before");
        assert_eq!(store.list(String::new()).await.unwrap(), ["before"]);
    }
    assert_eq!(store.condition(), Condition::ReadOnly);
    let refused = disk.0.writes_refused.load(Ordering::Relaxed);
    assert!(refused <= 2, "the file itself is not tried for each write: {refused}");
    disk.fill(false);
    until_written(&store, "after").await;
    assert_eq!(store.condition(), Condition::Good);
    store.close().await;
    let again = Store::open(disk.backend()).unwrap();
    assert_eq!(again.list(String::new()).await.unwrap(), ["after", "before"]);
}

/// Readers that meet the failure itself wait until the file is open again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn v01_no_read_fails_while_writes_do() {
    let disk = Small::default();
    let store = Arc::new(Store::open(disk.backend()).unwrap());
    store.commit((0..2000).map(|n| put(&format!("key/{n}"))).collect()).await.unwrap();
    let reads = (0..4).map(|reader| {
        let store = store.clone();
        tokio::spawn(async move {
            for turn in 0..2000 {
                let key = format!("key/{}", (reader * 500 + turn) % 2000);
                assert_eq!(store.get(key.clone()).await.unwrap().unwrap(), key.as_bytes());
            }
        })
    });
    let reads: Vec<_> = reads.collect();
    for turn in 0..6 {
        disk.fill(turn % 2 == 0);
        let _ = store.commit(vec![put(&format!("new/{turn}"))]).await;
        tokio::task::yield_now().await;
    }
    disk.fill(false);
    for read in reads {
        read.await.unwrap();
    }
    until_written(&store, "after").await;
}

/// H7: whatever a process that was killed while it made the file has left, the next one makes it anew.
#[tokio::test]
async fn h07_a_file_that_was_not_made_whole_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.redb");
    let whole = {
        let store = Store::open(Backend::File(path.clone())).unwrap();
        store.close().await;
        std::fs::read(&path).unwrap()
    };
    for bytes in [0, 1, 100, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path.with_extension("new"), &whole[..bytes]).unwrap();
        let store = Store::open(Backend::File(path.clone())).unwrap();
        store.commit(vec![put("a")]).await.unwrap();
        store.close().await;
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{bytes}: the data file alone: {left:?}");
    }
}

#[tokio::test]
async fn v16_a_file_closed_in_order_is_opened_without_a_look_at_its_pages_and_checked_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = Store::open(Backend::File(path.clone())).unwrap();
    for batch in 0..20 {
        let keys = (0..1000).map(|n| Write::Put(format!("key/{batch}/{n}"), vec![7; 600]));
        store.commit(keys.collect()).await.unwrap();
    }
    store.close().await;
    let store = Store::open(Backend::File(path.clone())).unwrap();
    assert!(store.is_checked_apart(), "its pages are looked at by a thread of their own");
    let of_one = store.get("key/7/7".to_owned()).await.unwrap();
    assert_eq!(of_one.unwrap(), vec![7; 600]);
    // Writes go on while pages are looked at; what is not found is waited for.
    store.commit(vec![Write::Delete("key/3/3".to_owned()), put("new")]).await.unwrap();
    assert!(store.get("key/3/3".to_owned()).await.unwrap().is_none());
    assert_eq!(store.condition(), Condition::Good);
    store.close().await;

    // Pages with values go bad, all but the first 50; some of them may not be in use any more.
    let mut bytes = std::fs::read(&path).unwrap();
    let mut bad = std::collections::BTreeSet::new();
    for (number, page) in bytes.chunks_exact_mut(4096).enumerate() {
        if let Some(at) = page.windows(64).position(|bytes| bytes == [7; 64])
            && bad.insert(number as u64)
            && bad.len() > 50
        {
            page[at] = 8;
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(Backend::File(path)).unwrap();
    let absent = store.get("absent".to_owned()).await;
    let Err(StoreError::Page { at, .. }) = absent else { panic!("{absent:?}") };
    assert!(bad.contains(&(at / 4096)), "byte {at} is named, {bad:?} are bad");
    assert_eq!(store.condition(), Condition::Damaged);
    store.close().await;
}

#[tokio::test]
async fn v17_space_of_what_was_removed_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = Store::open(Backend::File(path.clone())).unwrap();
    for batch in 0..20 {
        let keys = (0..1000).map(|n| Write::Put(format!("mount/{batch}/{n}"), vec![7; 600]));
        store.commit(keys.collect()).await.unwrap();
    }
    store.commit(vec![put("kept")]).await.unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    for batch in 0..20 {
        let keys = (0..1000).map(|n| Write::Delete(format!("mount/{batch}/{n}")));
        store.commit(keys.collect()).await.unwrap();
    }
    // It is done when nobody waits, after a commit that removes nothing.
    let len = || std::fs::metadata(&path).unwrap().len();
    let given_back = async {
        while len() > 1 << 20 {
            store.commit(vec![put("later")]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let given_back = tokio::time::timeout(std::time::Duration::from_secs(60), given_back).await;
    assert!(given_back.is_ok() && before > 12 << 20, "{before} bytes before, {} after", len());
    assert_eq!(store.list(String::new()).await.unwrap(), ["kept", "later"]);
}

fn chunks_in(path: &std::path::Path) -> u64 {
    use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
    let database = redb::Database::create(path).unwrap();
    let chunks = database.begin_read().unwrap().open_table(super::chunks::CHUNKS).unwrap();
    chunks.len().unwrap()
}

#[tokio::test]
async fn v17_a_long_value_is_read_as_written_and_leaves_no_part_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = Store::open(Backend::File(path.clone())).unwrap();
    let value =
        |len: usize, salt: u8| -> Vec<u8> { (0..len).map(|n| (n % 251) as u8 ^ salt).collect() };
    let lens = [0, 1, 2048, 2049, 4080, 4081, 6128, 6129, 8160, 100_000];
    for salt in [1, 2] {
        for (n, len) in lens.iter().enumerate() {
            // The second time another one has this length.
            let len = if salt == 1 { *len } else { lens[lens.len() - 1 - n] };
            store.commit(vec![Write::Put(format!("k{n}"), value(len, salt))]).await.unwrap();
            let read = store.get(format!("k{n}")).await.unwrap().unwrap();
            assert!(read == value(len, salt), "{len} bytes");
        }
    }
    let like_a_cut_one = [[0xff; 4].as_slice(), &[1; 20]].concat();
    store.commit(vec![Write::Put("odd".to_owned(), like_a_cut_one.clone())]).await.unwrap();
    assert_eq!(store.get("odd".to_owned()).await.unwrap().unwrap(), like_a_cut_one);
    store.close().await;
    assert_eq!(chunks_in(&path), 1 + 1 + 1 + 1 + 2 + 2 + 25);
    let store = Store::open(Backend::File(path.clone())).unwrap();
    let all = (0..lens.len()).map(|n| Write::Delete(format!("k{n}"))).collect();
    store.commit(all).await.unwrap();
    store.close().await;
    assert_eq!(chunks_in(&path), 0);
}

#[tokio::test]
async fn v17_a_file_that_holds_long_records_whole_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let before = redb::Database::create(&path).unwrap();
    let transaction = before.begin_write().unwrap();
    let mut table = transaction.open_table(super::snapshot::TABLE).unwrap();
    table.insert("a", [7; 5000].as_slice()).unwrap();
    drop(table);
    transaction.commit().unwrap();
    drop(before);
    let store = Store::open(Backend::File(path)).unwrap();
    assert_eq!(store.get("a".to_owned()).await.unwrap().unwrap(), [7; 5000]);
    store.commit(vec![Write::Put("a".to_owned(), vec![8; 9000])]).await.unwrap();
    assert_eq!(store.get("a".to_owned()).await.unwrap().unwrap(), [8; 9000]);
}

/// As a secret of 4 KiB is kept: its metadata, and the version beside it.
#[tokio::test]
async fn v17_values_of_4_kib_take_at_most_twice_their_bytes() {
    use std::os::unix::fs::MetadataExt as _;
    const COUNT: u32 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = Store::open(Backend::File(path.clone())).unwrap();
    for batch in 0..COUNT / 20 {
        let writes = (0..20).flat_map(|n| {
            let name = (batch * 20 + n).wrapping_mul(2_654_435_761);
            let metadata = Write::Put(format!("kv/1/metadata/{name:x}"), vec![1; 350]);
            [metadata, Write::Put(format!("kv/1/versions/{name:x}/1"), vec![2; 4096 + 150])]
        });
        store.commit(writes.collect()).await.unwrap();
    }
    store.close().await;
    // The file grows ahead of what it holds; what was never written takes no room.
    let taken = std::fs::metadata(&path).unwrap().blocks() * 512;
    let ratio = taken as f64 / (f64::from(COUNT) * 4096.0);
    assert!(ratio < 2.0, "{ratio:.2} times the bytes of the values");
}
