//! Claims about the data file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::{Backend, Store, StoreError, Write};

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
    let open = Box::new(move |builder: &redb::Builder| builder.create_with_backend(disk));
    let store = Store::open(Backend::Custom(open)).unwrap();
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

/// Flipped bytes anywhere in the file: refused, or harmless; never a wrong value and never a crash.
#[tokio::test]
async fn a_damaged_file_never_gives_a_wrong_value() {
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
        for key in &keys {
            let value = store.get(key.clone()).await;
            assert!(value.is_err() || value.unwrap().unwrap() == key.as_bytes(), "at {at}");
        }
        store.close().await;
        std::fs::remove_file(damaged).unwrap();
        served += 1;
    }
    assert!(refused > 0, "{refused} refused, {served} served");
}
