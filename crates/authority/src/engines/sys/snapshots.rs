//! `sys/regent/snapshots`: what is known of snapshots, and asking for one. This authority's own (PROTOCOLS.md §3).

use serde_json::{Value, json};

use crate::error::{ApiError, InternalCause};
use crate::lifecycle::Core;
use crate::reply::Reply;
use crate::request::{Call, Operation};
use crate::snapshot::Asked;

pub(super) async fn call(core: &Core, call: &Call) -> Result<Reply, ApiError> {
    match call.op {
        Operation::Read => read(core, call).await,
        op if op.is_write() => ask(core, call),
        _ => Err(ApiError::Unsupported),
    }
}

/// `GET`: how they stand, all that are known, and whether this authority was itself restored from one.
async fn read(core: &Core, call: &Call) -> Result<Reply, ApiError> {
    let mut body = match &core.snapshots {
        None => json!({ "configured": false }),
        Some(snapshots) => {
            let report = snapshots.report(call.now).await?;
            let encode = |_| ApiError::Internal(InternalCause::Encode("snapshots"));
            let mut body = serde_json::to_value(report).map_err(encode)?;
            body["configured"] = json!(true);
            body
        }
    };
    body["restored"] = match core.restored().await? {
        Some((restored, authentic)) => json!({
            "from": restored.from,
            "taken": restored.taken,
            "at": restored.at,
            "epoch": restored.epoch,
            "authentic": authentic,
        }),
        None => Value::Null,
    };
    Ok(Reply::ok(body))
}

/// `POST`: asks for one, and says which; it is not waited for.
fn ask(core: &Core, call: &Call) -> Result<Reply, ApiError> {
    let snapshots = core.snapshots.as_ref().ok_or_else(|| {
        ApiError::invalid(
            "no place for snapshots is declared: start the authority with --snapshot-dir",
        )
    })?;
    match snapshots.request(call.now)? {
        Asked::Coming(coming) => Ok(Reply::ok(json!({ "name": coming.name }))),
        Asked::TooSoon => Err(ApiError::Busy),
    }
}
