//! The keys of the barrier, one a term; the newest seals, all of them open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::{Aes256Gcm, KeyInit as _};
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::BarrierError;
use super::record;

/// Where the keyring is stored, sealed by the root key.
pub(crate) const KEYRING_KEY: &str = "core/keyring";

/// Random 96-bit nonces allow 2^32 records a key (NIST SP 800-38D, 8.3); 90 % of it, as Vault does.
const SEALS_MAX: u64 = 3_865_470_566;

/// Term, install time, seals, key.
const ENTRY_LEN: usize = 4 + 8 + 8 + 32;

/// The keys of the barrier, and the root key that seals them.
pub(crate) struct Keyring {
    root: Zeroizing<[u8; 32]>,
    /// Key of the HMACs that name tokens in storage.
    index: Zeroizing<[u8; 32]>,
    terms: BTreeMap<u32, Arc<Term>>,
    active: u32,
}

struct Term {
    key: Zeroizing<[u8; 32]>,
    cipher: Aes256Gcm,
    installed: Timestamp,
    seals: AtomicU64,
}

/// How worn the newest key is, for `sys/key-status` and upkeep.
pub(crate) struct KeyStatus {
    pub(crate) term: u32,
    /// When the newest term's key was made.
    pub(crate) installed: Timestamp,
    /// Records sealed under it since it was last loaded or rotated.
    pub(crate) seals: u64,
}

impl KeyStatus {
    /// Records after which a key has served: half of what it may seal.
    pub(crate) const ROTATES_AFTER: u64 = SEALS_MAX / 2;

    /// Whether half of what the key may seal is used up: time for the next one.
    pub(crate) fn needs_rotation(&self) -> bool {
        self.seals > Self::ROTATES_AFTER
    }
}

impl Keyring {
    /// A new keyring of one random key under a new random root key.
    pub(crate) fn generate(now: Timestamp) -> Result<Self, BarrierError> {
        let first = Arc::new(Term::new(random_key()?, now, 0));
        Ok(Self {
            root: random_key()?,
            index: random_key()?,
            terms: BTreeMap::from([(1, first)]),
            active: 1,
        })
    }

    /// The root key: wrapped by the key-encryption key, nothing else.
    pub(crate) fn root(&self) -> &Zeroizing<[u8; 32]> {
        &self.root
    }

    /// The key of the HMACs that name tokens in storage.
    pub(crate) fn index_key(&self) -> Zeroizing<[u8; 32]> {
        self.index.clone()
    }

    /// A MAC under a key that only who opens the seal can derive, the same for every term: it says of a snapshot that it was
    /// made here.
    pub(crate) fn snapshot_mac(&self) -> Result<Hmac<Sha256>, BarrierError> {
        let keyed =
            |key: &[u8]| <Hmac<Sha256> as Mac>::new_from_slice(key).map_err(|_| BarrierError::Mac);
        let mut derived = keyed(self.root.as_slice())?;
        derived.update(b"regent-snapshot/1");
        keyed(&Zeroizing::new(<[u8; 32]>::from(derived.finalize().into_bytes()))[..])
    }

    /// The same with one more key, which seals from now on.
    pub(crate) fn rotate(&self, now: Timestamp) -> Result<Self, BarrierError> {
        let active = self.active + 1;
        let mut terms = self.terms.clone();
        terms.insert(active, Arc::new(Term::new(random_key()?, now, 0)));
        Ok(Self { root: self.root.clone(), index: self.index.clone(), terms, active })
    }

    /// How worn the newest key is, for `sys/key-status` and upkeep.
    pub(crate) fn status(&self) -> Result<KeyStatus, BarrierError> {
        let term = self.term("key-status", self.active)?;
        let seals = term.seals.load(Ordering::Relaxed);
        Ok(KeyStatus { term: self.active, installed: term.installed, seals })
    }

    /// `value` as a record for `key`, under the newest term.
    pub(crate) fn seal(&self, key: &str, value: &[u8]) -> Result<Vec<u8>, BarrierError> {
        let term = self.term(key, self.active)?;
        if term.seals.fetch_add(1, Ordering::Relaxed) >= SEALS_MAX {
            return Err(BarrierError::Exhausted(self.active));
        }
        record::seal(&term.cipher, self.active, key, key.as_bytes(), value)
    }

    /// Opens a record of any term.
    pub(crate) fn open(&self, key: &str, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, BarrierError> {
        let term = self.term(key, record::term(key, bytes)?)?;
        record::open(&term.cipher, key, key.as_bytes(), bytes)
    }

    /// The keyring as it is stored at [`KEYRING_KEY`]: sealed by the root key.
    pub(crate) fn to_record(&self) -> Result<Vec<u8>, BarrierError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(32 + self.terms.len() * ENTRY_LEN));
        plain.extend_from_slice(self.index.as_slice());
        for (number, term) in &self.terms {
            plain.extend_from_slice(&number.to_be_bytes());
            plain.extend_from_slice(&term.installed.as_millisecond().to_be_bytes());
            plain.extend_from_slice(&term.seals.load(Ordering::Relaxed).to_be_bytes());
            plain.extend_from_slice(term.key.as_slice());
        }
        record::seal_with(&self.root, KEYRING_KEY, KEYRING_KEY.as_bytes(), &plain)
    }

    /// The keyring from its stored form and the root key.
    pub(crate) fn from_record(
        root: Zeroizing<[u8; 32]>,
        bytes: &[u8],
    ) -> Result<Self, BarrierError> {
        let malformed = || BarrierError::Malformed(KEYRING_KEY.to_owned());
        let plain = record::open_with(&root, KEYRING_KEY, KEYRING_KEY.as_bytes(), bytes)?;
        let (index, entries) = plain.split_first_chunk::<32>().ok_or_else(malformed)?;
        if entries.len() % ENTRY_LEN != 0 {
            return Err(malformed());
        }
        let mut terms = BTreeMap::new();
        for entry in entries.chunks_exact(ENTRY_LEN) {
            let (number, term) = Term::parse(entry).ok_or_else(malformed)?;
            terms.insert(number, Arc::new(term));
        }
        let active = *terms.keys().next_back().ok_or_else(malformed)?;
        Ok(Self { root, index: Zeroizing::new(*index), terms, active })
    }

    fn term(&self, key: &str, term: u32) -> Result<&Term, BarrierError> {
        let missing = || BarrierError::NoSuchTerm { key: key.to_owned(), term };
        self.terms.get(&term).map(Arc::as_ref).ok_or_else(missing)
    }
}

impl Term {
    fn new(key: Zeroizing<[u8; 32]>, installed: Timestamp, seals: u64) -> Self {
        let cipher = Aes256Gcm::new((&*key).into());
        Self { key, cipher, installed, seals: AtomicU64::new(seals) }
    }

    fn parse(entry: &[u8]) -> Option<(u32, Self)> {
        let (number, rest) = entry.split_first_chunk::<4>()?;
        let (installed, rest) = rest.split_first_chunk::<8>()?;
        let (seals, rest) = rest.split_first_chunk::<8>()?;
        let key = Zeroizing::new(*rest.first_chunk::<32>()?);
        let installed = Timestamp::from_millisecond(i64::from_be_bytes(*installed)).ok()?;
        let term = Self::new(key, installed, u64::from_be_bytes(*seals));
        Some((u32::from_be_bytes(*number), term))
    }
}

fn random_key() -> Result<Zeroizing<[u8; 32]>, BarrierError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| BarrierError::Random)?;
    Ok(key)
}
