//! Says what a manifest comes to: in its status where that is new, and in an Event where a person should look.

use kube::api::Api;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};
use regent_api::EncryptedManifest;
use regent_api::condition::{self, READY};
use regent_operator::events::Announcement;
use regent_operator::write::{StatusWrite, write_status};
use regent_types::Explain;

use super::BootstrapError;
use super::ctx::{Ctx, namespaced_name};
use super::plan::Plan;
use super::reason::Reason;
use super::status::{self, Product};

/// Failures in a row that time alone may mend, before they are told: six seconds.
const FAILURES_UNSAID_MAX: u32 = 5;

impl Ctx {
    /// Writes the status where it differs, and an Event where something new must be looked at.
    pub(super) async fn update_status(
        &self,
        manifest: &EncryptedManifest,
        plan: &Plan,
        product: Option<&Product>,
    ) -> Result<(), BootstrapError> {
        let old = manifest.status.clone().unwrap_or_default();
        let generation = manifest.metadata.generation;
        let new = status::next(&old, plan, product, generation, self.operator.now());
        if new == old {
            return Ok(());
        }
        let before = condition::get(&old.conditions, READY).map(|c| c.reason.clone());
        let namespace = manifest.namespace().unwrap_or_default();
        let api: Api<EncryptedManifest> = Api::namespaced(self.operator.api.clone(), &namespace);
        let mut object = manifest.clone();
        object.metadata.managed_fields = None;
        object.status = Some(new);
        match write_status(&api, &self.operator.manager(), &object).await? {
            StatusWrite::Written(_) => {}
            StatusWrite::Gone => return Ok(()),
            StatusWrite::Changed => return Err(BootstrapError::Changed),
        }
        if before.as_deref() != Some(plan.reason.text()) {
            self.emit_event(manifest, plan).await;
        }
        Ok(())
    }

    /// Says in the status what keeps the manifest from producing, where a person can help. A
    /// manifest that is silent stays so: its status is what remembers that.
    pub(super) async fn report_error(&self, manifest: &EncryptedManifest, error: &BootstrapError) {
        let lasts = error.is_lasting()
            || self.backoff.failures(&namespaced_name(manifest)) >= FAILURES_UNSAID_MAX;
        if !lasts || was_silent(manifest) {
            return;
        }
        let message = format!("{error}; {}", error.advice().action);
        let plan = Plan::failed(error.reason(), message);
        if let Err(error) = self.update_status(manifest, &plan, None).await {
            tracing::debug!(component = "bootstrap", %error, "status not written");
        }
    }

    async fn emit_event(&self, manifest: &EncryptedManifest, plan: &Plan) {
        let (object, reason) = (namespaced_name(manifest), plan.reason.text());
        if plan.ready {
            tracing::info!(component = "bootstrap", object, reason, "manifest settled");
            return;
        }
        tracing::error!(component = "bootstrap", object, reason, detail = plan.message, "manifest");
        let (severity, action) = (EventType::Warning, "Open");
        let said = Announcement { severity, reason, action, note: &plan.message };
        if let Err(error) = self.events.emit(&manifest.object_ref(&()), &said).await {
            // The condition says the same; the Event is a courtesy.
            tracing::debug!(component = "bootstrap", object, %error, "event not emitted");
        }
    }
}

/// Whether the status says that the manifest produces nothing any more.
pub(super) fn was_silent(manifest: &EncryptedManifest) -> bool {
    let conditions = manifest.status.as_ref().map(|s| s.conditions.as_slice());
    condition::get(conditions.unwrap_or_default(), READY)
        .is_some_and(|c| Reason::was_silent(&c.reason))
}
