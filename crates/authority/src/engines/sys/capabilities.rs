//! What clients ask before they act: what may I do, what is mounted there (reference: CLI verbs).

use serde_json::{Map, Value, json};

use super::mounts::describe;
use super::side::Side;
use crate::error::ApiError;
use crate::lifecycle::Unsealed;
use crate::mounts::Mount;
use crate::policy::Acl;
use crate::reply::Reply;
use crate::request::{Call, fields};

/// Paths in one question.
const PATHS_MAX: usize = 256;

/// `sys/capabilities-self` {paths | path}.
pub(super) fn capabilities_self(acl: &Acl, call: &Call) -> Result<Reply, ApiError> {
    call.require_write()?;
    let mut paths = fields::texts(&call.data, "paths")?.unwrap_or_default();
    paths.extend(fields::texts(&call.data, "path")?.unwrap_or_default());
    if paths.is_empty() || paths.len() > PATHS_MAX {
        return Err(ApiError::invalid(format!("paths: expected 1 to {PATHS_MAX} paths")));
    }
    let mut body = Map::new();
    for path in &paths {
        body.insert(path.clone(), json!(acl.capabilities(path.trim_start_matches('/'))));
    }
    if let [only] = paths.as_slice() {
        body.insert("capabilities".to_owned(), json!(acl.capabilities(only)));
    }
    Ok(Reply::mirrored(Value::Object(body)))
}

/// `sys/internal/ui/mounts`: the mounts below which this token may do anything at all, and those that are
/// shown to anybody (`listing_visibility`), also without a token.
pub(super) fn visible_mounts(unsealed: &Unsealed, acl: Option<&Acl>) -> Reply {
    let (mut secret, mut auth) = (Map::new(), Map::new());
    let is_shown = |mount: &Mount| {
        mount.config.listing_visibility == "unauth"
            || acl.is_some_and(|acl| acl.any_below(&mount.path))
    };
    for mount in unsealed.mounts.all().iter().filter(|mount| is_shown(mount)) {
        match mount.path.strip_prefix(Side::Auth.prefix()) {
            Some(path) => auth.insert(path.to_owned(), describe(mount)),
            None => secret.insert(mount.path.clone(), describe(mount)),
        };
    }
    Reply::ok(json!({"secret": secret, "auth": auth}))
}

/// `sys/internal/ui/mounts/{path}`: the mount of a path; 403 whether it is hidden or not there.
pub(super) fn mount_of(unsealed: &Unsealed, acl: &Acl, path: &str) -> Result<Reply, ApiError> {
    let path = format!("{}/", path.trim_end_matches('/'));
    let mounted = unsealed.mounts.find(&path).ok_or(ApiError::Denied)?;
    if !acl.any_below(&mounted.mount.path) {
        return Err(ApiError::Denied);
    }
    let mut body = describe(&mounted.mount);
    body["path"] = json!(mounted.mount.path);
    Ok(Reply::ok(body))
}
