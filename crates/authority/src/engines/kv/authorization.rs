//! The policy decision that only the key's lock can make.

use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::request::{Call, Operation};

/// Decides again, under the key's lock, what was decided when the path was absent: if it is there
/// now, this is an update, and the caller must be allowed that.
pub(super) async fn recheck(cx: Context<'_>, call: &Call, is_there: bool) -> Result<(), ApiError> {
    if call.op != Operation::Create || !is_there {
        return Ok(());
    }
    let caller = call.caller.as_deref().ok_or(ApiError::Denied)?;
    let acl = cx.services.policies.acl_of(caller).await?;
    let path = format!("{}{}", call.mount, call.path);
    let allowed = acl.allows(Operation::Update, &path, &call.data, call.wrap_ttl_s).allowed;
    if allowed { Ok(()) } else { Err(ApiError::Denied) }
}
