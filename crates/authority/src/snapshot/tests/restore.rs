//! A data file from a snapshot.

use jiff::Timestamp;

use super::{Rig, VALUES, names};
use crate::snapshot::{RESTORED_KEY, RestoreError, Restored, restore};
use crate::storage::{Backend, Store, read_all};

async fn restored(store: &Store) -> Restored {
    let stored = store.get(RESTORED_KEY.to_owned()).await.unwrap().unwrap();
    serde_json::from_slice(&stored).unwrap()
}

#[tokio::test]
async fn a_restored_file_has_every_record_and_says_where_it_is_from() {
    let rig = Rig::new().await;
    let snapshots = rig.snapshots(rig.place(), 3);
    snapshots.look().await.unwrap();
    let (name, to) = (rig.names()[0].clone(), rig.path("new.redb"));
    let at = Timestamp::from_second(1_900_000_000).unwrap();
    let found = restore(&rig.path("place").join(&name), &to, at).unwrap();
    assert_eq!((found.keys, found.epoch), (VALUES as u64 + 4, 1));
    let store = Store::open(Backend::File(to.clone())).unwrap();
    let keyring = rig.barrier.keyring().unwrap();
    for number in 0..VALUES {
        let key = format!("mount/{number:03}");
        let (old, new) = (rig.store.get(key.clone()).await, store.get(key.clone()).await);
        let new = new.unwrap().unwrap();
        assert_eq!(old.unwrap().unwrap(), new);
        keyring.open(&key, &new).unwrap();
    }
    let note = restored(&store).await;
    assert_eq!((note.from.as_str(), note.at, note.epoch), (name.as_str(), at, 1));
    assert!(note.is_authentic(&keyring));
    let stranger = crate::barrier::Keyring::generate(Timestamp::UNIX_EPOCH).unwrap();
    assert!(!note.is_authentic(&stranger));
    store.close().await;
    assert_eq!(
        read_all(&to, 1 << 20, |_| Ok::<_, crate::storage::StoreError>(())).unwrap(),
        found.keys + 1
    );
}

#[tokio::test]
async fn a_restore_of_what_was_restored_is_another_epoch() {
    let rig = Rig::new().await;
    let at = Timestamp::UNIX_EPOCH;
    let mut rig_store = rig.store.clone();
    for epoch in 1..=3 {
        let snapshots = {
            let mut snapshots = rig.snapshots(rig.place(), 3);
            let open = std::sync::Arc::get_mut(&mut snapshots).unwrap();
            let keyring = rig.barrier.keyring().unwrap();
            open.store = rig_store.clone();
            open.barrier =
                std::sync::Arc::new(crate::barrier::Barrier::new(rig_store.clone(), Some(keyring)));
            snapshots
        };
        snapshots.look().await.unwrap();
        let name = rig.names().pop().unwrap();
        let to = rig.path(&format!("{epoch}.redb"));
        assert_eq!(restore(&rig.path("place").join(name), &to, at).unwrap().epoch, epoch);
        rig_store = std::sync::Arc::new(Store::open(Backend::File(to)).unwrap());
        assert_eq!(restored(&rig_store).await.epoch, epoch);
        rig.advance(3_600);
    }
}

#[tokio::test]
async fn nothing_is_written_over_and_nothing_is_left_of_what_cannot_be_restored() {
    let rig = Rig::new().await;
    rig.snapshots(rig.place(), 3).look().await.unwrap();
    let from = rig.path("place").join(&rig.names()[0]);
    let (folder, at) = (rig.path("new"), Timestamp::UNIX_EPOCH);
    std::fs::create_dir(&folder).unwrap();
    let to = folder.join("authority.redb");
    std::fs::write(&to, b"precious").unwrap();
    assert!(matches!(restore(&from, &to, at), Err(RestoreError::Exists { .. })));
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    std::fs::remove_file(&to).unwrap();
    let bytes = std::fs::read(&from).unwrap();
    for damaged in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2], &[]] {
        std::fs::write(&from, damaged).unwrap();
        assert!(matches!(restore(&from, &to, at), Err(RestoreError::Snapshot { .. })));
        assert_eq!(names(&folder), Vec::<String>::new());
    }
    std::fs::write(&from, bytes).unwrap();
    restore(&from, &to, at).unwrap();
    assert_eq!(names(&folder), ["authority.redb"]);
}
