//! `DELETE data/{key}`, `delete/`, `undelete/`, `destroy/`: all 204, also where there is nothing to
//! do.

use super::model::Metadata;
use super::store::{self, KvKey};
use crate::barrier::Batch;
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::{Call, fields};

/// Version numbers in one request.
const NUMBERS_MAX: usize = 1000;

/// `DELETE data/{key}`: soft-deletes the current version.
pub(super) async fn delete_latest(
    cx: Context<'_>,
    call: &Call,
    key: &KvKey,
) -> Result<Reply, ApiError> {
    change(cx, key, |meta, _| {
        let current = meta.current;
        meta.delete(current, call.now)
    })
    .await
}

/// `delete/{key}` with `{versions}`: soft, the values stay.
pub(super) async fn delete(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let numbers = numbers(call)?;
    change(cx, key, |meta, _| each(&numbers, |number| meta.delete(number, call.now))).await
}

/// `undelete/{key}` with `{versions}`: what is destroyed stays so.
pub(super) async fn undelete(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let numbers = numbers(call)?;
    change(cx, key, |meta, _| each(&numbers, |number| meta.undelete(number))).await
}

/// `destroy/{key}` with `{versions}`: the values are removed for good.
pub(super) async fn destroy(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let numbers = numbers(call)?;
    change(cx, key, |meta, batch| {
        each(&numbers, |number| {
            let destroyed = meta.destroy(number);
            if destroyed {
                batch.delete(key.values(number));
            }
            destroyed
        })
    })
    .await
}

async fn change(
    cx: Context<'_>,
    key: &KvKey,
    act: impl FnOnce(&mut Metadata, &mut Batch) -> bool,
) -> Result<Reply, ApiError> {
    let _guard = cx.view.lock(&key.meta()).await;
    if let Some(mut meta) = store::load(cx.view, key).await? {
        let mut batch = Batch::new();
        if act(&mut meta, &mut batch) {
            store::put(&mut batch, key, &meta)?;
            cx.view.commit(batch).await?;
        }
    }
    Ok(Reply::no_content())
}

/// Acts on every number; whether any changed.
fn each(numbers: &[u64], mut act: impl FnMut(u64) -> bool) -> bool {
    numbers.iter().fold(false, |changed, number| act(*number) | changed)
}

fn numbers(call: &Call) -> Result<Vec<u64>, ApiError> {
    let numbers = fields::counts(&call.data, "versions")?;
    match numbers.len() {
        0 => Err(ApiError::invalid("No version number provided")),
        1..=NUMBERS_MAX => Ok(numbers),
        _ => Err(ApiError::invalid(format!("expected at most {NUMBERS_MAX} version numbers"))),
    }
}
