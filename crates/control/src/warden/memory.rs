//! What warden remembers between reconciles. Losing it costs one look at everything.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use regent_api::RuntimeAuthority;
use regent_operator::Context;
use regent_operator::ledger::Ledger;
use regent_protocol::ledger::Event;
use regent_vault::{SealedShares, Token};

use super::Error;
use super::link::Link;
use super::plan::Rest;
use super::repairs::Repairs;
use super::snapshots::SnapshotsSeen;

/// Events kept while the ledger cannot be written; one unseal makes one.
const PENDING_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Memory {
    /// Root token of an initialization by this process; gone once it is revoked.
    pub(super) root: Option<Arc<Token>>,
    /// Sealed shares of an initialization by this process that Kubernetes does not hold yet.
    pub(super) unstored: Option<SealedShares>,
    /// Events that are not in the ledger yet.
    pub(super) pending: VecDeque<Event>,
    pub(super) repairs: Repairs,
    /// It was sealed when it was last observed and warden has not unsealed it since.
    pub(super) was_sealed: bool,
    /// Whether an audit device was on when the configuration was last observed.
    pub(super) audited: Option<bool>,
    /// What the embedded authority told of its snapshots, and when; `None`: not asked yet, or not its business.
    pub(super) snapshots: Option<SnapshotsSeen>,
    /// Certificates whose issue this process has put among the events; the chain drops repeats.
    pub(super) certificates: BTreeSet<String>,
    pub(super) link: Option<Arc<Link>>,
    /// The last full observation, if everything was in order.
    pub(super) in_order: Option<InOrder>,
}

/// A full observation of an authority in order.
pub(super) struct InOrder {
    pub(super) generation: Option<i64>,
    pub(super) at: Timestamp,
    pub(super) rest: Rest,
}

impl Memory {
    /// The link to what `authority` names; the old one is kept while it is the same.
    pub(super) fn link(
        &mut self,
        authority: &RuntimeAuthority,
        cx: &Context,
    ) -> Result<Arc<Link>, Error> {
        let link = Link::to(authority, self.link.as_ref(), cx)?;
        if !self.link.as_ref().is_some_and(|before| Arc::ptr_eq(before, &link)) {
            // A root token is never shown to another authority; of the one left it is hunted later.
            self.root = None;
            self.link = Some(Arc::clone(&link));
        }
        Ok(link)
    }

    /// Keeps an event until it is in the ledger; one of the same id is kept once.
    pub(super) fn add_event(&mut self, event: Event) {
        if self.pending.iter().any(|pending| pending.id == event.id) {
            return;
        }
        if self.pending.len() >= PENDING_MAX {
            tracing::error!(reason = "LedgerBehind", "an event was dropped before it was recorded");
            self.pending.pop_front();
        }
        self.pending.push_back(event);
    }

    /// Appends what is pending, oldest first; what was appended is forgotten.
    pub(super) async fn append_events(&mut self, ledger: &Ledger) -> Result<(), Error> {
        while let Some(event) = self.pending.front().cloned() {
            ledger.append(event).await.map_err(Error::Ledger)?;
            self.pending.pop_front();
        }
        Ok(())
    }
}
