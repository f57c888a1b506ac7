//! Reads and writes inventories that are too large for a status: ConfigMaps that the GitSource owns.

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch};
use kube::{Resource, ResourceExt};
use regent_api::GitSource;
use regent_api::git_source::{InventoryItem, InventorySet};
use regent_operator::api_error::ApiError;
use regent_operator::write::delete_exactly;
use regent_types::labels;
use serde_json::{Value, json};

use super::IntentError;
use super::ctx::Ctx;
use super::inventory::{Before, Stored, items, part_name, parts, set_name};

/// Bytes of an inventory as JSON up to which it stands in the status: every write of the status carries it.
const INLINE_BYTES_MAX: usize = 128 << 10;
/// Bytes of JSON in one ConfigMap, of which the API server takes 1 MiB.
const PART_BYTES_MAX: usize = 512 << 10;
/// ConfigMaps of one inventory: 128 MiB, about a million objects.
const PARTS_MAX: usize = 256;
/// ConfigMaps read or written at the same time.
const CONCURRENCY: usize = 8;
/// Key of a part.
const KEY: &str = "items";
impl Ctx {
    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.operator.api.clone(), &self.args.system_namespace)
    }

    /// What `source` applied before, as far as it can be known.
    ///
    /// # Errors
    /// The API server could not be asked: what was applied is unknown, and not nothing.
    pub(super) async fn inventory(&self, source: &GitSource) -> Result<Before, IntentError> {
        let status = source.status.clone().unwrap_or_default();
        let Some(set) = status.inventory_set else {
            return Ok(Before { items: status.inventory, lost: None });
        };
        let count = usize::try_from(set.parts).unwrap_or(0).min(PARTS_MAX);
        let api = self.config_maps();
        let names: Vec<String> = (0..count).map(|number| part_name(&set.name, number)).collect();
        let reads: Vec<_> = names.iter().map(|name| api.get_opt(name)).collect();
        let mut answers = futures::stream::iter(reads).buffered(CONCURRENCY);
        let mut texts = Vec::new();
        while let Some(answer) = answers.next().await {
            let found = answer.map_err(|e| ApiError::new("read", "the inventory", &e))?;
            let text = found.and_then(|map| map.data).and_then(|mut data| data.remove(KEY));
            texts.push(text.unwrap_or_default());
        }
        let whole = set_name(&texts) == set.name;
        let items: Vec<_> = texts.iter().filter_map(|text| items(text)).flatten().collect();
        let lost = (!whole).then(|| IntentError::InventoryLost { set: set.name.clone() });
        Ok(Before { items, lost })
    }

    /// Keeps `items` where they have room; what is kept already is not written again.
    pub(super) async fn store_inventory(
        &self,
        source: &GitSource,
        items: Vec<InventoryItem>,
    ) -> Result<Stored, IntentError> {
        let whole = parts(&items, usize::MAX).concat();
        if whole.len() <= INLINE_BYTES_MAX {
            return Ok(Stored::Inline(items));
        }
        let parts = parts(&items, PART_BYTES_MAX);
        let objects = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if parts.len() > PARTS_MAX {
            return Err(IntentError::TooManyObjects { objects });
        }
        let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
        let set = InventorySet { name: set_name(&parts), parts: count, objects };
        if source.status.as_ref().and_then(|s| s.inventory_set.as_ref()) == Some(&set) {
            return Ok(Stored::Set(set));
        }
        let (api, params) = (self.config_maps(), self.operator.manager().apply().force());
        let bodies: Vec<(String, Value)> = parts
            .into_iter()
            .enumerate()
            .map(|(n, part)| body(source, &set.name, n, part))
            .collect();
        let (api, params) = (&api, &params);
        let writes: Vec<_> = bodies
            .iter()
            .map(|(name, body)| async move { api.patch(name, params, &Patch::Apply(body)).await })
            .collect();
        let mut answers = futures::stream::iter(writes).buffer_unordered(CONCURRENCY);
        while let Some(answer) = answers.next().await {
            answer.map_err(|e| ApiError::new("write", "the inventory", &e))?;
        }
        Ok(Stored::Set(set))
    }

    /// Removes the set that `old` named, once the status names another place. What cannot be removed goes with the
    /// GitSource.
    pub(super) async fn drop_inventory(&self, old: &InventorySet, stored: Option<&Stored>) {
        if stored.is_none_or(|stored| *stored == Stored::Set(old.clone())) {
            return;
        }
        let api = self.config_maps();
        for number in 0..usize::try_from(old.parts).unwrap_or(0).min(PARTS_MAX) {
            let name = part_name(&old.name, number);
            if let Err(error) = api.delete(&name, &delete_exactly(None, None)).await {
                tracing::debug!(component = "intent", object = name, %error, "old inventory kept");
            }
        }
    }
}

fn body(source: &GitSource, set: &str, number: usize, part: String) -> (String, Value) {
    let name = part_name(set, number);
    let body = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": { labels::PART_OF: labels::REGENT },
            "ownerReferences": [source.owner_ref(&())],
            "annotations": { "regent.dev/inventory-of": source.name_any() },
        },
        "data": { KEY: part },
    });
    (name, body)
}
