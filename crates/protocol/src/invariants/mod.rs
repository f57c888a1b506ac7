//! The guarantees as checks: named predicates over a plain snapshot of a live installation
//! (PROTOCOLS.md §4, §5, §10).
//!
//! ```text
//! snapshot     what a gatherer saw; no value in it     finding  what breaks which guarantee
//! authority    one-authority, value-survives, bootstrap-retired, manifest-silent, restored worlds
//! sprawl       every-value-accounted, nothing-materialized-early, revoked-unused
//! access       writers-known, no-upward-write, least-privilege, consumers-declared, root-revoked, unseal-scoped
//! ledger       ledger-chain, ledger-covers-versions, silent-rotation-impossible
//! ```
//!
//! A predicate never asks for more than the snapshot holds; what it could not see it says so as a
//! finding.

mod access;
mod authority;
mod finding;
mod ledger;
mod snapshot;
mod sprawl;

pub use finding::{Finding, Guarantee};
pub use snapshot::{
    BindingSeen, ConsumerSeen, DeclaredPush, DeclaredSecret, KvSeen, LedgerSeen, ManifestSeen,
    MaterializedSeen, NamespacedName, PolicyText, SecretSeen, Snapshot, WriteSeen,
};

use finding::Findings;

/// One check of `regent verify`: a pure function of the [`Snapshot`].
pub struct Predicate {
    /// Its name in PROTOCOLS.md.
    pub name: &'static str,
    /// Guarantee that it stands for.
    pub guarantee: Guarantee,
    check: fn(&Snapshot, &mut Findings),
}

impl Predicate {
    /// What breaks it in `snapshot`.
    pub fn check(&self, snapshot: &Snapshot) -> Vec<Finding> {
        let mut found = Findings::of(self.name, self.guarantee);
        (self.check)(snapshot, &mut found);
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
        of("every-value-accounted", NoSprawl, sprawl::every_value_accounted),
        of("nothing-materialized-early", NoSprawl, sprawl::nothing_materialized_early),
        of("revoked-unused", NoSprawl, sprawl::revoked_unused),
        of("writers-known", NoHiddenMutation, access::writers_known),
        of("no-upward-write", NoHiddenMutation, access::no_upward_write),
        of("least-privilege", MinimalBlastRadius, access::least_privilege),
        of("consumers-declared", MinimalBlastRadius, access::consumers_declared),
        of("root-revoked", MinimalBlastRadius, access::root_revoked),
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
