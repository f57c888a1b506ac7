//! Carries a step out. Every effect is conditional or may be repeated.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use regent_api::RuntimeAuthority;
use regent_operator::write::{StatusWrite, merge_status};
use regent_protocol::ledger::{Event, event_id};
use regent_types::identity::Identity;
use regent_types::labels::AUTHORITY_NAME;
use regent_types::seal::UNATTENDED;
use regent_vault::{InitRequest, SealedShare, SealedShares, ShareHolder};
use serde_json::{Value, json};

use super::driver::{Driver, Link, Memory};
use super::observe::Observation;
use super::plan::Step;
use super::seen::Stage;
use super::split::Split;
use super::{Error, unseal};

/// Longest detail kept in an event.
const DETAIL_LEN_MAX: usize = 2_000;

impl Driver {
    /// Does `step`; [`Step::Rest`] is the caller's.
    pub(super) async fn apply(
        &self,
        step: &Step,
        authority: &RuntimeAuthority,
        link: &Link,
        memory: &mut Memory,
        observed: Observation,
    ) -> Result<(), Error> {
        match step {
            Step::MakeIdentity => self.objects.make_identity().await,
            Step::PublishRecipient => {
                note(self, json!({ "unsealRecipient": observed.seen.identity })).await
            }
            Step::Note(stage) => {
                let mut fields = json!({ "initialization": stage.text() });
                if *stage == Stage::Intent {
                    fields["initialized"] = json!(false);
                    fields["rootRevoked"] = json!(false);
                }
                note(self, fields).await
            }
            Step::Initialize => self.initialize(authority, link, memory, &observed).await,
            Step::StoreShares => self.store_shares(memory).await,
            Step::CopyShares => self.copy_shares(memory, observed).await,
            Step::Unseal => self.unseal(link, memory, &observed).await,
            Step::Steward(cause) => self.steward(*cause, authority, link, memory, &observed).await,
            Step::Record => record(link, memory).await,
            Step::Acknowledge => self.acknowledge(link, memory, observed).await,
            Step::Rest(_) => Ok(()),
        }
    }

    async fn initialize(
        &self,
        authority: &RuntimeAuthority,
        link: &Link,
        memory: &mut Memory,
        observed: &Observation,
    ) -> Result<(), Error> {
        if authority.spec.external.is_some() {
            return self.initialize_external(authority, link, memory, observed).await;
        }
        let seal = &authority.spec.seal;
        let holder = |h: &regent_api::runtime_authority::Holder| ShareHolder {
            name: h.name.clone(),
            recipient: h.recipient.clone(),
        };
        let request = InitRequest {
            holders: seal.holders.iter().map(holder).collect(),
            threshold: seal.threshold,
            unseal_recipient: observed.seen.identity.clone(),
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
        observed: &Observation,
    ) -> Result<(), Error> {
        let split = Split::new(&authority.spec.seal, observed.seen.identity.as_deref())?;
        let answer = link.client.init(split.shares(), split.threshold()).await;
        let answer = answer.map_err(Error::authority("initializing"))?;
        memory.unstored = Some(split.seal(&answer.shares)?);
        memory.root = Some(Arc::new(answer.root_token));
        tracing::info!(address = link.client.address(), "authority initialized");
        self.store_shares(memory).await
    }

    async fn store_shares(&self, memory: &mut Memory) -> Result<(), Error> {
        if let Some(shares) = &memory.unstored {
            self.copies.store(shares).await?;
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
        observed: Observation,
    ) -> Result<(), Error> {
        let (Some(copy), Some(sealed)) = (observed.copy, observed.sealed) else { return Ok(()) };
        memory.happened(recovered(self, &sealed, copy.recovered_by().unwrap_or("holder")));
        record(link, memory).await?;
        self.copies.acknowledge(copy).await
    }

    async fn copy_shares(&self, memory: &mut Memory, observed: Observation) -> Result<(), Error> {
        let (Some(copy), Some(sealed)) = (observed.copy, observed.sealed) else { return Ok(()) };
        // A copy that merely went missing tells of no recovery; shares that became others do.
        let resealed = copy.shares.is_some() && observed.seen.shares.openable > 0;
        self.copies.replace(copy, &sealed, None).await?;
        if resealed {
            memory.happened(recovered(self, &sealed, "holder"));
        }
        Ok(())
    }

    async fn unseal(
        &self,
        link: &Link,
        memory: &mut Memory,
        observed: &Observation,
    ) -> Result<(), Error> {
        let (Some(sealed), Some(identities)) = (&observed.sealed, &observed.identities) else {
            return Ok(());
        };
        let shares = unseal::open_unattended(sealed, identities)?;
        let given = unseal::give(&link.client, &shares).await;
        given.map_err(Error::authority("unsealing"))?;
        memory.sealed_seen = false;
        let detail = "by the unseal identity of this cluster";
        memory.happened(happened(self, "unsealed", &self.cx.now().to_string(), detail));
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

/// Writes fields of warden's status at once: they are intents and must be durable before the next
/// step.
pub(super) async fn note(driver: &Driver, fields: Value) -> Result<(), Error> {
    match merge_status(&driver.api, &driver.cx.manager(), AUTHORITY_NAME, &fields).await? {
        StatusWrite::Written => Ok(()),
        StatusWrite::Gone | StatusWrite::Changed => Err(Error::changed(AUTHORITY_NAME)),
    }
}

/// An event of warden's, as of now.
pub(super) fn happened(driver: &Driver, kind: &str, extra: &str, detail: &str) -> Event {
    event(driver.cx.now(), kind, extra, detail)
}

/// The same without a driver: of a person's act in warden's chain.
pub(super) fn event(now: Timestamp, kind: &str, extra: &str, detail: &str) -> Event {
    let extra = if extra.is_empty() { now.to_string() } else { extra.to_owned() };
    Event {
        id: event_id(kind, None, None, None, &extra),
        kind: kind.to_owned(),
        at: now,
        writer: Identity::Warden.name().to_owned(),
        actor: Identity::Warden.name().to_owned(),
        cause: "declared".to_owned(),
        path: None,
        version: None,
        run: None,
        result: "succeeded".to_owned(),
        detail: detail.chars().take(DETAIL_LEN_MAX).collect(),
    }
}

/// What happened before this process and is not known to be recorded: an initialization, or a
/// recovery into this cluster. The ids are made of what happened, so that a repeat is no second
/// event.
pub(super) fn before(
    driver: &Driver,
    authority: &RuntimeAuthority,
    observed: &Observation,
) -> Option<Event> {
    match (observed.seen.stage, &observed.sealed) {
        (Stage::Initialized | Stage::Configured, _) => Some(initialized(driver, authority)),
        (Stage::Unknown, Some(sealed)) if observed.seen.shares.openable > 0 => {
            let noted = observed.copy.as_ref().and_then(|copy| copy.recovered_by());
            Some(recovered(driver, sealed, noted.unwrap_or("holder")))
        }
        _ => None,
    }
}

fn recovered(driver: &Driver, sealed: &SealedShares, actor: &str) -> Event {
    let digests: Vec<&str> = sealed.sealed_shares.iter().map(|s| s.digest.as_str()).collect();
    let detail = "the seal has shares for this cluster's unseal identity";
    let event = happened(driver, "recovered", &digests.join(","), detail);
    Event { actor: actor.to_owned(), cause: "manual".to_owned(), ..event }
}

fn initialized(driver: &Driver, authority: &RuntimeAuthority) -> Event {
    let uid = authority.metadata.uid.as_deref().unwrap_or_default();
    let extra = format!("{}|{uid}", authority.spec.installation);
    let detail = format!("installation {}", authority.spec.installation);
    happened(driver, "initialized", &extra, &detail)
}

/// Appends what is due, oldest first; what was appended is forgotten.
pub(super) async fn record(link: &Link, memory: &mut Memory) -> Result<(), Error> {
    while let Some(event) = memory.pending.front().cloned() {
        link.ledger.append(event).await.map_err(Error::Ledger)?;
        memory.pending.pop_front();
    }
    Ok(())
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
