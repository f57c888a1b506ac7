//! What to do about the certificates, from what was seen. Pure: time is an argument.

use jiff::{SignedDuration, Timestamp};

use super::certificate::Certificate;
use super::check;

/// How long a new CA is published before it signs: a kubelet brings a ConfigMap to its pods within
/// two minutes, and clients read it anew within one.
const SETTLE: SignedDuration = SignedDuration::from_mins(10);
/// A publication that claims to be this far in the future is not believed.
const SKEW_MAX: SignedDuration = SignedDuration::from_hours(1);
/// Longest rest: what changes by the clock alone is found by then, also after it was set back.
const REST_MAX: SignedDuration = SignedDuration::from_hours(6);
const REST_MIN: SignedDuration = SignedDuration::from_secs(1);

/// Whose business the certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    /// No authority, or one that regent did not deploy.
    Nothing,
    /// A person's, in the Secret of this name.
    Own(String),
    Ours,
}

/// What a decision rests on. A certificate whose key is not there or is another's counts as absent.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) needed: Needed,
    /// The CA that signs.
    pub(super) ca: Option<Certificate>,
    /// The one that is to sign next.
    pub(super) staged: Option<Certificate>,
    /// Those that signed before.
    pub(super) old: Vec<Certificate>,
    pub(super) leaf: Option<Certificate>,
    /// The bundle beside it: what was trusted when it was last written.
    pub(super) carried: String,
    pub(super) published: Option<Published>,
}

/// The bundle as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) bundle: String,
    /// Since when, if that can be read.
    pub(super) since: Option<Timestamp>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A CA that signs at once: there is none that could.
    MakeCa,
    /// A CA that is to sign next.
    StageCa,
    /// The staged CA signs from now on; the key of the one before is dropped.
    PromoteCa,
    /// Makes this bundle the published one.
    Publish(String),
    /// Signs a serving certificate and puts this bundle beside it.
    Issue(String),
    /// Puts this bundle beside the serving certificate.
    Carry(String),
    Rest(Rest),
}

/// Nothing to do for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// When to look again at the latest.
    pub(super) until: Timestamp,
    /// When what is served expires.
    pub(super) expires: Option<Timestamp>,
}

impl Step {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::MakeCa => "make-ca",
            Self::StageCa => "stage-ca",
            Self::PromoteCa => "promote-ca",
            Self::Publish(_) => "publish",
            Self::Issue(_) => "issue",
            Self::Carry(_) => "carry",
            Self::Rest(_) => "rest",
        }
    }
}

/// The next step. Whoever trusts what is published accepts what is served, at every moment between
/// two steps, unless a CA was lost or expired while nobody looked.
pub(super) fn plan(observed: &Observed, now: Timestamp) -> Step {
    if observed.needed != Needed::Ours {
        return Step::Rest(Rest { until: now + REST_MAX, expires: None });
    }
    let Some(ca) = observed.ca.as_ref().filter(|ca| ca.lives(now)) else { return Step::MakeCa };
    let staged = observed.staged.as_ref().filter(|s| s.lives(now));
    if staged.is_none() && (observed.staged.is_some() || ca.due() <= now) {
        return Step::StageCa;
    }
    let trusted = trusted(observed, now);
    let bundle: String = trusted.iter().map(Certificate::pem).collect();
    let since = match observed.published.as_ref().map(|p| (p.bundle == bundle, p.since)) {
        Some((true, Some(since))) if since <= now + SKEW_MAX => since,
        _ => return Step::Publish(bundle),
    };
    if staged.is_some() && since + SETTLE <= now {
        return Step::PromoteCa;
    }
    let served =
        observed.leaf.as_ref().filter(|l| now < l.due() && check::accepted(l, &trusted, now));
    let Some(leaf) = served else { return Step::Issue(bundle) };
    if observed.carried != bundle {
        return Step::Carry(bundle);
    }
    let change = if staged.is_some() { since + SETTLE } else { ca.due() };
    let ends = trusted.iter().map(|c| c.until);
    let next = ends.chain([change, leaf.due(), now + REST_MAX]).min().unwrap_or(now);
    Step::Rest(Rest { until: next.max(now + REST_MIN), expires: Some(leaf.until) })
}

/// Whom clients are to trust, oldest first: every CA that lives, and the one that what is served was
/// signed by, should its Secret have been lost.
fn trusted(observed: &Observed, now: Timestamp) -> Vec<Certificate> {
    let anchors = Certificate::read(&observed.carried).into_iter().filter(|anchor| {
        let alone = std::slice::from_ref(anchor);
        observed.leaf.as_ref().is_some_and(|leaf| check::accepted(leaf, alone, now))
    });
    let known = observed.ca.iter().chain(&observed.staged).chain(&observed.old).cloned();
    let mut all: Vec<_> = known.chain(anchors).filter(|c| c.lives(now)).collect();
    all.sort();
    all.dedup();
    all
}
