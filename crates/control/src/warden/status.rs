//! RuntimeAuthority status from what a pass came to. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regent_api::RuntimeAuthorityStatus;
use regent_api::condition;
use regent_api::condition::{AUDITED, READY, TRANSPORT, Verdict};
use regent_api::runtime_authority::{LastSnapshot, ReviewedBy};
use regent_types::lifecycle::Authoritative;
use serde_json::{Value, json};

use super::observed::Health;
use super::snapshots::SnapshotsSaid;
use super::transport::TransportReport;

/// What a pass came to.
#[derive(Clone, Debug)]
pub(super) struct StatusInputs {
    pub(super) verdict: Verdict,
    /// `None`: not found out in this pass.
    pub(super) active: Option<bool>,
    pub(super) health: Option<Health>,
    pub(super) address: String,
    /// Whether something is served; `None`: not known yet.
    pub(super) serving: Option<bool>,
    /// What is known of the certificates; `None`: nothing yet.
    pub(super) transport: Option<TransportReport>,
    /// Name and end of warden's ledger chain.
    pub(super) head: Option<(String, String)>,
    /// What the authority's kubernetes auth is to ask.
    pub(super) kubernetes: ReviewedBy,
    /// Whether an audit device is on; `None`: not known yet.
    pub(super) audited: Option<bool>,
    pub(super) snapshots: SnapshotsSaid,
}

fn audit_verdict(on: bool) -> Verdict {
    match on {
        true => Verdict::yes("DeviceOn", "an audit device is on"),
        false => Verdict::no(
            "NoAuditDevice",
            "no audit device is on, so that nobody can tell who read or wrote what: declare one \
             in the server's configuration (OpenBao: an `audit` stanza) and restart it",
        ),
    }
}

/// The status after `outcome`.
pub(super) fn next(
    old: &RuntimeAuthorityStatus,
    inputs: &StatusInputs,
    generation: Option<i64>,
    now: Timestamp,
) -> RuntimeAuthorityStatus {
    let mut new = old.clone();
    new.phase = Some(match inputs.active {
        Some(true) if inputs.serving == Some(true) => 4,
        // After a restart of warden nothing is known for a moment; that is no step back.
        Some(true) if inputs.serving.is_none() && old.phase == Some(4) => 4,
        Some(true) => 3,
        Some(false) => 2,
        None => old.phase.unwrap_or(2),
    });
    // Once the runtime authority is authoritative Git never is again, whether it answers or not
    // (S5.5-1).
    let runtime = inputs.active == Some(true) || old.authoritative == Some(Authoritative::Runtime);
    new.authoritative = Some(if runtime { Authoritative::Runtime } else { Authoritative::Git });
    if !inputs.address.is_empty() {
        new.address = Some(inputs.address.clone());
    }
    match inputs.health {
        Some(Health::Empty) => (new.initialized, new.sealed) = (Some(false), Some(true)),
        Some(Health::Sealed) => (new.initialized, new.sealed) = (Some(true), Some(true)),
        Some(Health::Unsealed) => (new.initialized, new.sealed) = (Some(true), Some(false)),
        Some(Health::Silent(_) | Health::Standby) | None => {}
    }
    if let Some((chain, head)) = &inputs.head {
        new.ledger_heads.insert(chain.clone(), head.clone());
    }
    new.observed_generation = generation;
    new.kubernetes = Some(inputs.kubernetes.clone());
    new.conditions = condition::set(&old.conditions, READY, &inputs.verdict, generation, now);
    if let Some(on) = inputs.audited {
        let verdict = audit_verdict(on);
        new.conditions = condition::set(&new.conditions, AUDITED, &verdict, generation, now);
    }
    inputs.snapshots.write(&mut new, generation, now);
    if let Some(report) = &inputs.transport {
        new.certificate_expires = report.expires.map(Time);
        match &report.verdict {
            Some(verdict) => {
                new.conditions =
                    condition::set(&new.conditions, TRANSPORT, verdict, generation, now);
            }
            None => new.conditions.retain(|c| c.type_ != TRANSPORT),
        }
    }
    if new != *old {
        // Only beside another change: a status that says nothing new is not written.
        new.last_seen = Some(Time(now));
    }
    new
}

/// What to merge into the status: the fields that warden owns, or `None` if nothing changed. Other writers' ledger
/// heads stay.
pub(super) fn changes(old: &RuntimeAuthorityStatus, new: &RuntimeAuthorityStatus) -> Option<Value> {
    if old == new {
        return None;
    }
    let mut status = json!({
        "phase": new.phase,
        "authoritative": new.authoritative,
        "address": new.address,
        "initialized": new.initialized,
        "sealed": new.sealed,
        "lastSeen": new.last_seen,
        "observedGeneration": new.observed_generation,
        "conditions": new.conditions,
    });
    if let Some(fields) = status.as_object_mut() {
        // A null would delete the field.
        fields.retain(|_, value| !value.is_null());
    }
    if let Some(kubernetes) = &new.kubernetes {
        // Here a null is meant: a CA that is no longer needed goes away.
        let (host, ca) = (&kubernetes.host, &kubernetes.ca_cert);
        status["kubernetes"] = json!({ "host": host, "caCert": ca });
    }
    if old.certificate_expires != new.certificate_expires {
        // Here a null is meant: nothing of warden's is served any more.
        status["certificateExpires"] = json!(new.certificate_expires);
    }
    if old.snapshot != new.snapshot {
        // Here nulls are meant: what is wrong no more goes away.
        status["snapshot"] = match &new.snapshot {
            Some(LastSnapshot { last_good, name, keys, error }) => {
                json!({ "lastGood": last_good, "name": name, "keys": keys, "error": error })
            }
            None => Value::Null,
        };
    }
    let mut heads = new.ledger_heads.clone();
    heads.retain(|chain, head| old.ledger_heads.get(chain) != Some(head));
    if !heads.is_empty() {
        status["ledgerHeads"] = json!(heads);
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(active: Option<bool>, serving: Option<bool>) -> StatusInputs {
        StatusInputs {
            verdict: Verdict::yes("Active", "fine"),
            active,
            health: Some(Health::Unsealed),
            address: "https://a:1".into(),
            serving,
            transport: None,
            head: None,
            kubernetes: ReviewedBy { host: "https://k".into(), ca_cert: None },
            audited: None,
            snapshots: SnapshotsSaid::NotYet { is_active: true },
        }
    }

    fn after(old: &RuntimeAuthorityStatus, inputs: &StatusInputs) -> RuntimeAuthorityStatus {
        next(old, inputs, Some(1), Timestamp::UNIX_EPOCH)
    }

    /// C3-1: Git until phase 3, the runtime authority from there on, for good.
    #[test]
    fn authority_passes_once_and_never_back() {
        let before = after(&RuntimeAuthorityStatus::default(), &inputs(Some(false), None));
        assert_eq!((before.phase, before.authoritative), (Some(2), Some(Authoritative::Git)));
        let active = after(&before, &inputs(Some(true), Some(false)));
        assert_eq!((active.phase, active.authoritative), (Some(3), Some(Authoritative::Runtime)));
        let serving = after(&active, &inputs(Some(true), Some(true)));
        assert_eq!(serving.phase, Some(4));
        let down = after(&serving, &inputs(Some(false), Some(true)));
        assert_eq!((down.phase, down.authoritative), (Some(2), Some(Authoritative::Runtime)));
    }

    #[test]
    fn a_restart_of_warden_is_no_step_back() {
        let serving = after(&RuntimeAuthorityStatus::default(), &inputs(Some(true), Some(true)));
        assert_eq!(after(&serving, &inputs(Some(true), None)).phase, Some(4));
        assert_eq!(after(&serving, &inputs(None, None)).phase, Some(4));
    }

    /// No self-triggering loop: the same outcome writes nothing, at whatever time.
    #[test]
    fn the_same_outcome_writes_nothing() {
        let first = after(&RuntimeAuthorityStatus::default(), &inputs(Some(true), None));
        let later = Timestamp::from_second(3_600).unwrap();
        let again = next(&first, &inputs(Some(true), None), Some(1), later);
        assert_eq!(changes(&first, &again), None);
    }

    /// What nobody records is said, and does not go away because one pass could not look.
    #[test]
    fn a_missing_audit_device_is_a_condition_of_its_own() {
        let blind = StatusInputs { audited: Some(false), ..inputs(Some(true), None) };
        let first = after(&RuntimeAuthorityStatus::default(), &blind);
        let kinds: Vec<&str> = first.conditions.iter().map(|c| c.reason.as_str()).collect();
        assert_eq!(kinds, ["NoAuditDevice", "Active"]);
        assert_eq!(after(&first, &inputs(Some(true), None)).conditions, first.conditions);
    }

    /// C7-3: what is known of certificates is told, and untold where they are none of warden's.
    #[test]
    fn certificates_are_told_and_untold() {
        let report = |transport| StatusInputs { transport, ..inputs(Some(true), None) };
        let expires = Some(Timestamp::from_second(9).unwrap());
        let verdict = Some(Verdict::yes("Served", "fine"));
        let ours = report(Some(TransportReport { verdict, expires, issued: Vec::new() }));
        let before = after(&RuntimeAuthorityStatus::default(), &ours);
        assert!(condition::is_true(&before.conditions, TRANSPORT));
        assert_eq!(after(&before, &report(None)), before);
        let none = after(&before, &report(Some(TransportReport::default())));
        assert_eq!((none.conditions.len(), none.certificate_expires.is_none()), (1, true));
        assert!(changes(&before, &none).unwrap()["certificateExpires"].is_null());
    }

    /// Orchestrator and publisher keep their heads in the same map.
    #[test]
    fn other_writers_heads_are_not_touched() {
        let mut old = RuntimeAuthorityStatus::default();
        old.ledger_heads.insert("publisher".into(), "d/1:h".into());
        let mine = StatusInputs {
            head: Some(("warden.east".into(), "d/2:h".into())),
            ..inputs(Some(true), None)
        };
        let written = changes(&old, &after(&old, &mine)).unwrap();
        assert_eq!(written["ledgerHeads"], json!({ "warden.east": "d/2:h" }));
        assert!(written.get("unsealRecipient").is_none());
    }
}
