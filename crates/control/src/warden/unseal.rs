//! Opening shares, by the unseal identity for warden and by holders' identities for a person, and
//! giving them to the authority.

use std::collections::BTreeSet;

use regent_manifest::keys::{Identities, decrypt};
use regent_vault::{Client, SealedShare, SealedShares, Share};

use super::Error;
use super::recover_error::RecoverError;

/// The threshold of holders' shares, opened with `identities`, and whose they are.
pub(super) fn open_for_holders(
    sealed: &SealedShares,
    identities: &Identities,
) -> Result<(Vec<Share>, Vec<String>), RecoverError> {
    let holders: Vec<&SealedShare> = sealed.of_holders().collect();
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
    use regent_manifest::keys::{NewIdentity, generate, seal_share};
    use regent_types::Explain;
    use regent_types::seal::UNATTENDED;

    fn sealed(holders: &[(&str, &NewIdentity)], threshold: i64) -> SealedShares {
        let share = |(index, (name, new)): (usize, &(&str, &NewIdentity))| {
            seal_share(name, &new.recipient, &[u8::try_from(index).unwrap(); 33]).unwrap()
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
