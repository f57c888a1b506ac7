//! One request from token to answer: parse → token → policy → audit → engine → audit → reply.
//!
//! **Architecture invariant `audited-or-refused`:** no engine that could change something is called
//! before its request's line is written, and no answer leaves before both of its lines are. What
//! only reads, or is refused, has nothing to undo: its two lines are written together.

use std::sync::Arc;

use jiff::Timestamp;
use regent_types::Sensitive;

use crate::audit::{Entries, Subject};
use crate::engines::engine::{Context, Engine, matches};
use crate::engines::sys::system_access::SystemAccess;
use crate::engines::{self, sys};
use crate::error::ApiError;
use crate::lifecycle::{Core, Kind, Unsealed};
use crate::mounts::{MountKind, Mounted};
use crate::policy::Acl;
use crate::reply::Reply;
use crate::request::schema::{self, Schema};
use crate::request::{Call, Caller, Operation, Request};
use crate::wrapping;

/// Whose request it is and what that allows.
enum Access {
    /// A path that needs no token.
    Unauthenticated,
    /// A good token's caller, and the rules of all of its policies.
    Authenticated(Arc<Caller>, Arc<Acl>),
}

/// The mount that a path lies below, and what answers there.
struct Route {
    mounted: Mounted,
    engine: &'static dyn Engine,
}

/// What a request on `path` needs before it is answered.
pub(crate) fn kind(core: &Core, path: &str) -> Kind {
    if sys::unauthenticated::serves(path) {
        return Kind::System;
    }
    let Some(unsealed) = core.unsealed() else { return Kind::Call };
    match Route::find(&unsealed, path) {
        Some(route) if matches(route.engine.unauthenticated(), &split(path, Some(&route)).0) => {
            Kind::Login
        }
        Some(_) | None => Kind::Call,
    }
}

/// Whether a body is worth reading: nobody's is who shows a token that is no good. It counts no use
/// of the token.
pub(crate) async fn may_send(
    core: &Core,
    kind: Kind,
    token: Option<&Sensitive<String>>,
    now: Timestamp,
) -> Result<bool, ApiError> {
    if kind != Kind::Call {
        return Ok(true);
    }
    let (Some(unsealed), Some(token)) = (core.unsealed(), token) else { return Ok(false) };
    Ok(unsealed.services.tokens.find(token, now).await?.is_some())
}

/// Answers one request. It runs to its end even if the client goes away.
pub(crate) async fn handle(core: &Core, request: Request) -> Result<Reply, ApiError> {
    if sys::unauthenticated::serves(&request.path) {
        return answer_unauthenticated(core, request).await;
    }
    let unsealed = core.unsealed().ok_or(ApiError::Sealed)?;
    let route = Route::find(&unsealed, &request.path);
    let route = route.as_ref();
    let (below, mount_path) = split(&request.path, route);

    let access = if route.is_some_and(|route| route.is_open(&below, request.token.is_some())) {
        Ok(Access::Unauthenticated)
    } else {
        authenticate(&unsealed, &request).await
    };
    bound_strangers(core, &access, &request)?;
    let is_login = matches!(access, Ok(Access::Unauthenticated));
    let caller = access.as_ref().ok().and_then(Access::caller).cloned();
    let repeated = request.token.as_ref().filter(|_| route.is_some_and(|r| r.shows_token(&below)));
    let mut call = Call {
        op: request.op,
        path: below,
        mount: mount_path,
        data: request.data,
        caller: caller.clone(),
        token: repeated.map(Sensitive::duplicate),
        wrap_ttl_s: request.wrap_ttl_s,
        now: request.now,
    };
    let permitted = match &access {
        Ok(access) => permit(core, &unsealed, access, route, &request.path, &mut call).await,
        Err(_) => Err(ApiError::Denied),
    };
    let schema = route.map_or(Schema::NONE, |route| route.engine.fields(&call.path, call.op));
    let permitted = permitted.and_then(|()| schema.judge(&call.data));

    let subject = Subject {
        id: &request.id,
        now: request.now,
        op: call.op,
        path: &request.path,
        mount: route.map(|route| &*route.mounted.mount),
        caller: caller.as_deref(),
        token: request.token.as_ref(),
        remote: request.remote,
    };
    let mut entries = Entries::new(Some(&unsealed.salt), subject);
    entries.request(&call.data, permitted.as_ref().err());
    if permitted.is_ok() && !call.op.only_reads() {
        core.audit.append(&mut entries).await?;
    }
    let result = match (access, permitted) {
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        (Ok(access), Ok(ignored)) => match route {
            Some(route) => {
                let cx = route.context(core, &unsealed, access.acl());
                let reply = route.engine.call(cx, call).await;
                wrapped(&unsealed, &subject, request.wrap_ttl_s, warned(reply, &ignored)).await
            }
            None => Err(ApiError::NoHandler(call.path)),
        },
    };
    if is_login && result.is_err() {
        // Whether it is one too many, the next one is told.
        core.strangers.admits(request.remote, request.now);
    }
    entries.response(&result);
    core.audit.append(&mut entries).await?;
    result
}

/// The same with a warning that names the fields that nothing acted on.
fn warned(reply: Result<Reply, ApiError>, ignored: &[String]) -> Result<Reply, ApiError> {
    if ignored.is_empty() { reply } else { reply.map(|reply| reply.warn(schema::ignored(ignored))) }
}

/// The same, or the token that fetches it if the request asked for that.
async fn wrapped(
    unsealed: &Unsealed,
    subject: &Subject<'_>,
    ttl_s: u64,
    reply: Result<Reply, ApiError>,
) -> Result<Reply, ApiError> {
    match reply {
        Ok(reply) if ttl_s > 0 && !hands_out(subject.path) => {
            let tokens = &unsealed.services.tokens;
            wrapping::wrap(tokens, subject.path, ttl_s, reply, subject.now).await
        }
        reply => reply,
    }
}

/// Whether a path hands out what was wrapped, which is answered as it is.
fn hands_out(path: &str) -> bool {
    path.strip_prefix("sys/wrapping/").is_some_and(|verb| verb != "wrap")
}

/// The paths that need no token and work while sealed: audited without data when they change
/// something.
async fn answer_unauthenticated(core: &Core, request: Request) -> Result<Reply, ApiError> {
    let Request { id, now, op, path, data, token: _, wrap_ttl_s: _, remote } = request;
    if op != Operation::Read && !core.strangers.admits(remote, now) {
        return Err(ApiError::Busy);
    }
    let subject =
        Subject { id: &id, now, op, path: &path, mount: None, caller: None, token: None, remote };
    let ignored = sys::unauthenticated::fields(&path, op).judge(&data);
    if op == Operation::Read {
        let ignored = ignored?;
        return warned(sys::unauthenticated::call(core, op, &path, data, now).await, &ignored);
    }
    let mut entries = Entries::new(None, subject);
    entries.request(&data, ignored.as_ref().err());
    core.audit.append(&mut entries).await?;
    let result = match ignored {
        Ok(ignored) => {
            warned(sys::unauthenticated::call(core, op, &path, data, now).await, &ignored)
        }
        Err(error) => Err(error),
    };
    entries.response(&result);
    core.audit.append(&mut entries).await?;
    result
}

/// Whoever has no good token has so many lines in the audit log; who wants more is refused without.
fn bound_strangers(
    core: &Core,
    access: &Result<Access, ApiError>,
    request: &Request,
) -> Result<(), ApiError> {
    let admitted = match access {
        Ok(Access::Authenticated(..)) => true,
        // A login that succeeds is nobody's whom this is about.
        Ok(Access::Unauthenticated) => core.strangers.would_admit(request.remote, request.now),
        Err(_) => core.strangers.admits(request.remote, request.now),
    };
    if admitted { Ok(()) } else { Err(ApiError::Busy) }
}

/// Every reason why a token is no good looks the same from outside.
async fn authenticate(unsealed: &Unsealed, request: &Request) -> Result<Access, ApiError> {
    let token = request.token.as_ref().ok_or(ApiError::Denied)?;
    let caller = unsealed.services.tokens.authenticate(token, request.now).await?;
    let caller = caller.ok_or(ApiError::Denied)?;
    let acl = unsealed.services.policies.acl_of(&caller).await?;
    Ok(Access::Authenticated(caller, acl))
}

/// Whether this access allows this call; settles whether a write creates or updates.
async fn permit(
    core: &Core,
    unsealed: &Unsealed,
    access: &Access,
    route: Option<&Route>,
    path: &str,
    call: &mut Call,
) -> Result<(), ApiError> {
    let Access::Authenticated(_, acl) = access else { return Ok(()) };
    if route.is_some_and(|route| matches(route.engine.policy_free(), &call.path)) {
        return Ok(());
    }
    if let Some(route) = route
        && call.op.is_write()
    {
        let exists = route.engine.exists(route.context(core, unsealed, Some(acl)), call).await?;
        call.op = if exists == Some(false) { Operation::Create } else { Operation::Update };
    }
    let sudo_paths = route.map_or(&[][..], |route| route.engine.sudo());
    let decision = acl.allows(call.op, path, &call.data, call.wrap_ttl_s);
    if !decision.allowed || (matches(sudo_paths, &call.path) && !decision.sudo) {
        return Err(ApiError::Denied);
    }
    Ok(())
}

impl Access {
    fn caller(&self) -> Option<&Arc<Caller>> {
        match self {
            Self::Unauthenticated => None,
            Self::Authenticated(caller, _) => Some(caller),
        }
    }

    fn acl(&self) -> Option<&Acl> {
        match self {
            Self::Unauthenticated => None,
            Self::Authenticated(_, acl) => Some(acl),
        }
    }
}

impl Route {
    fn find(unsealed: &Unsealed, path: &str) -> Option<Self> {
        let mounted = unsealed.mounts.find(path)?;
        let engine = engines::engine(mounted.mount.kind);
        Some(Self { mounted, engine })
    }

    /// Whether the path needs no token; where one may be shown all the same, only without.
    fn is_open(&self, below: &str, is_token_shown: bool) -> bool {
        matches(self.engine.unauthenticated(), below)
            && !(is_token_shown && matches(self.engine.policy_free(), below))
    }

    /// Whether the engine speaks of the token itself.
    fn shows_token(&self, below: &str) -> bool {
        match self.mounted.mount.kind {
            MountKind::Token => true,
            MountKind::System => below.starts_with("wrapping/"),
            MountKind::Kv | MountKind::Kubernetes => false,
        }
    }

    fn context<'a>(
        &'a self,
        core: &'a Core,
        unsealed: &'a Unsealed,
        acl: Option<&'a Acl>,
    ) -> Context<'a> {
        Context {
            view: &self.mounted.view,
            mount: &self.mounted.mount,
            services: &unsealed.services,
            system: SystemAccess::new(core, unsealed, acl),
        }
    }
}

fn split(path: &str, route: Option<&Route>) -> (String, String) {
    let mount = route.map_or("", |route| route.mounted.mount.path.as_str());
    (path.strip_prefix(mount).unwrap_or(path).to_owned(), mount.to_owned())
}
