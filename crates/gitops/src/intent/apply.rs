//! The only file of intent that writes objects: server-side apply, a bounded number at a time, and
//! only what differs. What is already as Git says is read, not written.

use std::collections::BTreeMap;

use futures::StreamExt;
use kube::api::{Api, DynamicObject, Patch};
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{self, Scope};
use regent_api::git_source::InventoryItem;
use regent_operator::write::{FieldManager, delete_exactly};
use regent_types::labels;
use serde_json::Value;

use super::IntentError;
use super::kinds::Kind;
use super::object::{Desired, SOURCE_HASH, Writer, covers, title};
use super::prune::{self, KeepReason};

/// Requests at the same time in one sync: enough to hide a round trip, too few to crowd an API
/// server out.
const CONCURRENCY: usize = 8;
/// Bytes of an API server's refusal that are repeated in a status.
const REFUSAL_LEN_MAX: usize = 300;

/// Where the objects of one sync go.
pub(super) struct ObjectWriter {
    pub(super) own: kube::Client,
    /// As the account that the GitSource names.
    pub(super) account: Option<kube::Client>,
    pub(super) manager: FieldManager,
    /// Label value of the GitSource.
    pub(super) source: String,
}

/// Where objects of one kind are.
#[derive(Clone, Debug)]
struct ApiTarget {
    resource: ApiResource,
    namespaced: bool,
}

/// What to do about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is as Git says.
    Leave,
    Apply,
    /// Another source owns it.
    Claimed(String),
}

/// Decides about `live`, which is absent or as the server has it.
pub(super) fn decide(live: Option<&Value>, desired: &Desired, source: &str) -> Decision {
    let Some(live) = live else { return Decision::Apply };
    let mark = |kind: &str, name: &str| {
        live["metadata"][kind].get(name).and_then(Value::as_str).unwrap_or_default()
    };
    let owner = mark("labels", labels::SOURCE);
    if !owner.is_empty() && owner != source {
        return Decision::Claimed(owner.to_owned());
    }
    if mark("annotations", SOURCE_HASH) == desired.hash && covers(live, &desired.body) {
        return Decision::Leave;
    }
    Decision::Apply
}

/// What became of a set of objects.
#[derive(Debug, Default)]
pub(super) struct ApplyReport {
    pub(super) written: usize,
    /// Objects that are as Git says now.
    pub(super) good: Vec<InventoryItem>,
    /// Failures, with the object.
    pub(super) failures: Vec<IntentError>,
}

impl ObjectWriter {
    /// Applies `objects`, Namespaces before all others.
    pub(super) async fn apply(&self, objects: &[Desired]) -> ApplyReport {
        let mut report = ApplyReport::default();
        let targets = match self.targets(objects).await {
            Ok(targets) => targets,
            Err(error) => {
                report.failures.push(error);
                return report;
            }
        };
        let cut = objects.partition_point(|o| o.order() == 0);
        for part in [&objects[..cut], &objects[cut..]] {
            // Made before the stream, so that their lifetimes are known where they are polled.
            let calls: Vec<_> = part.iter().map(|o| self.apply_one(o, &targets)).collect();
            let mut results = futures::stream::iter(calls).buffer_unordered(CONCURRENCY);
            while let Some(result) = results.next().await {
                match result {
                    Ok((item, written)) => {
                        report.written += usize::from(written);
                        report.good.push(item);
                    }
                    Err(error) => report.failures.push(error),
                }
            }
        }
        report.good.sort();
        report
    }

    /// Applies one object if it differs; the object, and whether it was written.
    async fn apply_one(
        &self,
        desired: &Desired,
        targets: &BTreeMap<String, ApiTarget>,
    ) -> Result<(InventoryItem, bool), IntentError> {
        let item = &desired.item;
        let api = match &desired.writer {
            Writer::Intent(kind) => own_api(&self.own, kind, &item.namespace),
            Writer::Account(gvk) => {
                let target = targets.get(&key(gvk)).ok_or_else(|| unknown_kind(item))?;
                api(self.account.as_ref().unwrap_or(&self.own), target, &item.namespace)
            }
        };
        let failed = |e| refused(item, &e).in_file(&desired.file_line);
        let live = api.get_opt(&item.name).await.map_err(failed)?;
        let live = live.and_then(|o| serde_json::to_value(o).ok());
        match decide(live.as_ref(), desired, &self.source) {
            Decision::Leave => Ok((item.clone(), false)),
            Decision::Claimed(owner) => Err(IntentError::Claimed { object: title(item), owner }),
            Decision::Apply => {
                let params = self.manager.apply().force();
                api.patch(&item.name, &params, &Patch::Apply(&desired.body))
                    .await
                    .map_err(failed)?;
                tracing::debug!(component = "intent", object = title(item), "applied");
                Ok((item.clone(), true))
            }
        }
    }

    /// Asks the API server where kinds beyond intent's own list are.
    async fn targets(
        &self,
        objects: &[Desired],
    ) -> Result<BTreeMap<String, ApiTarget>, IntentError> {
        let mut targets = BTreeMap::new();
        for object in objects {
            let Writer::Account(gvk) = &object.writer else { continue };
            if targets.contains_key(&key(gvk)) {
                continue;
            }
            let target = self.target(gvk).await.map_err(|e| refused(&object.item, &e))?;
            targets.insert(key(gvk), target);
        }
        Ok(targets)
    }

    async fn target(&self, gvk: &GroupVersionKind) -> Result<ApiTarget, kube::Error> {
        let client = self.account.as_ref().unwrap_or(&self.own);
        let (resource, capabilities) = discovery::pinned_kind(client, gvk).await?;
        Ok(ApiTarget { resource, namespaced: capabilities.scope == Scope::Namespaced })
    }

    /// Removes `gone`, which left the repository, unless something says to keep it.
    pub(super) async fn prune(&self, gone: &[InventoryItem]) -> ApplyReport {
        let mut report = ApplyReport::default();
        let calls: Vec<_> = gone.iter().map(|item| self.prune_one(item)).collect();
        let mut results = futures::stream::iter(calls).buffer_unordered(CONCURRENCY);
        while let Some((item, result)) = results.next().await {
            match result {
                Ok(removed) => report.written += usize::from(removed),
                Err(error) => {
                    report.good.push(item);
                    report.failures.push(error);
                }
            }
        }
        report
    }

    /// Removes or keeps one object; the object, and whether it was removed.
    async fn prune_one(&self, item: &InventoryItem) -> (InventoryItem, Result<bool, IntentError>) {
        let removed = self.remove(item).await.map(|keep_reason| {
            if let Some(keep_reason) = keep_reason {
                let (object, reason) = (title(item), keep_reason.reason());
                tracing::info!(component = "intent", object, reason, "kept");
            }
            keep_reason.is_none()
        });
        (item.clone(), removed)
    }

    async fn remove(&self, item: &InventoryItem) -> Result<Option<KeepReason>, IntentError> {
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
        if let Some(keep_reason) = prune::keep_reason(&live.metadata, &self.source) {
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

fn key(gvk: &GroupVersionKind) -> String {
    format!("{}/{}/{}", gvk.group, gvk.version, gvk.kind)
}

fn own_api(client: &kube::Client, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    let target = ApiTarget { resource: kind.resource(), namespaced: kind.namespaced };
    api(client, &target, namespace)
}

fn api(client: &kube::Client, target: &ApiTarget, namespace: &str) -> Api<DynamicObject> {
    if target.namespaced {
        Api::namespaced_with(client.clone(), namespace, &target.resource)
    } else {
        Api::all_with(client.clone(), &target.resource)
    }
}

fn unknown_kind(item: &InventoryItem) -> IntentError {
    let first = format!("{}: the API server does not know the kind", title(item));
    IntentError::Apply { verb: "applied", failed: 1, total: 1, first }
}

/// The server's refusal of one object. Nothing that intent writes holds a value, so that its words
/// may be kept.
fn refused(item: &InventoryItem, error: &kube::Error) -> IntentError {
    let words = match error {
        kube::Error::Api(status) => format!("{} {}", status.reason, status.message),
        other => other.to_string(),
    };
    let words: String = words.chars().take(REFUSAL_LEN_MAX).collect();
    IntentError::Apply {
        verb: "applied",
        failed: 1,
        total: 1,
        first: format!("{}: {words}", title(item)),
    }
}
