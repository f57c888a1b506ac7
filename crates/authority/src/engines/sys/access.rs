//! What clients ask before they act: what may I do, what is mounted there (reference: CLI verbs).

use serde_json::{Map, Value, json};

use super::mounts::{Side, describe};
use crate::engines::{Call, Fault, Reply, fields};
use crate::lifecycle::Active;
use crate::policy::Acl;

/// Paths in one question.
const PATHS_MAX: usize = 256;

/// `sys/capabilities-self` {paths | path}.
pub(super) fn capabilities_self(acl: &Acl, call: &Call) -> Result<Reply, Fault> {
    super::write_only(call)?;
    let mut paths = fields::texts(&call.data, "paths")?.unwrap_or_default();
    paths.extend(fields::texts(&call.data, "path")?.unwrap_or_default());
    if paths.is_empty() || paths.len() > PATHS_MAX {
        return Err(Fault::invalid(format!("paths: expected 1 to {PATHS_MAX} paths")));
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

/// `sys/internal/ui/mounts`: the mounts below which this token may do anything at all.
pub(super) fn visible_mounts(active: &Active, acl: &Acl) -> Reply {
    let (mut secret, mut auth) = (Map::new(), Map::new());
    for mount in active.mounts.all().iter().filter(|mount| acl.any_below(&mount.path)) {
        match mount.path.strip_prefix(Side::Auth.prefix()) {
            Some(path) => auth.insert(path.to_owned(), describe(mount)),
            None => secret.insert(mount.path.clone(), describe(mount)),
        };
    }
    Reply::ok(json!({"secret": secret, "auth": auth}))
}

/// `sys/internal/ui/mounts/{path}`: the mount of a path; 403 whether it is hidden or not there.
pub(super) fn mount_of(active: &Active, acl: &Acl, path: &str) -> Result<Reply, Fault> {
    let path = format!("{}/", path.trim_end_matches('/'));
    let mounted = active.mounts.find(&path).ok_or(Fault::Denied)?;
    if !acl.any_below(&mounted.mount.path) {
        return Err(Fault::Denied);
    }
    let mut body = describe(&mounted.mount);
    body["path"] = json!(mounted.mount.path);
    Ok(Reply::ok(body))
}
