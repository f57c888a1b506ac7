//! Bodies of health, seal-status, leader, key-status (reference: system endpoints).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::lifecycle::Core;
use crate::reply::{Reply, ReplyStatus};
use crate::request::fields;
use crate::storage::Condition;
use crate::wipe::Data;

const CLUSTER_NAME: &str = "regent";

/// `sys/health`: the status code says it all; callers may override each. It waits for nothing: not
/// for the disk, not for a turn, not for an unsealing under way.
///
/// `storage` and `audit` say whether the disk takes what is written. A disk that is full is no
/// reason to end a server that still answers reads: the code stays. One that can neither be read nor
/// written is (500).
pub(super) fn health(core: &Core, data: &Data, now: Timestamp) -> Result<Reply, ApiError> {
    let seal = core.seal_config();
    let sealed = core.unsealed().is_none();
    let condition = core.store.condition();
    let code = match (&seal, sealed) {
        _ if matches!(condition, Condition::Failed | Condition::Damaged) => 500,
        (None, _) => code(data, "uninitcode", 501)?,
        (Some(_), true) => code(data, "sealedcode", 503)?,
        (Some(_), false) => code(data, "activecode", 200)?,
    };
    let mut body = json!({
        "initialized": seal.is_some(),
        "sealed": sealed,
        "standby": sealed,
        "performance_standby": false,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": "disabled",
        "server_time_utc": now.as_second(),
        "version": core.version,
        "storage": match condition {
            Condition::Good => "ok",
            Condition::ReadOnly => "read-only: the disk refused the last write; it is tried again by itself",
            Condition::Failed => "failed: the data file can neither be read nor written",
            Condition::Damaged => "damaged: a page of the data file is not as it was written; restore a snapshot",
        },
        "audit": if core.audit.is_taking() {
            "ok"
        } else {
            "refusing: the last entry was not written, so its request was refused"
        },
    });
    if let Some(seal) = seal.filter(|_| !sealed) {
        body["cluster_name"] = json!(CLUSTER_NAME);
        body["cluster_id"] = json!(seal.config.cluster_id);
    }
    Ok(Reply::bare(body).status(ReplyStatus::Code(code)))
}

fn code(data: &Data, name: &str, usual: u16) -> Result<u16, ApiError> {
    let Some(code) = fields::count(data, name)? else { return Ok(usual) };
    u16::try_from(code)
        .ok()
        .filter(|code| (200..600).contains(code))
        .ok_or_else(|| ApiError::invalid(format!("{name}: not a status code")))
}

/// `sys/seal-status`: threshold and shares are 0 before initialization.
pub(super) async fn seal_status(core: &Core) -> Reply {
    let state = core.seal_state().await;
    let (threshold, shares) = match &state.stored {
        Some(seal) => (seal.config.threshold, seal.config.shares),
        None => (0, 0),
    };
    let mut body = json!({
        "type": "shamir",
        "initialized": state.stored.is_some(),
        "sealed": state.sealed,
        "t": threshold,
        "n": shares,
        "progress": state.progress,
        "nonce": state.nonce,
        "version": core.version,
        "build_date": "",
        "migration": false,
        "recovery_seal": false,
        "storage_type": "regent",
    });
    if let Some(seal) = state.stored.filter(|_| !state.sealed) {
        body["cluster_name"] = json!(CLUSTER_NAME);
        body["cluster_id"] = json!(seal.config.cluster_id);
    }
    Reply::bare(body)
}

/// `sys/leader`: there is one node, and it leads.
pub(super) fn leader(core: &Core) -> Result<Reply, ApiError> {
    core.unsealed().ok_or(ApiError::Sealed)?;
    Ok(Reply::bare(json!({
        "ha_enabled": false,
        "is_self": true,
        "active_time": "0001-01-01T00:00:00Z",
        "leader_address": "",
        "leader_cluster_address": "",
        "performance_standby": false,
        "performance_standby_last_remote_wal": 0,
    })))
}

/// `sys/key-status`: term, age and use of the newest key.
pub(super) fn key_status(core: &Core) -> Result<Reply, ApiError> {
    let status = core.barrier.keyring()?.status()?;
    let body: Value = json!({
        "term": status.term,
        "install_time": status.installed.to_string(),
        "encryptions": status.seals,
    });
    Ok(Reply::mirrored(body))
}
