//! One request from token to answer: parse → token → policy → audit → engine → audit → reply.
//!
//! **Architecture invariant `audited-or-refused`:** no engine is called before its request's line
//! is written, and no answer leaves before its own.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use regent_types::Sensitive;

use crate::audit::Subject;
use crate::engines::{self, Call, Caller, Cx, Data, Engine, Fault, Operation, Reply, sys};
use crate::lifecycle::{Active, Core};
use crate::mounts::{Kind, Mounted};
use crate::policy::Acl;

/// A request, parsed and checked for form only.
pub(crate) struct Request {
    /// Names it in the answer and in the audit log.
    pub(crate) id: String,
    /// When it came.
    pub(crate) now: Timestamp,
    /// What it wants; a write is an `Update` until the engine says otherwise.
    pub(crate) op: Operation,
    /// Path below `/v1/`, decoded; a list's ends in `/`.
    pub(crate) path: String,
    /// Body or query parameters.
    pub(crate) data: Data,
    /// The token.
    pub(crate) token: Option<Sensitive<String>>,
    /// Where it came from.
    pub(crate) remote: Option<SocketAddr>,
}

/// Whose request it is and what that allows.
enum Access {
    /// A path that needs no token.
    Open,
    /// A good token.
    Known(Arc<Caller>, Arc<Acl>),
}

/// Answers one request. It runs to its end even if the client goes away.
pub(crate) async fn handle(core: &Core, request: Request) -> Result<Reply, Fault> {
    if sys::open::serves(&request.path) {
        return open(core, request).await;
    }
    let active = core.active().ok_or(Fault::Sealed)?;
    let mounted = active.mounts.find(&request.path);
    let engine = mounted.as_ref().and_then(|mounted| engines::engine(mounted.mount.kind));
    let (below, mount_path) = split(&request.path, mounted.as_ref());

    let access = if engine.is_some_and(|e| engines::matches(e.unauthenticated(), &below)) {
        Ok(Access::Open)
    } else {
        authenticate(&active, &request).await
    };
    let caller = match &access {
        Ok(Access::Known(caller, _)) => Some(caller.clone()),
        Ok(Access::Open) | Err(_) => None,
    };
    let is_token_mount = mounted.as_ref().is_some_and(|m| m.mount.kind == Kind::Token);
    let repeated = request.token.as_ref().filter(|_| is_token_mount);
    let mut call = Call {
        op: request.op,
        path: below,
        mount: mount_path,
        data: request.data,
        caller: caller.clone(),
        token: repeated.map(Sensitive::duplicate),
        now: request.now,
    };
    let permitted = match &access {
        Ok(access) => {
            permit(&active, access, engine, mounted.as_ref(), &request.path, &mut call).await
        }
        Err(_) => Err(Fault::Denied),
    };

    let subject = Subject {
        id: &request.id,
        now: request.now,
        op: call.op,
        path: &request.path,
        mount: mounted.as_ref().map(|mounted| &*mounted.mount),
        caller: caller.as_deref(),
        token: request.token.as_ref(),
        remote: request.remote,
    };
    let salt = Some(&active.salt);
    core.audit.request(salt, &subject, &call.data, permitted.as_ref().err())?;
    let result = match (access, permitted) {
        (Err(fault), _) | (Ok(_), Err(fault)) => Err(fault),
        (Ok(access), Ok(())) => {
            dispatch(core, &active, &access, engine, mounted.as_ref(), call).await
        }
    };
    core.audit.response(salt, &subject, &result)?;
    result
}

/// The paths that need no token and work while sealed: audited without data when they change
/// something.
async fn open(core: &Core, request: Request) -> Result<Reply, Fault> {
    let Request { id, now, op, path, data, token: _, remote } = request;
    let subject =
        Subject { id: &id, now, op, path: &path, mount: None, caller: None, token: None, remote };
    if op == Operation::Read {
        return sys::open::call(core, op, &path, data, now).await;
    }
    core.audit.request(None, &subject, &data, None)?;
    let result = sys::open::call(core, op, &path, data, now).await;
    core.audit.response(None, &subject, &result)?;
    result
}

/// Every reason why a token is no good looks the same from outside.
async fn authenticate(active: &Active, request: &Request) -> Result<Access, Fault> {
    let token = request.token.as_ref().ok_or(Fault::Denied)?;
    let caller = active.services.tokens.authenticate(token, request.now).await?;
    let caller = caller.ok_or(Fault::Denied)?;
    let acl = active.services.policies.acl_of(&caller).await?;
    Ok(Access::Known(caller, acl))
}

/// Whether this access allows this call; settles whether a write creates or updates.
async fn permit(
    active: &Active,
    access: &Access,
    engine: Option<&'static dyn Engine>,
    mounted: Option<&Mounted>,
    path: &str,
    call: &mut Call,
) -> Result<(), Fault> {
    let Access::Known(_, acl) = access else { return Ok(()) };
    let is_system = mounted.is_some_and(|mounted| mounted.mount.kind == Kind::System);
    if is_system && engines::matches(sys::POLICY_FREE, &call.path) {
        return Ok(());
    }
    if let (Some(engine), Some(mounted)) = (engine, mounted)
        && call.op.is_write()
    {
        let exists = engine.exists(context(active, mounted), call).await?;
        call.op = if exists == Some(false) { Operation::Create } else { Operation::Update };
    }
    let sudo_paths = if is_system { sys::SUDO } else { engine.map_or(&[][..], Engine::sudo) };
    let decision = acl.allows(call.op, path, &call.data);
    if !decision.allowed || (engines::matches(sudo_paths, &call.path) && !decision.sudo) {
        return Err(Fault::Denied);
    }
    Ok(())
}

async fn dispatch(
    core: &Core,
    active: &Arc<Active>,
    access: &Access,
    engine: Option<&'static dyn Engine>,
    mounted: Option<&Mounted>,
    call: Call,
) -> Result<Reply, Fault> {
    match (mounted, engine, access) {
        (Some(mounted), Some(engine), _) => engine.call(context(active, mounted), call).await,
        // `sys/` is the one mount without an engine, and none of its paths below is open.
        (Some(_), None, Access::Known(_, acl)) => sys::call(core, active, acl, call).await,
        (None, _, _) | (Some(_), None, Access::Open) => Err(Fault::NoHandler(call.path)),
    }
}

fn context<'a>(active: &'a Active, mounted: &'a Mounted) -> Cx<'a> {
    Cx { view: &mounted.view, mount: &mounted.mount, services: &active.services }
}

fn split(path: &str, mounted: Option<&Mounted>) -> (String, String) {
    let mount = mounted.map_or("", |mounted| mounted.mount.path.as_str());
    (path.strip_prefix(mount).unwrap_or(path).to_owned(), mount.to_owned())
}
