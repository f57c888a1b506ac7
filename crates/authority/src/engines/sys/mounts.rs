//! `sys/mounts` and `sys/auth`: list, enable, read, tune, disable.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::mount_settings::{ENABLE, TUNE, apply, kind};
use super::side::Side;
use crate::error::ApiError;
use crate::lifecycle::Unsealed;
use crate::mounts::{Mount, MountKind};
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation};
use crate::wipe::Data;

/// Longest path of a mount, in bytes.
const PATH_LEN_MAX: usize = 128;

/// Paths that are no one's to take or remove.
const RESERVED: [&str; 5] = ["sys/", "auth/", "audit/", "cubbyhole/", "identity/"];

pub(super) async fn call(
    unsealed: &Unsealed,
    side: Side,
    tail: &str,
    call: Call,
) -> Result<Reply, ApiError> {
    if tail.is_empty() {
        return if call.op == Operation::Read {
            Ok(list(unsealed, side))
        } else {
            Err(ApiError::Unsupported)
        };
    }
    // Vault serves auth methods' settings here too, without `sudo`: `bao auth tune` asks for them here.
    if let Some(of) = tail.strip_suffix("/tune") {
        let path = path(side, of)?;
        return match call.op {
            Operation::Read => read_config(unsealed, &path),
            Operation::Create | Operation::Update => tune(unsealed, &path, call.data).await,
            _ => Err(ApiError::Unsupported),
        };
    }
    let path = path(side, tail)?;
    if side == Side::Secrets && path.starts_with("auth/") {
        // Otherwise this would be a way around the `sudo` that `sys/auth` asks for.
        return Err(ApiError::invalid("mounts below auth/ are managed at sys/auth"));
    }
    match call.op {
        Operation::Read => {
            let mount = unsealed.mounts.at(&path).ok_or_else(|| missing(&path))?;
            Ok(Reply::ok(describe(&mount)))
        }
        Operation::Create | Operation::Update => {
            let mut mount = Mount::new(&path, kind(side, &call.data)?, "")?;
            refuse_reserved(&path)?;
            apply(&mut mount, &call.data)?;
            if mount.kind == MountKind::Kv {
                mount.options.insert("version".to_owned(), "2".to_owned());
            }
            unsealed.mounts.add(mount).await?;
            Ok(Reply::no_content())
        }
        Operation::Delete => {
            refuse_reserved(&path)?;
            if path == "auth/token/" {
                return Err(ApiError::invalid("token credential backend cannot be disabled"));
            }
            unsealed.mounts.remove(&path).await?;
            unsealed.finish_removals().await?;
            Ok(Reply::no_content())
        }
        Operation::Patch | Operation::List => Err(ApiError::Unsupported),
    }
}

/// Fields of the requests below `sys/mounts` and `sys/auth`.
pub(super) fn fields(tail: &str, op: Operation) -> Schema {
    match op {
        Operation::Create | Operation::Update if tail.ends_with("/tune") => TUNE,
        Operation::Create | Operation::Update => ENABLE,
        Operation::Read | Operation::Patch | Operation::Delete | Operation::List => Schema::NONE,
    }
}

/// One mount as every endpoint describes it.
pub(super) fn describe(mount: &Mount) -> Value {
    json!({
        "type": mount.kind.name(),
        "description": mount.description,
        "accessor": mount.accessor,
        "uuid": mount.uuid,
        "config": config(mount, mount.config.default_lease_ttl_s, mount.config.max_lease_ttl_s),
        "options": options(mount),
        "local": false,
        "seal_wrap": false,
        "external_entropy_access": false,
        "plugin_version": "",
        "running_plugin_version": "",
        "running_sha256": "",
        "deprecation_status": "supported",
    })
}

fn config(mount: &Mount, default_s: u64, max_s: u64) -> Value {
    let mut config = json!({
        "default_lease_ttl": default_s,
        "max_lease_ttl": max_s,
        "force_no_cache": false,
    });
    if mount.path.starts_with("auth/") {
        config["token_type"] = json!(mount.config.token_type());
    }
    if !mount.config.listing_visibility.is_empty() {
        config["listing_visibility"] = json!(mount.config.listing_visibility);
    }
    config
}

fn options(mount: &Mount) -> Value {
    if mount.options.is_empty() { Value::Null } else { json!(mount.options) }
}

fn list(unsealed: &Unsealed, side: Side) -> Reply {
    let mounts = unsealed.mounts.all();
    let mounts = mounts.iter().filter(|mount| side.has(mount));
    let entry = |mount: &Arc<Mount>| {
        let path = mount.path.strip_prefix(side.prefix()).unwrap_or(&mount.path);
        (path.to_owned(), describe(mount))
    };
    Reply::mirrored(Value::Object(mounts.map(entry).collect::<Map<_, _>>()))
}

fn read_config(unsealed: &Unsealed, path: &str) -> Result<Reply, ApiError> {
    let mount = unsealed.mounts.at(path).ok_or_else(|| missing(path))?;
    let mut body = config(&mount, mount.default_lease_ttl_s(), mount.max_lease_ttl_s());
    body["description"] = json!(mount.description);
    body["options"] = options(&mount);
    Ok(Reply::ok(body))
}

async fn tune(unsealed: &Unsealed, path: &str, data: Data) -> Result<Reply, ApiError> {
    unsealed.mounts.tune(path, move |mount| apply(mount, &data)).await?;
    Ok(Reply::no_content())
}

/// The full path of a mount, with its trailing `/`.
fn path(side: Side, name: &str) -> Result<String, ApiError> {
    let name = name.trim_end_matches('/');
    if name.is_empty() || name.len() > PATH_LEN_MAX || name.contains(['+', '*']) {
        return Err(ApiError::invalid("mount path: 1 to 128 bytes without '+' and '*'"));
    }
    Ok(format!("{}{name}/", side.prefix()))
}

fn refuse_reserved(path: &str) -> Result<(), ApiError> {
    let taken = RESERVED
        .iter()
        .any(|reserved| path == *reserved || (*reserved != "auth/" && path.starts_with(reserved)));
    if taken {
        Err(ApiError::invalid(format!("cannot mount or disable at {path:?}")))
    } else {
        Ok(())
    }
}

fn missing(path: &str) -> ApiError {
    ApiError::invalid(format!("No secret engine mount at {path}"))
}
