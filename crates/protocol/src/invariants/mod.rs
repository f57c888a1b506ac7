//! The guarantees as checks: named predicates over a plain snapshot of a live installation
//! (PROTOCOLS.md §4, §5, §10).
//!
//! ```text
//! snapshot     what a gatherer saw; no value in it     finding  what breaks which guarantee
//! authority    one-authority, value-survives, bootstrap-retired, manifest-silent, restored worlds
//! sprawl       every-value-accounted, nothing-materialized-early, revoked-unused
//! access       writers-known, no-upward-write, least-privilege, consumers-declared, root-revoked, unseal-scoped
//! powers       ways-around-known                     interceptors  interceptors-known
//! beside       authority-alone, regent-mount-alone, tokens-end
//! exempt       whom and what these three do not count, and why
//! seen         what they look at
//! ledger       ledger-chain, ledger-covers-versions, silent-rotation-impossible
//! ```
//!
//! A predicate never asks for more than the snapshot holds; what it could not see it says so as a
//! finding.

mod access;
mod authority;
mod beside;
pub mod exempt;
mod finding;
mod interceptors;
mod ledger;
mod powers;
mod seen;
mod snapshot;
mod sprawl;

pub use finding::{Finding, Guarantee};
pub use powers::exempted;
pub use seen::{GrantSeen, HolderSeen, InterceptorSeen, RuleSeen, SubjectSeen, TokenSeen, Unseen};
pub use snapshot::{
    BindingSeen, ConsumerSeen, DeclaredPush, DeclaredSecret, KvSeen, LedgerSeen, ManifestSeen,
    MaterializedSeen, NamespacedName, PolicyText, SecretSeen, Snapshot, WriteSeen,
};

use finding::Findings;

/// Name of the predicate that looks at bindings for ways around the rights on Secrets.
pub const WAYS_AROUND_KNOWN: &str = "ways-around-known";
/// Name of the predicate that looks at webhooks and mutating policies.
pub const INTERCEPTORS_KNOWN: &str = "interceptors-known";
/// Name of the predicate that looks at engines, auth methods and whom they let in.
pub const AUTHORITY_ALONE: &str = "authority-alone";
/// Name of the predicate that looks at the top of the `regent/` mount.
pub const REGENT_MOUNT_ALONE: &str = "regent-mount-alone";
/// Name of the predicate that looks for root tokens.
pub const ROOT_REVOKED: &str = "root-revoked";
/// Name of the predicate that looks at how long tokens live.
pub const TOKENS_END: &str = "tokens-end";

/// One check of `regent verify`: a pure function of the [`Snapshot`].
pub struct Predicate {
    /// Its name in PROTOCOLS.md.
    pub name: &'static str,
    /// Guarantee that it stands for.
    pub guarantee: Guarantee,
    check: fn(&Snapshot, &mut Findings),
}

impl Predicate {
    /// What breaks it in `snapshot`, and what it could not judge.
    pub fn check(&self, snapshot: &Snapshot) -> Vec<Finding> {
        let mut found = Findings::of(self.name, self.guarantee);
        (self.check)(snapshot, &mut found);
        for unseen in snapshot.unseen.iter().filter(|u| u.predicate == self.name) {
            found.add(
                &unseen.subject,
                format!("not judged: {}", unseen.why),
                ["a look at it", &unseen.why, &unseen.action],
            );
        }
        found.into_all()
    }
}

/// The one list of predicates.
pub fn all() -> Vec<Predicate> {
    use Guarantee::{
        AuditableLifecycle, MinimalBlastRadius, NoHiddenMutation, NoSprawl, SingleAuthority,
    };
    let of = |name, guarantee, check| Predicate { name, guarantee, check };
    vec![
        of("one-authority", SingleAuthority, authority::one_authority),
        of("value-survives", SingleAuthority, authority::value_survives),
        of("one-first-version", SingleAuthority, authority::one_first_version),
        of("no-blind-overwrite", SingleAuthority, authority::no_blind_overwrite),
        of("always-a-way-out", SingleAuthority, authority::always_a_way_out),
        of("bootstrap-retired", SingleAuthority, authority::bootstrap_retired),
        of("manifest-silent", SingleAuthority, authority::manifest_silent),
        of(REGENT_MOUNT_ALONE, NoSprawl, beside::regent_mount_alone),
        of("every-value-accounted", NoSprawl, sprawl::every_value_accounted),
        of("nothing-materialized-early", NoSprawl, sprawl::nothing_materialized_early),
        of("revoked-unused", NoSprawl, sprawl::revoked_unused),
        of("writers-known", NoHiddenMutation, access::writers_known),
        of(WAYS_AROUND_KNOWN, NoHiddenMutation, powers::ways_around_known),
        of(INTERCEPTORS_KNOWN, NoHiddenMutation, interceptors::interceptors_known),
        of(AUTHORITY_ALONE, NoHiddenMutation, beside::authority_alone),
        of("no-upward-write", NoHiddenMutation, access::no_upward_write),
        of("least-privilege", MinimalBlastRadius, access::least_privilege),
        of("consumers-declared", MinimalBlastRadius, access::consumers_declared),
        of(ROOT_REVOKED, MinimalBlastRadius, access::root_revoked),
        of(TOKENS_END, MinimalBlastRadius, beside::tokens_end),
        of("unseal-scoped", MinimalBlastRadius, access::unseal_scoped),
        of("ledger-chain", AuditableLifecycle, ledger::chain),
        of("ledger-covers-versions", AuditableLifecycle, ledger::covers_versions),
        of("silent-rotation-impossible", AuditableLifecycle, ledger::no_silent_rotation),
    ]
}

/// Everything that breaks a guarantee in `snapshot`.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    all().iter().flat_map(|p| p.check(snapshot)).collect()
}

#[cfg(test)]
mod tests;
