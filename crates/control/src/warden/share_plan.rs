//! Who gets which share of an authority that answers `sys/init` in clear (PROTOCOLS.md §3). No IO;
//! the shares leave here as ciphertext only.

use std::collections::BTreeSet;

use regent_api::runtime_authority::Seal;
use regent_manifest::keys::seal_share;
use regent_types::Sensitive;
use regent_types::seal::{SealedShares, UNATTENDED};
use regent_vault::Share;

use super::Error;

/// How a seal is to be split, checked before anything is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SharePlan {
    /// Name and recipient, one for each sealed share.
    recipients: Vec<(String, String)>,
    threshold: i64,
}

impl SharePlan {
    /// One share for each holder, and as many as the threshold for the unseal identity. Every
    /// recipient is tried here: once the authority has answered there is no second answer.
    pub(super) fn new(seal: &Seal, unseal_recipient: Option<&str>) -> Result<Self, Error> {
        let holders = seal.holders.iter().map(|h| (h.name.clone(), h.recipient.clone()));
        let own = unseal_recipient.map(|r| (UNATTENDED.to_owned(), r.to_owned()));
        let times = usize::try_from(seal.threshold).unwrap_or(0);
        let recipients: Vec<(String, String)> = holders
            .chain(own.iter().flat_map(|own| std::iter::repeat_n(own.clone(), times)))
            .collect();
        if times == 0 || times > seal.holders.len() {
            return Err(Error::BadSeal("a threshold from 1 to the number of holders"));
        }
        let names: BTreeSet<&str> = seal.holders.iter().map(|h| h.name.as_str()).collect();
        let keys: BTreeSet<&str> = seal.holders.iter().map(|h| h.recipient.as_str()).collect();
        if names.len() < seal.holders.len() || keys.len() < seal.holders.len() {
            return Err(Error::BadSeal("holders with names and recipients of their own"));
        }
        if names.contains(UNATTENDED) {
            return Err(Error::BadSeal("no holder of the name unattended"));
        }
        let plan = Self { recipients, threshold: seal.threshold };
        let trial: Vec<Share> = plan.recipients.iter().map(|_| Sensitive::new(vec![0])).collect();
        plan.seal(&trial).map(|_| plan)
    }

    /// How many shares to ask for. With a threshold of 1 there is one, the key itself: OpenBao and
    /// Vault refuse to hand that out several times, so it is sealed to everybody here.
    pub(super) fn shares(&self) -> i64 {
        match self.threshold {
            1 => 1,
            _ => i64::try_from(self.recipients.len()).unwrap_or(i64::MAX),
        }
    }

    /// How many of them open the seal.
    pub(super) fn threshold(&self) -> i64 {
        self.threshold
    }

    /// Seals `shares` to those they are for.
    pub(super) fn seal(&self, shares: &[Share]) -> Result<SealedShares, Error> {
        let what = "a recipient in spec.seal";
        let mut sealed_shares = Vec::with_capacity(self.recipients.len());
        for (index, (holder, recipient)) in self.recipients.iter().enumerate() {
            let at = if self.threshold == 1 { 0 } else { index };
            let (expected, found) = (self.recipients.len(), shares.len());
            let share = shares.get(at).ok_or(Error::Shares { expected, found })?;
            let sealed = seal_share(holder, recipient, share.expose());
            sealed_shares.push(sealed.map_err(|source| Error::Seal { what, source })?);
        }
        Ok(SealedShares { sealed_shares, threshold: self.threshold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_api::runtime_authority::Holder;
    use regent_manifest::keys::{Identities, NewIdentity, decrypt, generate};

    fn seal(holders: &[(&str, &str)], threshold: i64) -> Seal {
        let holder =
            |(n, r): &(&str, &str)| Holder { name: (*n).to_owned(), recipient: (*r).to_owned() };
        Seal { holders: holders.iter().map(holder).collect(), threshold, unattended: true }
    }

    fn opened(by: &NewIdentity, sealed: &SealedShares) -> Vec<Vec<u8>> {
        let identities = Identities::parse(by.identity.expose()).unwrap();
        let mine = sealed.sealed_shares.iter().filter(|s| s.recipient == by.recipient);
        mine.map(|s| decrypt(&identities, &s.armored).unwrap().expose().clone()).collect()
    }

    #[test]
    fn each_holder_gets_one_share_and_the_unseal_identity_the_threshold() {
        let (a, b, c, u) = (generate(), generate(), generate(), generate());
        let of = [("ada", &*a.recipient), ("bob", &*b.recipient), ("cem", &*c.recipient)];
        let plan = SharePlan::new(&seal(&of, 2), Some(&u.recipient)).unwrap();
        assert_eq!((plan.shares(), plan.threshold()), (5, 2));
        let shares: Vec<Share> = (0..5_u8).map(|n| Share::new(vec![n; 33])).collect();
        let sealed = plan.seal(&shares).unwrap();
        assert_eq!(opened(&b, &sealed), [vec![1; 33]]);
        assert_eq!(opened(&u, &sealed), [vec![3; 33], vec![4; 33]]);
        assert!(plan.seal(&shares[..4]).is_err());
    }

    /// OpenBao and Vault: `threshold must be greater than one for multiple shares`.
    #[test]
    fn with_a_threshold_of_one_everybody_holds_the_one_share() {
        let (a, b, u) = (generate(), generate(), generate());
        let of = [("ada", &*a.recipient), ("bob", &*b.recipient)];
        let plan = SharePlan::new(&seal(&of, 1), Some(&u.recipient)).unwrap();
        assert_eq!(plan.shares(), 1);
        let sealed = plan.seal(&[Share::new(vec![7; 32])]).unwrap();
        for who in [&a, &b, &u] {
            assert_eq!(opened(who, &sealed), [vec![7; 32]]);
        }
    }

    #[test]
    fn a_seal_that_cannot_be_made_is_refused_before_anything_is_asked_for() {
        let (a, b) = (generate(), generate());
        let (a, b) = (&*a.recipient, &*b.recipient);
        for (bad, threshold) in [
            (vec![("ada", a)], 0),
            (vec![("ada", a)], 2),
            (vec![("ada", a), ("ada", b)], 1),
            (vec![("ada", a), ("bob", a)], 2),
            (vec![("unattended", a)], 1),
            (vec![("ada", "age1notone")], 1),
        ] {
            assert!(SharePlan::new(&seal(&bad, threshold), None).is_err(), "{bad:?}");
        }
    }
}
