//! LIST `metadata/{folder}/`: names and folders (`name/`), sorted; `after` and `limit` page.

use serde_json::json;

use super::store::META;
use crate::barrier::{BarrierError, View};
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::{Call, fields};
use crate::storage::StoreError;

/// Names in one page.
const LIMIT_MAX: usize = 100_000;

/// Names directly below `folder` (empty, or ending in `/`).
pub(super) async fn list(cx: Context<'_>, call: &Call, folder: &str) -> Result<Reply, ApiError> {
    if !folder.is_empty() && (!folder.ends_with('/') || folder.contains("//")) {
        return Err(ApiError::invalid("expected the path of a folder"));
    }
    let prefix = format!("{META}{folder}");
    let after = fields::text(&call.data, "after")?.unwrap_or_default();
    let limit = fields::count(&call.data, "limit")?.unwrap_or(0);
    let keys = if after.is_empty() && limit == 0 {
        cx.view.list(&prefix).await.map_err(too_many)?
    } else {
        let limit = usize::try_from(limit).ok().filter(|n| (1..=LIMIT_MAX).contains(n));
        page(cx.view, &prefix, after, limit.unwrap_or(LIMIT_MAX)).await?
    };
    if keys.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Reply::ok(json!({ "keys": keys })))
}

/// Storage order is the order of names; a folder's keys lie together and are passed over in one
/// step.
async fn page(
    view: &View,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, ApiError> {
    let mut names: Vec<String> = Vec::new();
    let mut from = match after {
        "" => String::new(),
        after => past(prefix, after),
    };
    while names.len() < limit {
        let keys = view.scan(prefix, &from, limit - names.len()).await?;
        if keys.is_empty() {
            break;
        }
        for key in &keys {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            match rest.split_once('/') {
                None => {
                    names.push(rest.to_owned());
                    from = key.clone();
                }
                Some((folder, _)) => {
                    let name = format!("{folder}/");
                    from = past(prefix, &name);
                    names.push(name);
                    // The keys that follow may lie in the folder just named.
                    break;
                }
            }
        }
    }
    Ok(names)
}

/// A storage key after all that `name` stands for: no secret's path holds `char::MAX`.
fn past(prefix: &str, name: &str) -> String {
    if name.ends_with('/') {
        format!("{prefix}{name}{}", char::MAX)
    } else {
        format!("{prefix}{name}")
    }
}

fn too_many(error: BarrierError) -> ApiError {
    match error {
        BarrierError::Store(StoreError::TooMany(max)) => {
            ApiError::invalid(format!("more than {max} entries here: ask with 'limit' and 'after'"))
        }
        other => other.into(),
    }
}
