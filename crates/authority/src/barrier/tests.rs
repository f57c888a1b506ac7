//! Claims about records and the keyring.

use jiff::Timestamp;

use super::{BarrierError, Keyring};

fn keyring() -> Keyring {
    Keyring::generate(Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn a_record_opens_at_its_own_key_only() {
    let keyring = keyring();
    let record = keyring.seal("logical/a", b"planted-value").unwrap();
    assert_eq!(keyring.open("logical/a", &record).unwrap().as_slice(), b"planted-value");
    let moved = keyring.open("logical/b", &record);
    assert!(matches!(moved, Err(BarrierError::NotAuthentic(key)) if key == "logical/b"));
}

#[test]
fn every_changed_bit_is_noticed() {
    let keyring = keyring();
    let record = keyring.seal("k", b"v").unwrap();
    for bit in 0..record.len() * 8 {
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(keyring.open("k", &changed).is_err(), "bit {bit}");
    }
    for len in 0..record.len() {
        assert!(keyring.open("k", &record[..len]).is_err(), "length {len}");
    }
}

#[test]
fn a_record_holds_no_plain_text_and_never_repeats() {
    let keyring = keyring();
    let first = keyring.seal("k", b"planted-value").unwrap();
    assert!(!first.windows(7).any(|window| window == b"planted"));
    assert_ne!(first, keyring.seal("k", b"planted-value").unwrap());
}

#[test]
fn rotation_keeps_old_records_readable_and_seals_with_the_new_key() {
    let old = keyring();
    let before = old.seal("k", b"old").unwrap();
    let new = old.rotate(Timestamp::UNIX_EPOCH).unwrap();
    let after = new.seal("k", b"new").unwrap();
    assert_eq!(new.open("k", &before).unwrap().as_slice(), b"old");
    assert_eq!(after[..5], [0, 0, 0, 2, 2], "term 2, version 2");
    assert!(matches!(old.open("k", &after), Err(BarrierError::NoSuchTerm { term: 2, .. })));
}

#[test]
fn the_stored_keyring_opens_with_its_root_key_only() {
    let ring = keyring().rotate(Timestamp::UNIX_EPOCH).unwrap();
    let record = ring.seal("k", b"value").unwrap();
    let stored = ring.to_record().unwrap();
    let again = Keyring::from_record(ring.root().clone(), &stored).unwrap();
    assert_eq!(again.open("k", &record).unwrap().as_slice(), b"value");
    assert_eq!(*again.index_key(), *ring.index_key());
    assert!(Keyring::from_record(keyring().root().clone(), &stored).is_err());
}
