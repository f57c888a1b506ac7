//! Carries a step out. Every effect is conditional or may be repeated.

use serde_json::json;

use super::ctx::Ctx;
use super::ledger_event::recovered;
use super::memory::Memory;
use super::observe::Observation;
use super::observed::Stage;
use super::plan::Step;
use super::{Error, unseal};

impl Ctx {
    /// Does `step`; [`Step::Rest`] is the caller's.
    pub(super) async fn apply(
        &self,
        step: &Step,
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
            Step::Initialize => self.initialize(memory, &observation).await,
            Step::StoreShares => self.store_shares(memory).await,
            Step::CopyShares => self.copy_shares(memory, observation).await,
            Step::Unseal => self.unseal(memory, &observation).await,
            Step::Reconfigure(cause) => self.reconfigure(*cause, memory, &observation).await,
            Step::Record => memory.append_events(&observation.link.ledger).await,
            Step::Acknowledge => self.acknowledge(memory, observation).await,
            Step::Rest(_) => Ok(()),
        }
    }

    /// Recorded first: a crash in between makes the same event, which the chain holds once.
    async fn acknowledge(
        &self,
        memory: &mut Memory,
        observation: Observation,
    ) -> Result<(), Error> {
        let (Some(stored), Some(sealed)) = (observation.stored, observation.sealed) else {
            return Ok(());
        };
        let actor = stored.recovered_by().unwrap_or("holder");
        memory.add_event(recovered(self.operator.now(), &sealed, actor));
        memory.append_events(&observation.link.ledger).await?;
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

    async fn unseal(&self, memory: &mut Memory, observation: &Observation) -> Result<(), Error> {
        let (Some(sealed), Some(identities)) = (&observation.sealed, &observation.identities)
        else {
            return Ok(());
        };
        let shares = unseal::open_unattended(sealed, identities)?;
        let given = unseal::give(&observation.link.client, &shares).await;
        given.map_err(Error::authority("unsealing"))?;
        memory.was_sealed = false;
        let detail = "by the unseal identity of this cluster";
        memory.add_event(self.event("unsealed", "", detail));
        tracing::info!(address = observation.link.client.address(), "authority unsealed");
        Ok(())
    }
}
