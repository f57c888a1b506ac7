//! Shares as ciphertext: one age message a share, safe to publish.

use regent_manifest::keys::seal_share;
pub(crate) use regent_types::seal::SealedShare;

use super::config::{Holder, SealConfig};
use super::shamir::Share;
use crate::error::{ApiError, InternalCause};

/// Where the sealed shares are stored, readable while sealed.
pub(crate) const SHARES_KEY: &str = "seal/shares";

/// Seals each of `shares` to its recipient in `config`.
pub(crate) fn seal_shares(
    config: &SealConfig,
    shares: &[Share],
) -> Result<Vec<SealedShare>, ApiError> {
    let recipients = config.recipients();
    if recipients.len() != shares.len() {
        return Err(ApiError::Internal(InternalCause::SealShare));
    }
    let seal = |(holder, share): (Holder, &Share)| {
        seal_share(&holder.name, &holder.recipient, share).map_err(|_| {
            ApiError::invalid(format!("holder {:?}: not an age recipient", holder.name))
        })
    };
    recipients.into_iter().zip(shares).map(seal).collect()
}
