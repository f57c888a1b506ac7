//! Says in the status what a reconcile came to, where that is anything new.

use kube::ResourceExt;
use regent_api::RuntimeAuthority;
use regent_api::condition::{self, READY, Verdict};
use regent_api::runtime_authority::ReviewedBy;
use regent_operator::write::{StatusWrite, merge_status};
use regent_types::Explain;
use regent_types::labels::AUTHORITY_NAME;
use regent_types::lifecycle::Authoritative;
use serde_json::Value;

use super::Error;
use super::ctx::Ctx;
use super::memory::Memory;
use super::observed::Health;
use super::plan::Rest;
use super::snapshots;
use super::status::{self, StatusInputs};

/// What a pass ended with.
pub(super) struct Pass {
    pub(super) result: Result<Rest, Error>,
    pub(super) health: Option<Health>,
    /// Whether everything was observed, not the health alone.
    pub(super) full: bool,
}

impl Ctx {
    /// Writes what a pass came to, if it says anything new. Nothing new beside what the watch has `cached` is not
    /// asked about again: whoever changes the status wakes this again.
    pub(super) async fn report(
        &self,
        cached: &RuntimeAuthority,
        pass: &Pass,
        memory: &Memory,
    ) -> Result<(), Error> {
        if !pass.full && self.changes(cached, pass, memory).is_none() {
            return Ok(());
        }
        let Some(authority) = self.get(AUTHORITY_NAME).await? else { return Ok(()) };
        let changes = self.changes(&authority, pass, memory);
        self.write_status(AUTHORITY_NAME, changes).await
    }

    /// What the status of `authority` lacks of what a pass came to.
    fn changes(&self, authority: &RuntimeAuthority, pass: &Pass, memory: &Memory) -> Option<Value> {
        let old = authority.status.clone().unwrap_or_default();
        let (verdict, active) = match &pass.result {
            Ok(rest) => (rest.verdict.clone(), Some(rest.is_active())),
            Err(error) => {
                let message = format!("{error}; do: {}", error.advice().action);
                (Verdict::no(error.reason(), message), None)
            }
        };
        let link = memory.link.as_ref();
        let inputs = StatusInputs {
            verdict,
            active,
            health: pass.health.clone(),
            address: link.map(|l| l.written.clone()).unwrap_or_default(),
            serving: *self.serving.borrow(),
            transport: self.transport.borrow().clone(),
            head: link.and_then(|l| Some((l.ledger.writer().to_owned(), l.ledger.head()?.text()))),
            kubernetes: ReviewedBy {
                host: self.args.kubernetes_host.clone(),
                ca_cert: self.args.kubernetes_ca_cert.clone(),
            },
            audited: memory.audited,
            snapshots: snapshots::said(
                authority.spec.external.is_none(),
                memory.snapshots.as_ref(),
                active == Some(true),
                self.operator.now(),
            ),
        };
        let generation = authority.metadata.generation;
        let new = status::next(&old, &inputs, generation, self.operator.now());
        if old.phase != new.phase {
            tracing::info!(
                phase = new.phase,
                authoritative = new.authoritative.map(Authoritative::as_str),
                "phase"
            );
        }
        status::changes(&old, &new)
    }

    /// A RuntimeAuthority of another name only learns that it is not the one.
    pub(super) async fn reject(&self, other: &RuntimeAuthority) -> Result<(), Error> {
        let message = "there is one RuntimeAuthority and its name is regent: delete this one";
        let old = other.status.clone().unwrap_or_default();
        let mut new = old.clone();
        let (generation, now) = (other.metadata.generation, self.operator.now());
        let verdict = Verdict::no("NotTheOne", message);
        new.conditions = condition::set(&old.conditions, READY, &verdict, generation, now);
        self.write_status(&other.name_any(), status::changes(&old, &new)).await
    }

    async fn write_status(&self, name: &str, changes: Option<Value>) -> Result<(), Error> {
        let Some(changes) = changes else { return Ok(()) };
        match merge_status(&self.api, &self.operator.manager(), name, &changes).await? {
            StatusWrite::Written { .. } | StatusWrite::Gone => Ok(()),
            StatusWrite::Changed => Err(Error::changed(name)),
        }
    }
}
