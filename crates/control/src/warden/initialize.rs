//! Initializes an authority, and stores the shares of one that answers them in clear.

use std::sync::Arc;

use regent_types::seal::UNATTENDED;
use regent_vault::{InitRequest, SealedShare, ShareHolder};

use super::Error;
use super::ctx::Ctx;
use super::memory::Memory;
use super::observe::Observation;
use super::share_plan::SharePlan;

impl Ctx {
    /// The root token stays in `memory` until it is revoked.
    pub(super) async fn initialize(
        &self,
        memory: &mut Memory,
        observation: &Observation,
    ) -> Result<(), Error> {
        let (spec, client) = (&observation.authority.spec, &observation.link.client);
        if spec.external.is_some() {
            return self.initialize_external(memory, observation).await;
        }
        let seal = &spec.seal;
        let holder = |h: &regent_api::runtime_authority::Holder| ShareHolder {
            name: h.name.clone(),
            recipient: h.recipient.clone(),
        };
        let request = InitRequest {
            holders: seal.holders.iter().map(holder).collect(),
            threshold: seal.threshold,
            unseal_recipient: observation.observed.identity.clone(),
        };
        let answer = client.init_embedded(&request).await;
        let answer = answer.map_err(Error::authority("initializing"))?;
        memory.root = Some(Arc::new(answer.root_token));
        tracing::info!(address = client.address(), "authority initialized");
        check_shares(&request, &answer.sealed_shares)
    }

    /// The shares leave this function sealed; until they are stored they are kept in memory.
    async fn initialize_external(
        &self,
        memory: &mut Memory,
        observation: &Observation,
    ) -> Result<(), Error> {
        let (seal, client) = (&observation.authority.spec.seal, &observation.link.client);
        let share_plan = SharePlan::new(seal, observation.observed.identity.as_deref())?;
        let answer = client.init(share_plan.shares(), share_plan.threshold()).await;
        let answer = answer.map_err(Error::authority("initializing"))?;
        memory.unstored = Some(share_plan.seal(&answer.shares)?);
        memory.root = Some(Arc::new(answer.root_token));
        tracing::info!(address = client.address(), "authority initialized");
        self.store_shares(memory).await
    }

    /// Puts the shares in hand into Kubernetes.
    pub(super) async fn store_shares(&self, memory: &mut Memory) -> Result<(), Error> {
        if let Some(shares) = &memory.unstored {
            self.shares_store.store(shares).await?;
            memory.unstored = None;
            tracing::info!("sealed shares stored and read back");
        }
        Ok(())
    }
}

/// Each holder got one share, and the unseal identity as many as the threshold.
fn check_shares(request: &InitRequest, shares: &[SealedShare]) -> Result<(), Error> {
    let unattended = match &request.unseal_recipient {
        Some(recipient) => {
            shares.iter().filter(|s| s.holder == UNATTENDED && s.recipient == *recipient).count()
        }
        None => 0,
    };
    let held = |holder: &&ShareHolder| {
        shares.iter().any(|s| s.holder == holder.name && s.recipient == holder.recipient)
    };
    let found = request.holders.iter().filter(held).count() + unattended;
    let of_unattended = match request.unseal_recipient {
        Some(_) => usize::try_from(request.threshold).unwrap_or(0),
        None => 0,
    };
    let expected = request.holders.len() + of_unattended;
    if found == expected && shares.len() == expected {
        return Ok(());
    }
    Err(Error::Shares { expected, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_for_anybody_else_are_noticed() {
        let share = |holder: &str, recipient: &str| SealedShare {
            holder: holder.into(),
            recipient: recipient.into(),
            armored: String::new(),
            digest: String::new(),
        };
        let request = InitRequest {
            holders: vec![ShareHolder { name: "ada".into(), recipient: "age1a".into() }],
            threshold: 1,
            unseal_recipient: Some("age1u".into()),
        };
        let good = [share("ada", "age1a"), share("unattended", "age1u")];
        assert!(check_shares(&request, &good).is_ok());
        for bad in [
            vec![share("ada", "age1a")],
            vec![share("ada", "age1x"), share("unattended", "age1u")],
            vec![share("ada", "age1a"), share("unattended", "age1x")],
            vec![share("ada", "age1a"), share("unattended", "age1u"), share("eve", "age1e")],
        ] {
            assert!(matches!(check_shares(&request, &bad), Err(Error::Shares { .. })));
        }
    }
}
