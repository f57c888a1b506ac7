//! Writes objects: server-side apply, a bounded number at a time, and only what differs. What is
//! known to be as Git says is not even read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use kube::api::{Api, DynamicObject, Patch};
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{self, Scope};
use regent_api::git_source::InventoryItem;
use regent_operator::write::FieldManager;
use regent_types::labels;
use serde_json::Value;
use tokio::time::Instant;

use super::IntentError;
use super::drift::Drift;
use super::kinds::Kind;
use super::object::{Desired, SOURCE_HASH, Writer, covers, title};
use super::prune;

/// Requests at the same time in one sync: enough to hide a round trip, too few to crowd an API
/// server out.
pub(super) const CONCURRENCY: usize = 8;
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
    /// Which objects are known to be as they were left.
    pub(super) drift: Arc<Drift>,
}

/// Where objects of one kind are.
#[derive(Clone, Debug)]
pub(super) struct ApiTarget {
    resource: ApiResource,
    namespaced: bool,
}

/// What to do about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is as Git says.
    Leave,
    Apply,
    /// Somebody changed it since the same text was applied: by whom, as far as can be known.
    PutBack(String),
    /// Another source owns it.
    Claimed(String),
}

/// Decides about `live`, which is absent or as the server has it. `ours` is the field manager of intent.
pub(super) fn decide(
    live: Option<&Value>,
    desired: &Desired,
    source: &str,
    ours: &str,
) -> Decision {
    let Some(live) = live else { return Decision::Apply };
    let mark = |kind: &str, name: &str| {
        live["metadata"][kind].get(name).and_then(Value::as_str).unwrap_or_default()
    };
    let owner = mark("labels", labels::SOURCE);
    if !owner.is_empty() && owner != source {
        return Decision::Claimed(owner.to_owned());
    }
    let same_text = mark("annotations", SOURCE_HASH) == desired.hash;
    match (same_text, covers(live, &desired.body)) {
        (true, true) => Decision::Leave,
        (true, false) => Decision::PutBack(format!("changed by {}", last_manager(live, ours))),
        (false, _) => Decision::Apply,
    }
}

/// The field manager that wrote last beside intent, by its own name for itself.
fn last_manager(live: &Value, ours: &str) -> String {
    let all = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let others =
        all.filter(|entry| text(entry, "manager") != ours && text(entry, "subresource").is_empty());
    let last = others.max_by_key(|entry| text(entry, "time")).map(|entry| text(entry, "manager"));
    last.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

/// What became of a set of objects.
#[derive(Debug, Default)]
pub(super) struct ApplyReport {
    pub(super) written: usize,
    /// Objects that are as Git says now.
    pub(super) good: Vec<InventoryItem>,
    /// Failures, with the object.
    pub(super) failures: Vec<IntentError>,
    /// Objects that were changed or deleted outside Git and are as Git says again, each with how.
    pub(super) put_back: Vec<String>,
}

/// What became of one object.
struct Applied {
    item: InventoryItem,
    written: bool,
    put_back: Option<String>,
}

impl ObjectWriter {
    /// Applies `objects`, Namespaces before all others; those of `before` were applied already.
    pub(super) async fn apply(&self, objects: &[Desired], before: &[InventoryItem]) -> ApplyReport {
        let before: BTreeSet<_> = before.iter().map(prune::identity).collect();
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
            let call = |o| self.apply_one(o, &targets, before.contains(&prune::identity(&o.item)));
            let calls: Vec<_> = part.iter().map(call).collect();
            let mut results = futures::stream::iter(calls).buffer_unordered(CONCURRENCY);
            while let Some(result) = results.next().await {
                match result {
                    Ok(done) => {
                        report.written += usize::from(done.written);
                        report.put_back.extend(done.put_back);
                        report.good.push(done.item);
                    }
                    Err(error) => report.failures.push(error),
                }
            }
        }
        report.good.sort();
        report.put_back.sort();
        report
    }

    /// Applies one object if it differs; `known` says that it was applied before.
    async fn apply_one(
        &self,
        desired: &Desired,
        targets: &BTreeMap<String, ApiTarget>,
        known: bool,
    ) -> Result<Applied, IntentError> {
        let (item, now) = (&desired.item, Instant::now());
        let left = || Applied { item: item.clone(), written: false, put_back: None };
        if self.drift.vouches(item, &self.source, &desired.hash)
            || self.drift.rests(item, &desired.hash, now)
        {
            return Ok(left());
        }
        let api = match &desired.writer {
            Writer::Intent(kind) => own_api(&self.own, kind, &item.namespace),
            Writer::Account(gvk) => {
                let target = targets.get(&key(gvk)).ok_or_else(|| unknown_kind(item))?;
                api(self.account.as_ref().unwrap_or(&self.own), target, &item.namespace)
            }
        };
        let failed = |e| refused(item, &e).in_file(&desired.file_line);
        let found = api.get_opt(&item.name).await.map_err(failed)?;
        let live = found.as_ref().map(serde_json::to_value).transpose();
        let live = live.map_err(|e| failed(kube::Error::SerdeError(e)))?;
        let put_back = match decide(live.as_ref(), desired, &self.source, self.manager.name()) {
            Decision::Leave => {
                let metadata = found.map(|object| object.metadata).unwrap_or_default();
                self.drift.settle(item, &self.source, &desired.hash, &metadata);
                return Ok(left());
            }
            Decision::Claimed(owner) => {
                return Err(IntentError::Claimed { object: title(item), owner });
            }
            Decision::PutBack(how) => Some(how),
            Decision::Apply => (live.is_none() && known).then(|| "deleted".to_owned()),
        };
        let params = self.manager.apply().force();
        let written = api.patch(&item.name, &params, &Patch::Apply(&desired.body)).await;
        let written = written.map_err(failed)?;
        self.drift.settle(item, &self.source, &desired.hash, &written.metadata);
        tracing::debug!(component = "intent", object = title(item), "applied");
        let put_back = put_back.map(|how| match self.drift.put_back(item, now) {
            1 => format!("{} ({how})", title(item)),
            times => format!("{} ({how}, {times} times in a row)", title(item)),
        });
        Ok(Applied { item: item.clone(), written: true, put_back })
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

    pub(super) async fn target(&self, gvk: &GroupVersionKind) -> Result<ApiTarget, kube::Error> {
        let client = self.account.as_ref().unwrap_or(&self.own);
        let (resource, capabilities) = discovery::pinned_kind(client, gvk).await?;
        Ok(ApiTarget { resource, namespaced: capabilities.scope == Scope::Namespaced })
    }
}

fn key(gvk: &GroupVersionKind) -> String {
    format!("{}/{}/{}", gvk.group, gvk.version, gvk.kind)
}

pub(super) fn own_api(client: &kube::Client, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    let target = ApiTarget { resource: kind.resource(), namespaced: kind.namespaced };
    api(client, &target, namespace)
}

pub(super) fn api(
    client: &kube::Client,
    target: &ApiTarget,
    namespace: &str,
) -> Api<DynamicObject> {
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
pub(super) fn refused(item: &InventoryItem, error: &kube::Error) -> IntentError {
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
