//! Removes what left the repository, under the version that was looked at.

use futures::StreamExt;
use kube::core::GroupVersionKind;
use regent_api::git_source::InventoryItem;
use regent_operator::write::delete_exactly;

use super::IntentError;
use super::apply::{CONCURRENCY, ObjectWriter, api, own_api, refused};
use super::kinds::Kind;
use super::object::title;
use super::prune::{self, KeepReason};
use super::unreadable::PassedOver;

/// What became of what left the repository.
#[derive(Debug, Default)]
pub(super) struct PruneReport {
    pub(super) removed: usize,
    /// Objects that are still to be removed.
    pub(super) left: Vec<InventoryItem>,
    /// Failures, with the object.
    pub(super) failures: Vec<IntentError>,
    /// Objects that were applied from what is passed over now: by its place in the list that was given.
    pub(super) unread: Vec<usize>,
}

impl ObjectWriter {
    /// Removes `gone`, which left the repository, unless something says to keep it; what was applied from a place
    /// that is passed over now did not leave it.
    pub(super) async fn prune(
        &self,
        gone: &[InventoryItem],
        passed_over: &[PassedOver],
    ) -> PruneReport {
        let mut report = PruneReport::default();
        let call = |item| async move { (item, self.remove(item, passed_over).await) };
        let calls: Vec<_> = gone.iter().map(call).collect();
        let mut results = futures::stream::iter(calls).buffer_unordered(CONCURRENCY);
        while let Some((item, result)) = results.next().await {
            match result {
                Ok(None) => {
                    report.removed += 1;
                    self.drift.forget(item);
                }
                Ok(Some(KeepReason::Unread(place))) => {
                    report.unread.push(place);
                    report.left.push(item.clone());
                }
                Ok(Some(keep_reason)) => {
                    let (object, reason) = (title(item), keep_reason.reason());
                    tracing::info!(component = "intent", object, reason, "kept");
                    self.drift.forget(item);
                }
                Err(error) => {
                    report.left.push(item.clone());
                    report.failures.push(error);
                }
            }
        }
        report
    }

    /// Removes one object; why it stays, if it does.
    async fn remove(
        &self,
        item: &InventoryItem,
        passed_over: &[PassedOver],
    ) -> Result<Option<KeepReason>, IntentError> {
        let api = match Kind::find(&item.api_version, &item.kind) {
            Some(kind) if !kind.pruned => return Ok(Some(KeepReason::Kind)),
            Some(kind) if kind.allowed_in(&item.namespace) => {
                own_api(&self.own, kind, &item.namespace)
            }
            _ => {
                let Some(account) = &self.account else { return Ok(Some(KeepReason::NoAccount)) };
                let (group, version) =
                    item.api_version.split_once('/').unwrap_or(("", &item.api_version));
                let gvk = GroupVersionKind::gvk(group, version, &item.kind);
                let target = self.target(&gvk).await.map_err(|e| refused(item, &e))?;
                api(account, &target, &item.namespace)
            }
        };
        let Some(live) = api.get_opt(&item.name).await.map_err(|e| refused(item, &e))? else {
            return Ok(None);
        };
        if let Some(keep_reason) = prune::keep_reason(&live.metadata, &self.source, passed_over) {
            return Ok(Some(keep_reason));
        }
        let params =
            delete_exactly(live.metadata.uid.clone(), live.metadata.resource_version.clone());
        match api.delete(&item.name, &params).await {
            Ok(_) => {
                tracing::info!(component = "intent", object = title(item), "pruned");
                Ok(None)
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(refused(item, &error)),
        }
    }
}
