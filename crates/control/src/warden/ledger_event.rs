//! Events of warden's ledger chain.

use jiff::Timestamp;
use regent_api::RuntimeAuthority;
use regent_protocol::ledger::{Event, event_id};
use regent_types::identity::Identity;
use regent_vault::SealedShares;

use super::ctx::Ctx;
use super::observe::Observation;
use super::observed::Stage;

/// Longest detail kept in an event, in characters.
const DETAIL_LEN_MAX: usize = 2_000;

impl Ctx {
    /// [`event`] as of now.
    pub(super) fn event(&self, kind: &str, extra: &str, detail: &str) -> Event {
        event(self.operator.now(), kind, extra, detail)
    }
}

/// An event of warden's at `now`. Its id is made of `kind` and `extra`, or of the time where `extra` is empty: the chain
/// holds each id once.
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

/// The same of what `actor` did, who is not warden.
pub(super) fn by(actor: &str, event: Event) -> Event {
    Event { actor: actor.to_owned(), cause: "manual".to_owned(), ..event }
}

/// What happened before this process and is not known to be recorded: an initialization, or a
/// recovery into this cluster. The ids are made of what happened, so that a repeat is no second
/// event.
pub(super) fn unrecorded(now: Timestamp, observation: &Observation) -> Option<Event> {
    match (observation.observed.stage, &observation.sealed) {
        (Stage::Initialized | Stage::Configured, _) => {
            Some(initialized(now, &observation.authority))
        }
        (Stage::Unknown, Some(sealed)) if observation.observed.shares.openable > 0 => {
            let noted = observation.stored.as_ref().and_then(|stored| stored.recovered_by());
            Some(recovered(now, sealed, noted.unwrap_or("holder")))
        }
        _ => None,
    }
}

/// That `actor` sealed `sealed` to this cluster's unseal identity.
pub(super) fn recovered(now: Timestamp, sealed: &SealedShares, actor: &str) -> Event {
    let digests: Vec<&str> = sealed.sealed_shares.iter().map(|s| s.digest.as_str()).collect();
    let detail = "the seal has shares for this cluster's unseal identity";
    by(actor, event(now, "recovered", &digests.join(","), detail))
}

fn initialized(now: Timestamp, authority: &RuntimeAuthority) -> Event {
    let uid = authority.metadata.uid.as_deref().unwrap_or_default();
    let extra = format!("{}|{uid}", authority.spec.installation);
    let detail = format!("installation {}", authority.spec.installation);
    event(now, "initialized", &extra, &detail)
}
