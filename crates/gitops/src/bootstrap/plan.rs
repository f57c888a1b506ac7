//! What one manifest comes to: pure, from what was seen to what is done and said.

use super::hmac::comparable;
use super::reason::Reason;
use super::source::Source;
use crate::gitrepo::printable;

/// What RuntimeSecrets say about the bootstrap Secret of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Unnamed,
    /// One names it and its status does not say who is authoritative.
    Undecided,
    Git,
    Authority,
}

/// Why a manifest could not be opened, or opened to something else than its own Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotReady {
    pub(super) reason: Reason,
    /// For people; names, places and recipients, never a value.
    pub(super) message: String,
}

/// What is there under the name of the bootstrap Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// Value of the class label.
    pub(super) class: String,
    /// `namespace/name` of the manifest that produced it.
    pub(super) manifest: String,
    /// uid of that manifest.
    pub(super) manifest_uid: String,
    /// Whether the orchestrator marked it.
    pub(super) handed_over: bool,
    /// HMAC of what it holds.
    pub(super) hmac: String,
    /// Where it says it came from.
    pub(super) source: Source,
    /// Whether it has the labels and annotations that the manifest declares, and none that it declared before.
    pub(super) dressed: bool,
    /// The field that differs and can never be changed, so that only a new Secret has it.
    pub(super) fixed: Option<&'static str>,
    /// Who wrote it last beside regent, by its field manager; empty where nobody is named.
    pub(super) manager: String,
}

#[derive(Debug)]
pub(super) struct Observed<'a> {
    /// `namespace/name` of the manifest.
    pub(super) manifest: &'a str,
    pub(super) uid: &'a str,
    /// HMAC of what was last produced, from its status.
    pub(super) produced: Option<&'a str>,
    /// Whether its status says that it was handed over.
    pub(super) was_silent: bool,
    /// Its source as intent wrote it; absent under other GitOps controllers.
    pub(super) source: Option<&'a Source>,
    /// HMAC of its plaintext, or why there is none.
    pub(super) opened: Result<&'a str, &'a NotReady>,
    /// What stands in its place.
    pub(super) existing: Option<&'a Existing>,
    pub(super) holder: Holder,
    /// Whether so many different values came of late that no further one is taken for now.
    pub(super) keeps_changing: bool,
}

/// What is done to the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Nothing,
    Create,
    /// Our own is updated, under its uid and resourceVersion.
    Update,
    /// Our own is deleted, under its uid and resourceVersion, and made anew: what differs can never be changed.
    Recreate,
}

/// What is done and said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) write: Write,
    pub(super) ready: bool,
    pub(super) reason: Reason,
    pub(super) message: String,
    /// Whether the plaintext's HMAC is what is produced now.
    pub(super) produces: bool,
}

impl Plan {
    fn quiet(ready: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self { write: Write::Nothing, ready, reason, message: message.into(), produces: false }
    }

    /// What is said when a step failed.
    pub(super) fn failed(reason: &'static str, message: String) -> Self {
        Self::quiet(false, Reason::Failed(reason), message)
    }

    fn produce(write: Write, message: &str) -> Self {
        Self {
            write,
            ready: true,
            reason: Reason::Produced,
            message: message.into(),
            produces: true,
        }
    }
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let latched = observed.was_silent && observed.holder != Holder::Git;
    if observed.holder == Holder::Authority || latched {
        return silent(observed);
    }
    let mine = |e: &Existing| e.class == "bootstrap" && e.manifest == observed.manifest;
    match observed.existing {
        Some(existing) if mine(existing) && existing.handed_over => silent(observed),
        // `become` was carried out; the RuntimeSecret's status has not caught up.
        Some(existing) if existing.class == "materialized" && observed.produced.is_some() => {
            silent(observed)
        }
        Some(existing) if !mine(existing) => not_mine(existing),
        existing => produce(observed, existing),
    }
}

/// The authority has it. Git is compared, reported, and never applied.
fn silent(observed: &Observed<'_>) -> Plan {
    let hmac = match observed.opened {
        Ok(hmac) => hmac,
        Err(not_ready) => {
            let message = format!(
                "the authority holds it; Git's value was not compared ({})",
                not_ready.reason.text()
            );
            return Plan::quiet(true, Reason::HandedOver, message);
        }
    };
    match observed.produced {
        Some(before) if before == hmac => Plan::quiet(
            true,
            Reason::HandedOver,
            "the authority holds it; this manifest produces nothing",
        ),
        Some(before) if comparable(before, hmac) => Plan::quiet(
            false,
            Reason::IgnoredGitValue,
            "Git holds another value than the one that was handed over: it is ignored. To change \
             the secret, rotate it; to end this report, restore the manifest or remove it from Git",
        ),
        _ => Plan::quiet(
            true,
            Reason::HandedOver,
            "the authority holds it; whether Git still holds the value that was handed over is \
             unknown, because nothing from before this cluster says so",
        ),
    }
}

fn not_mine(existing: &Existing) -> Plan {
    let by = match (existing.class.as_str(), existing.manifest.as_str()) {
        ("bootstrap", other) => format!("was made from manifest {other}"),
        ("materialized", _) => "is materialized from the authority".to_owned(),
        _ => "was not made by bootstrap".to_owned(),
    };
    let who = match existing.manager.as_str() {
        "" => String::new(),
        manager => format!(" (written by {})", printable(manager.as_bytes())),
    };
    let message =
        format!("a Secret of this name {by}{who}: it is left alone; remove or rename one of them");
    Plan::quiet(false, Reason::NotMine, message)
}

fn produce(observed: &Observed<'_>, existing: Option<&Existing>) -> Plan {
    let hmac = match observed.opened {
        Ok(hmac) => hmac,
        Err(not_ready) => return Plan::quiet(false, not_ready.reason, not_ready.message.clone()),
    };
    let Some(existing) = existing else {
        return Plan::produce(Write::Create, "the bootstrap Secret exists");
    };
    let moved = observed.source.is_some_and(|source| *source != existing.source);
    let other_value =
        existing.hmac != hmac && observed.produced.is_some_and(|before| before != hmac);
    if other_value && observed.keeps_changing {
        let message = "another value came from Git again and again: the last one that was taken stays for now. Seal \
                       a value once and commit it, in place of making one at each render";
        return Plan::quiet(false, Reason::KeepsChanging, message);
    }
    if let Some(field) = existing.fixed {
        let message =
            format!("the bootstrap Secret was made anew, because its {field} cannot be changed");
        return Plan::produce(Write::Recreate, &message);
    }
    let same = existing.hmac == hmac
        && existing.manifest_uid == observed.uid
        && existing.dressed
        && !moved;
    let write = if same { Write::Nothing } else { Write::Update };
    Plan::produce(write, "the bootstrap Secret exists")
}
