//! Opening shares: by the unseal identity for warden, by holders' identities for a person.
//!
//! [`recover`] and [`open_seal`] are the person's acts as library functions, used by the CLI and by
//! `regent dev`; they run with the person's identities, never with warden's.

use std::collections::BTreeSet;

use regent_manifest::keys::{Identities, decrypt};
use regent_types::{Advice, Explain};
use regent_vault::{Client, SealedShare, SealedShares, Share};

use super::Error;

/// Holder name of the shares sealed to the unseal identity (PROTOCOLS.md §3).
pub(super) const UNATTENDED: &str = "unattended";

/// What recovery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverOutcome {
    /// Holders whose shares were opened.
    pub opened_by: Vec<String>,
    /// Shares that open the seal from now on.
    pub threshold: i64,
    /// Holders of the new shares; every older share is dead.
    pub holders: Vec<String>,
}

/// Why a person's act failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The identities open fewer shares than the threshold.
    #[error("these identities open {opened} of the {threshold} shares that are needed")]
    WrongIdentity {
        /// Shares opened.
        opened: usize,
        /// Shares needed.
        threshold: i64,
        /// Every holder as `name (recipient)`.
        expected: Vec<String>,
        /// Recipients of the identities given.
        held: Vec<String>,
    },
    /// A share does not open although it is sealed to one of the identities.
    #[error("the share of {holder} is damaged: {source}")]
    Damaged {
        /// Whose share.
        holder: String,
        /// What is wrong with it.
        source: regent_manifest::Error,
    },
    /// The authority refused or did not answer.
    #[error("{doing} failed: {source}")]
    Authority {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: regent_vault::Error,
    },
}

impl Explain for RecoverError {
    fn reason(&self) -> &'static str {
        match self {
            Self::WrongIdentity { .. } => "WrongIdentity",
            Self::Damaged { .. } => "DamagedShare",
            Self::Authority { source, .. } => source.reason(),
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::WrongIdentity { threshold, expected, held, .. } => Advice::new(
                format!("identities of {threshold} of: {}", expected.join(", ")),
                format!("identities of: {}", held.join(", ")),
                "name the holders' identity files with --identity, once for each",
            ),
            Self::Damaged { .. } => Advice::new(
                "the ciphertext that initialization made",
                self.to_string(),
                "compare it with ConfigMap regent-sealed-shares and the copy beside the snapshots",
            ),
            Self::Authority { source, .. } => source.advice(),
        }
    }
}

/// Proves possession of the seal with holders' identities, unseals, and re-seals it to
/// `unseal_recipient` (from
/// `RuntimeAuthority.status.unsealRecipient`) and to the holders; every older share is dead then
/// (S5.7-4, C2-3).
///
/// # Errors
/// [`RecoverError::WrongIdentity`] if fewer shares than the threshold open; nothing was sent then.
pub async fn recover(
    client: &Client,
    identities: &Identities,
    unseal_recipient: &str,
) -> Result<RecoverOutcome, RecoverError> {
    let sealed = read_shares(client).await?;
    let (shares, opened_by) = open_for_holders(&sealed, identities)?;
    let doing = "recovering the seal";
    let new = client
        .recover(&shares, unseal_recipient)
        .await
        .map_err(|source| RecoverError::Authority { doing, source })?;
    let holders = new.sealed_shares.into_iter().map(|share| share.holder).collect();
    Ok(RecoverOutcome { opened_by, threshold: new.threshold, holders })
}

/// Unseals with holders' identities and changes nothing else: for `seal.unattended: false`. Returns
/// the holders whose shares were used.
///
/// # Errors
/// As [`recover`].
pub async fn open_seal(
    client: &Client,
    identities: &Identities,
) -> Result<Vec<String>, RecoverError> {
    let sealed = read_shares(client).await?;
    let (shares, opened_by) = open_for_holders(&sealed, identities)?;
    let doing = "unsealing";
    give(client, &shares).await.map_err(|source| RecoverError::Authority { doing, source })?;
    Ok(opened_by)
}

async fn read_shares(client: &Client) -> Result<SealedShares, RecoverError> {
    let doing = "reading the sealed shares";
    client.sealed_shares().await.map_err(|source| RecoverError::Authority { doing, source })
}

fn open_for_holders(
    sealed: &SealedShares,
    identities: &Identities,
) -> Result<(Vec<Share>, Vec<String>), RecoverError> {
    let holders: Vec<&SealedShare> =
        sealed.sealed_shares.iter().filter(|s| s.holder != UNATTENDED).collect();
    let mine = sealed_to(&holders, &identities.recipients(), sealed.threshold);
    if !suffices(mine.len(), sealed.threshold) {
        return Err(RecoverError::WrongIdentity {
            opened: mine.len(),
            threshold: sealed.threshold,
            expected: holders.iter().map(|s| format!("{} ({})", s.holder, s.recipient)).collect(),
            held: identities.recipients(),
        });
    }
    let open = |sealed: &&SealedShare| {
        decrypt(identities, &sealed.armored)
            .map_err(|source| RecoverError::Damaged { holder: sealed.holder.clone(), source })
    };
    let shares = mine.iter().map(open).collect::<Result<_, _>>()?;
    Ok((shares, mine.iter().map(|s| s.holder.clone()).collect()))
}

fn suffices(opened: usize, threshold: i64) -> bool {
    threshold > 0 && i64::try_from(opened).is_ok_and(|n| n >= threshold)
}

/// Up to `threshold` of `shares` that are sealed to one of `recipients`.
fn sealed_to<'a>(
    shares: &[&'a SealedShare],
    recipients: &[String],
    threshold: i64,
) -> Vec<&'a SealedShare> {
    let recipients: BTreeSet<&str> = recipients.iter().map(String::as_str).collect();
    let mine = shares.iter().filter(|s| recipients.contains(s.recipient.as_str()));
    mine.take(usize::try_from(threshold).unwrap_or(0)).copied().collect()
}

/// How many of `sealed` the holder of `recipient` opens.
pub(super) fn openable(sealed: &SealedShares, recipient: &str) -> usize {
    sealed.sealed_shares.iter().filter(|s| s.recipient == recipient).count()
}

/// The shares that the unseal identity opens, `threshold` of them at most.
pub(super) fn open_unattended(
    sealed: &SealedShares,
    identities: &Identities,
) -> Result<Vec<Share>, Error> {
    let all: Vec<&SealedShare> = sealed.sealed_shares.iter().collect();
    let mine = sealed_to(&all, &identities.recipients(), sealed.threshold);
    let open = |share: &&SealedShare| {
        let what = "a share sealed to the unseal identity";
        decrypt(identities, &share.armored).map_err(|source| Error::Seal { what, source })
    };
    mine.iter().map(open).collect()
}

/// Gives `shares` until the authority is unsealed. Shares that somebody gave before and that do not
/// belong to these are forgotten once.
pub(super) async fn give(client: &Client, shares: &[Share]) -> Result<(), regent_vault::Error> {
    match give_once(client, shares).await {
        Err(regent_vault::Error::BadRequest { .. }) => {
            client.unseal_reset().await?;
            give_once(client, shares).await
        }
        other => other,
    }
}

async fn give_once(client: &Client, shares: &[Share]) -> Result<(), regent_vault::Error> {
    let mut sealed = true;
    for share in shares {
        sealed = client.unseal(share).await?.sealed;
        if !sealed {
            break;
        }
    }
    match sealed {
        false => Ok(()),
        true => Err(regent_vault::Error::BadRequest {
            path: "sys/unseal".to_owned(),
            messages: vec!["still sealed after the threshold of shares".to_owned()],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_manifest::keys::{NewIdentity, encrypt_to, generate};

    fn sealed(holders: &[(&str, &NewIdentity)], threshold: i64) -> SealedShares {
        let share = |(index, (name, new)): (usize, &(&str, &NewIdentity))| SealedShare {
            holder: (*name).to_owned(),
            recipient: new.recipient.clone(),
            armored: encrypt_to(&[&new.recipient], &[u8::try_from(index).unwrap(); 33]).unwrap(),
            digest: String::new(),
        };
        let sealed_shares = holders.iter().enumerate().map(share).collect();
        SealedShares { sealed_shares, threshold }
    }

    fn identities(all: &[&NewIdentity]) -> Identities {
        let text: Vec<&str> = all.iter().map(|n| n.identity.expose().as_str()).collect();
        Identities::parse(&text.join("\n")).unwrap()
    }

    #[test]
    fn the_threshold_of_holders_opens_as_many_shares() {
        let (a, b, c) = (generate(), generate(), generate());
        let all = sealed(&[("ada", &a), ("bob", &b), ("cem", &c)], 2);
        let (shares, by) = open_for_holders(&all, &identities(&[&a, &b, &c])).unwrap();
        assert_eq!((shares.len(), by.join(" ").as_str()), (2, "ada bob"));
        assert_eq!(shares[1].expose()[0], 1);
    }

    /// The error names the holders whose identities would do, not what was tried.
    #[test]
    fn a_wrong_identity_says_who_was_expected() {
        let (a, b, stranger) = (generate(), generate(), generate());
        let all = sealed(&[("ada", &a), ("bob", &b)], 2);
        let error = open_for_holders(&all, &identities(&[&a, &stranger])).unwrap_err();
        assert_eq!(error.reason(), "WrongIdentity");
        let text = format!("{} {}", error, error.advice());
        for part in ["1 of the 2", "ada", "bob", b.recipient.as_str()] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("AGE-SECRET-KEY"));
    }

    /// An unseal identity is no holder: a person recovers with holders' shares.
    #[test]
    fn unattended_shares_do_not_count_for_a_person() {
        let (a, u) = (generate(), generate());
        let all = sealed(&[("ada", &a), (UNATTENDED, &u)], 1);
        assert!(open_for_holders(&all, &identities(&[&u])).is_err());
        assert_eq!(open_unattended(&all, &identities(&[&u])).unwrap().len(), 1);
        assert_eq!(openable(&all, &u.recipient), 1);
    }
}
