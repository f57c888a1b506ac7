//! Rounds at a directory: what they leave, what they find, what is said of them.

use serde_json::json;

use super::{CLUSTER, Rig, VALUES, names, told};
use crate::barrier::Keyring;
use crate::snapshot::Asked;
use crate::snapshot::error::SnapshotError;

#[tokio::test]
async fn a_round_leaves_one_that_was_restored_on_trial_and_nothing_else() {
    let rig = Rig::new().await;
    let snapshots = rig.snapshots(rig.place(), 3);
    assert_eq!(told(&snapshots).await["standing"], "waiting");
    snapshots.look().await.unwrap();
    let told = told(&snapshots).await;
    let name = "regent-0a1b2c3d-20270115T080000.000Z.snapshot";
    assert_eq!(rig.names(), [name]);
    assert_eq!(told["last_good"]["name"], name);
    assert_eq!(told["last_good"]["keys"], VALUES + 4);
    assert_eq!(told["last_good"]["trial"], "good");
    let len = std::fs::metadata(rig.path("place").join(name)).unwrap().len();
    assert_eq!(told["last_good"]["bytes"], len);
    assert_eq!(names(&rig.path("scratch")), Vec::<String>::new());
    // Not due again before an hour is over.
    snapshots.look().await.unwrap();
    assert_eq!(rig.names().len(), 1);
}

#[tokio::test]
async fn as_many_good_ones_stay_as_are_to_be_kept_also_after_a_restart() {
    let rig = Rig::new().await;
    for round in 0..7_usize {
        // Each with what was stored, as after a restart.
        let snapshots = rig.snapshots(rig.place(), 3);
        snapshots.look().await.unwrap();
        let told = told(&snapshots).await;
        assert_eq!(rig.names().len(), (round + 1).min(3));
        assert_eq!(told["snapshots"].as_array().unwrap().len(), (round + 1).min(3));
        rig.advance(3_600);
    }
}

/// Truncated, flipped, gone: whichever of those that are kept next in turn, it is red within one interval, for one.
#[tokio::test]
async fn c20_what_was_good_and_is_no_more_is_red_within_one_interval() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 4] = [
        ("bytes and had", |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(100_000).unwrap();
        }),
        ("is not as it was written", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("it is gone", |path| std::fs::remove_file(path).unwrap()),
        ("bytes and had", |path| std::fs::write(path, b"").unwrap()),
    ];
    for (said, damage) in damages {
        let rig = Rig::new().await;
        let snapshots = rig.snapshots(rig.place(), 3);
        snapshots.look().await.unwrap();
        let first = rig.names()[0].clone();
        damage(&rig.path("place").join(&first));
        rig.advance(3_600);
        snapshots.look().await.unwrap();
        let red = told(&snapshots).await;
        assert_eq!(red["standing"], "failing", "{said}: {red}");
        let message = red["message"].as_str().unwrap();
        assert!(message.contains(said) && message.contains(&first), "{said}: {red}");
        assert_ne!(red["last_good"]["name"], json!(first), "{said}");
        rig.advance(3_600);
        snapshots.look().await.unwrap();
        assert_eq!(told(&snapshots).await["standing"], "current", "{said}");
    }
}

#[tokio::test]
async fn bad_ones_never_push_out_the_last_good_one() {
    let rig = Rig::new().await;
    let snapshots = rig.snapshots(rig.place(), 1);
    snapshots.look().await.unwrap();
    let good = rig.names()[0].clone();
    // From here on a record does not open: no snapshot can be restored.
    let write = crate::storage::Write::Put("mount/broken".to_owned(), vec![1; 40]);
    rig.store.commit(vec![write]).await.unwrap();
    for _ in 0..5 {
        rig.advance(3_600);
        snapshots.look().await.unwrap();
        let red = told(&snapshots).await;
        let message = red["message"].as_str().unwrap();
        assert!(message.contains("mount/broken does not open"), "{red}");
        assert_eq!(red["last_good"]["name"], json!(good));
        assert!(rig.names().contains(&good));
    }
    assert_eq!(rig.names().len(), 3, "the good one, and two bad ones for a look");
}

#[tokio::test]
async fn one_of_another_authority_is_not_this_ones_and_one_of_another_key_is_bad() {
    let (rig, other) = (Rig::new().await, Rig::new().await);
    other.advance(-60);
    other.snapshots(other.place(), 3).look().await.unwrap();
    let name = other.names()[0].clone();
    std::fs::copy(other.path("place").join(&name), rig.path("place").join(&name)).unwrap();
    std::fs::write(rig.path("place").join("regent-ffffffff-x.snapshot"), b"of somebody").unwrap();
    let snapshots = rig.snapshots(rig.place(), 3);
    snapshots.look().await.unwrap();
    let red = told(&snapshots).await;
    assert_eq!(red["standing"], "failing", "{red}");
    let message = red["message"].as_str().unwrap();
    assert!(message.contains("not made by who can open this authority's seal"), "{red}");
    assert_eq!(red["snapshots"][0]["trial"], "bad");
    assert_eq!(red["snapshots"].as_array().unwrap().len(), 2, "the stranger's is not looked at");
    assert!(rig.path("place").join("regent-ffffffff-x.snapshot").exists());
}

/// A key that was rotated away still opens what it sealed, and the MAC stays the same.
#[tokio::test]
async fn after_a_rotation_earlier_ones_are_still_this_authoritys() {
    let rig = Rig::new().await;
    rig.snapshots(rig.place(), 3).look().await.unwrap();
    let next = rig.barrier.keyring().unwrap().rotate(jiff::Timestamp::UNIX_EPOCH).unwrap();
    let record = next.to_record().unwrap();
    let write = crate::storage::Write::Put(crate::barrier::KEYRING_KEY.to_owned(), record);
    rig.store.commit(vec![write]).await.unwrap();
    rig.barrier.replace(Some(std::sync::Arc::new(next)));
    rig.advance(3_600);
    // Without what was stored of it: the earlier one is tried again.
    let forget = crate::storage::Write::Delete("core/snapshots".to_owned());
    rig.store.commit(vec![forget]).await.unwrap();
    let snapshots = rig.snapshots(rig.place(), 3);
    snapshots.look().await.unwrap();
    let told = told(&snapshots).await;
    assert_eq!(told["standing"], "current", "{told}");
    for one in told["snapshots"].as_array().unwrap() {
        assert_eq!(one["trial"], "good", "{told}");
    }
    assert_eq!(told["snapshots"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn one_that_is_asked_for_is_taken_once_and_no_more_often_than_it_may() {
    let rig = Rig::new().await;
    let snapshots = rig.snapshots(rig.place(), 1);
    let now = || snapshots.clock.now();
    let Asked::Coming(first) = snapshots.request(now()).unwrap() else { panic!("too soon") };
    let Asked::Coming(again) = snapshots.request(now()).unwrap() else { panic!("too soon") };
    assert_eq!(first, again);
    snapshots.look().await.unwrap();
    assert_eq!(rig.names(), [first.name.as_str()]);
    assert!(first.name.ends_with("-requested.snapshot"));
    assert!(matches!(snapshots.request(now()).unwrap(), Asked::TooSoon));
    rig.advance(10);
    assert!(matches!(snapshots.request(now()).unwrap(), Asked::Coming(_)));
}

#[tokio::test]
async fn nothing_is_taken_while_sealed_and_sealing_ends_a_trial() {
    let rig = Rig::new().await;
    let keyring = rig.barrier.keyring().unwrap();
    rig.barrier.replace(None);
    let snapshots = rig.snapshots(rig.place(), 3);
    assert!(matches!(snapshots.look().await, Err(SnapshotError::Sealed)));
    assert_eq!(rig.names(), Vec::<String>::new());
    rig.barrier.replace(Some(keyring));
    snapshots.look().await.unwrap();
    assert_eq!(rig.names().len(), 1);
}

/// Another root key is another authority, whatever its id says.
#[test]
fn the_mac_is_of_the_root_key_alone() {
    use hmac::Mac as _;
    let of = |keyring: &Keyring| keyring.snapshot_mac().unwrap().finalize().into_bytes();
    let first = Keyring::generate(jiff::Timestamp::UNIX_EPOCH).unwrap();
    let rotated = first.rotate(jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(of(&first), of(&rotated));
    assert_ne!(of(&first), of(&Keyring::generate(jiff::Timestamp::UNIX_EPOCH).unwrap()));
    assert_eq!(CLUSTER.len(), 36);
}
