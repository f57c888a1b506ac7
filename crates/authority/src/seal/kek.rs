//! The key-encryption key: exists only between shares and root key.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::shamir::{self, ShamirError, Share};
use crate::barrier::{BarrierError, open_with, seal_with};

/// Where the wrapped root key is stored.
pub(crate) const ROOT_KEY: &str = "seal/root-key";

/// In bytes: a key of AES-256.
const KEK_LEN: usize = 32;

/// Rebuilt from shares; wiped on drop.
pub(crate) struct Kek(Zeroizing<[u8; KEK_LEN]>);

impl Kek {
    /// A new random one.
    pub(crate) fn generate() -> Result<Self, ShamirError> {
        let mut key = Zeroizing::new([0; KEK_LEN]);
        getrandom::fill(key.as_mut_slice()).map_err(|_| ShamirError::Random)?;
        Ok(Self(key))
    }

    /// `shares` shares, any `threshold` of which give the key back.
    pub(crate) fn split(&self, threshold: usize, shares: usize) -> Result<Vec<Share>, ShamirError> {
        shamir::split(self.0.as_slice(), threshold, shares)
    }

    /// What `threshold` shares give: the key, if they are right.
    pub(crate) fn combine(shares: &[Share], threshold: usize) -> Result<Self, ShamirError> {
        let secret = shamir::combine(shares, threshold, KEK_LEN)?;
        let mut key = Zeroizing::new([0; KEK_LEN]);
        key.copy_from_slice(&secret);
        Ok(Self(key))
    }

    /// Whether `share` has the form of a share.
    pub(crate) fn check(share: &[u8], threshold: usize) -> Result<(), ShamirError> {
        shamir::check(share, threshold, KEK_LEN)
    }
}

/// The root key as it is stored at [`ROOT_KEY`], bound to the stored form of the seal config.
pub(crate) fn wrap_root(
    kek: &Kek,
    root: &[u8; 32],
    config: &[u8],
) -> Result<Vec<u8>, BarrierError> {
    seal_with(&kek.0, ROOT_KEY, &bound_to(config), root)
}

/// The root key again; an error if the shares were wrong or the config was changed.
pub(crate) fn unwrap_root(
    kek: &Kek,
    wrapped: &[u8],
    config: &[u8],
) -> Result<Zeroizing<[u8; 32]>, BarrierError> {
    let plain = open_with(&kek.0, ROOT_KEY, &bound_to(config), wrapped)?;
    let root = plain.first_chunk::<32>().filter(|_| plain.len() == 32);
    root.map(|root| Zeroizing::new(*root)).ok_or(BarrierError::Malformed(ROOT_KEY.to_owned()))
}

fn bound_to(config: &[u8]) -> Vec<u8> {
    let mut aad = ROOT_KEY.as_bytes().to_vec();
    aad.extend_from_slice(&Sha256::digest(config));
    aad
}
