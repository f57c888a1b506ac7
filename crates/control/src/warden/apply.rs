//! Carries a step out. Every effect is conditional or may be repeated.

use std::sync::Arc;

use regent_api::RuntimeAuthority;
use regent_types::seal::UNATTENDED;
use regent_vault::{InitRequest, SealedShare, ShareHolder};
use serde_json::json;

use super::ctx::Ctx;
use super::ledger_event::recovered;
use super::link::Link;
use super::memory::Memory;
use super::observe::Observation;
use super::observed::Stage;
use super::plan::Step;
use super::share_plan::SharePlan;
use super::{Error, unseal};

impl Ctx {
    /// Does `step`; [`Step::Rest`] is the caller's.
    pub(super) async fn apply(
        &self,
        step: &Step,
        authority: &RuntimeAuthority,
        link: &Link,
        memory: &mut Memory,
        observation: Observation,
    ) -> Result<(), Error> {
        match step {
            Step::MakeIdentity => self.unseal_identity.create().await,
            Step::PublishRecipient => {
                let recipient = &observation.observed.identity;
                self.persist_status(json!({ "unsealRecipient": recipient })).await
            }
            Step::PersistStage(stage) => {
                let mut fields = json!({ "initialization": stage.text() });
                if *stage == Stage::Intent {
                    fields["initialized"] = json!(false);
                    fields["rootRevoked"] = json!(false);
                }
                self.persist_status(fields).await
            }
            Step::Initialize => self.initialize(authority, link, memory, &observation).await,
            Step::StoreShares => self.store_shares(memory).await,
            Step::CopyShares => self.copy_shares(memory, observation).await,
            Step::Unseal => self.unseal(link, memory, &observation).await,
            Step::Reconfigure(cause) => {
                self.reconfigure(*cause, authority, link, memory, &observation).await
            }
            Step::Record => memory.append_events(&link.ledger).await,
            Step::Acknowledge => self.acknowledge(link, memory, observation).await,
            Step::Rest(_) => Ok(()),
        }
    }

    async fn initialize(
        &self,
        authority: &RuntimeAuthority,
        link: &Link,
        memory: &mut Memory,
        observation: &Observation,
    ) -> Result<(), Error> {
        if authority.spec.external.is_some() {
            return self.initialize_external(authority, link, memory, observation).await;
        }
        let seal = &authority.spec.seal;
        let holder = |h: &regent_api::runtime_authority::Holder| ShareHolder {
            name: h.name.clone(),
            recipient: h.recipient.clone(),
        };
        let request = InitRequest {
            holders: seal.holders.iter().map(holder).collect(),
            threshold: seal.threshold,
            unseal_recipient: observation.observed.identity.clone(),
        };
        let answer = link.client.init_embedded(&request).await;
        let answer = answer.map_err(Error::authority("initializing"))?;
        memory.root = Some(Arc::new(answer.root_token));
        tracing::info!(address = link.client.address(), "authority initialized");
        check_shares(&request, &answer.sealed_shares)
    }

    /// The shares leave this function sealed; until they are stored they are kept in memory.
    async fn initialize_external(
        &self,
        authority: &RuntimeAuthority,
        link: &Link,
        memory: &mut Memory,
        observation: &Observation,
    ) -> Result<(), Error> {
        let share_plan =
            SharePlan::new(&authority.spec.seal, observation.observed.identity.as_deref())?;
        let answer = link.client.init(share_plan.shares(), share_plan.threshold()).await;
        let answer = answer.map_err(Error::authority("initializing"))?;
        memory.unstored = Some(share_plan.seal(&answer.shares)?);
        memory.root = Some(Arc::new(answer.root_token));
        tracing::info!(address = link.client.address(), "authority initialized");
        self.store_shares(memory).await
    }

    async fn store_shares(&self, memory: &mut Memory) -> Result<(), Error> {
        if let Some(shares) = &memory.unstored {
            self.shares_store.store(shares).await?;
            memory.unstored = None;
            tracing::info!("sealed shares stored and read back");
        }
        Ok(())
    }

    /// Recorded first: a crash in between makes the same event, which the chain holds once.
    async fn acknowledge(
        &self,
        link: &Link,
        memory: &mut Memory,
        observation: Observation,
    ) -> Result<(), Error> {
        let (Some(stored), Some(sealed)) = (observation.stored, observation.sealed) else {
            return Ok(());
        };
        let actor = stored.recovered_by().unwrap_or("holder");
        memory.add_event(recovered(self.operator.now(), &sealed, actor));
        memory.append_events(&link.ledger).await?;
        self.shares_store.acknowledge(stored).await
    }

    async fn copy_shares(
        &self,
        memory: &mut Memory,
        observation: Observation,
    ) -> Result<(), Error> {
        let (Some(stored), Some(sealed)) = (observation.stored, observation.sealed) else {
            return Ok(());
        };
        // A copy that merely went missing tells of no recovery; shares that became others do.
        let resealed = stored.shares.is_some() && observation.observed.shares.openable > 0;
        self.shares_store.replace(stored, &sealed, None).await?;
        if resealed {
            memory.add_event(recovered(self.operator.now(), &sealed, "holder"));
        }
        Ok(())
    }

    async fn unseal(
        &self,
        link: &Link,
        memory: &mut Memory,
        observation: &Observation,
    ) -> Result<(), Error> {
        let (Some(sealed), Some(identities)) = (&observation.sealed, &observation.identities)
        else {
            return Ok(());
        };
        let shares = unseal::open_unattended(sealed, identities)?;
        let given = unseal::give(&link.client, &shares).await;
        given.map_err(Error::authority("unsealing"))?;
        memory.was_sealed = false;
        let detail = "by the unseal identity of this cluster";
        memory.add_event(self.event("unsealed", "", detail));
        tracing::info!(address = link.client.address(), "authority unsealed");
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
