//! A restore on trial: a snapshot becomes a data file of its own, every record of which is opened, and which is deleted.
//!
//! Keys are asked of the barrier part by part and never held while the place is read: one that hangs holds none, and sealing
//! ends a trial.

use std::path::{Path, PathBuf};

use hmac::Mac as _;

use super::error::SnapshotError;
use super::format::{CHUNK_LEN, Trailer};
use super::load::load;
use super::place::Place;
use super::reader::SnapshotReader;
use super::restored::{RESTORED_KEY, Restored};
use crate::barrier::{Barrier, KEYRING_KEY, Keyring};
use crate::seal::{CONFIG_KEY, ROOT_KEY, SHARES_KEY, SealConfig, SealedShare};
use crate::storage::{Pair, read_all};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) taken: jiff::Timestamp,
    pub(super) keys: u64,
}

/// A data file that goes when this does.
struct Scratch(PathBuf);

/// Restores the snapshot `name` of the authority `cluster` to `scratch`, opens every record, and deletes it again.
pub(super) fn try_restore(
    place: &dyn Place,
    barrier: &Barrier,
    name: &str,
    cluster: &str,
    scratch: PathBuf,
) -> Result<Tried, SnapshotError> {
    let scratch = Scratch::at(scratch)?;
    let mut reader = SnapshotReader::begin(place.read(name)?)?;
    let header = reader.header().clone();
    if header.cluster != cluster {
        return Err(SnapshotError::Foreign { found: header.cluster, own: cluster.to_owned() });
    }
    let trailer = load(&mut reader, &scratch.0, |_, _| Ok(()))?;
    authenticate(barrier, &trailer)?;
    let found = read_all(&scratch.0, CHUNK_LEN, |records: &[Pair]| {
        let keyring = barrier.keyring()?;
        records.iter().try_for_each(|(key, record)| opens(&keyring, key, record))
    })?;
    if found != trailer.keys {
        return Err(SnapshotError::Count { told: trailer.keys, found });
    }
    Ok(Tried { taken: header.taken, keys: found })
}

/// Whether the end was made by who has the root key.
fn authenticate(barrier: &Barrier, trailer: &Trailer) -> Result<(), SnapshotError> {
    let mut mac = barrier.keyring()?.snapshot_mac()?;
    mac.update(&Trailer::authenticated(&trailer.chain, trailer.keys, trailer.chunks));
    mac.verify_slice(&trailer.mac).map_err(|_| SnapshotError::NotAuthentic)
}

/// Whether a record is what its key says. The wrapped root key opens with shares alone: the MAC vouches for it.
fn opens(keyring: &Keyring, key: &str, record: &[u8]) -> Result<(), SnapshotError> {
    let is_fine = match key {
        CONFIG_KEY => serde_json::from_slice::<SealConfig>(record).is_ok(),
        SHARES_KEY => serde_json::from_slice::<Vec<SealedShare>>(record).is_ok(),
        RESTORED_KEY => serde_json::from_slice::<Restored>(record).is_ok(),
        ROOT_KEY => !record.is_empty(),
        KEYRING_KEY => Keyring::from_record(keyring.root().clone(), record).is_ok(),
        _ => keyring.open(key, record).is_ok(),
    };
    if is_fine { Ok(()) } else { Err(SnapshotError::Record(key.to_owned())) }
}

impl Scratch {
    fn at(path: PathBuf) -> Result<Self, SnapshotError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        remove(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = remove(&self.0);
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}
