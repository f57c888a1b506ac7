//! Says what a sync came to: in the status of its GitSource where that is new, and in an Event where a person should look.

use kube::api::Api;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use regent_api::GitSource;
use regent_api::condition::{self, READY};
use regent_operator::events::Announcement;
use regent_operator::write::{StatusWrite, write_status};
use regent_types::Explain;

use super::IntentError;
use super::ctx::{Ctx, Unsaid};
use super::status;
use super::words;

impl Ctx {
    /// Writes the status where it differs.
    pub(super) async fn say(&self, source: &GitSource, unsaid: &Unsaid) -> Result<(), IntentError> {
        let old = source.status.clone().unwrap_or_default();
        let generation = source.meta().generation;
        let stored = unsaid.stored.as_ref();
        let new = status::next(&old, &unsaid.synced, stored, generation, self.operator.now());
        if new == old {
            return Ok(());
        }
        let sources: Api<GitSource> =
            Api::namespaced(self.operator.api.clone(), &self.args.system_namespace);
        let ready = condition::get(&new.conditions, READY).cloned();
        let mut object = source.clone();
        object.status = Some(new);
        object.metadata.managed_fields = None;
        match write_status(&sources, &self.operator.manager(), &object).await {
            Ok(StatusWrite::Written(_)) => {}
            Ok(StatusWrite::Gone) => return Ok(()),
            Ok(StatusWrite::Changed) => return Err(IntentError::Changed),
            Err(refused) => {
                let error = IntentError::StatusRefused(refused);
                self.emit(source, error.reason(), &error.advice().found).await;
                return Err(error);
            }
        }
        if let Some(set) = &old.inventory_set {
            self.drop_inventory(set, stored).await;
        }
        let before = condition::get(&old.conditions, READY).map(|c| c.reason.clone());
        if let Some(ready) =
            ready.filter(|r| r.status == "False" && Some(&r.reason) != before.as_ref())
        {
            self.emit(source, &ready.reason, &ready.message).await;
        }
        Ok(())
    }

    /// Tells of objects that were changed outside Git, and are as Git says again.
    pub(super) async fn report_put_back(&self, source: &GitSource, put_back: &[String]) {
        if put_back.is_empty() {
            return;
        }
        let note = words::changed_outside_git(put_back);
        tracing::warn!(component = "intent", object = source.name_any(), detail = note, "put back");
        self.emit(source, "DriftCorrected", &note).await;
    }

    async fn emit(&self, source: &GitSource, reason: &str, note: &str) {
        let said = Announcement { severity: EventType::Warning, reason, action: "Sync", note };
        if let Err(error) = self.events.emit(&source.object_ref(&()), &said).await {
            // The condition or the log says the same; the Event is a courtesy.
            tracing::debug!(component = "intent", %error, "event not emitted");
        }
    }
}
