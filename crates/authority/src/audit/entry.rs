//! What one line says (field names as in Vault's audit log; reference: audit).
//!
//! Both lines of a request begin alike: that part is written once. Text goes straight into the line,
//! without a tree of values in between: every request passes here twice.

use std::net::SocketAddr;

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use regent_types::json::Object;
use regent_types::{Json, Sensitive};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::mounts::Mount;
use crate::reply::{AuthReply, Reply, WrapReply};
use crate::request::{Caller, Operation};
use crate::wipe::Data;

/// The HMAC of this device, keyed.
pub(crate) struct Salt(Option<Hmac<Sha256>>);

#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Names the request; in the answer's envelope too.
    pub(crate) id: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) op: Operation,
    /// The whole path below `/v1/`.
    pub(crate) path: &'a str,
    /// The mount, if one has this path.
    pub(crate) mount: Option<&'a Mount>,
    /// Whose token it is, if it is good.
    pub(crate) caller: Option<&'a Caller>,
    /// The token as it came.
    pub(crate) token: Option<&'a Sensitive<String>>,
    /// The peer's address; `None` if it is not known.
    pub(crate) remote: Option<SocketAddr>,
}

/// The lines of one request that are not written yet, and how both of them begin.
pub(crate) struct Entries<'a> {
    salt: Option<&'a Salt>,
    subject: Subject<'a>,
    /// `"auth":{…},"request":{…`, without the brace at its end.
    common: Vec<u8>,
    pending: Vec<u8>,
}

impl Salt {
    /// A salt of 32 random bytes. The keyed state stands for the key: who reads this process's memory
    /// can check guesses about logged values.
    pub(crate) fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        // HMAC takes keys of any length: it does not fail; without it every value is hidden alike.
        Self(Hmac::new_from_slice(key.as_slice()).ok())
    }

    /// Appends `"hmac-sha256:…"`, quotes included.
    fn write(&self, out: &mut Vec<u8>, text: &str) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        out.extend_from_slice(b"\"hmac-sha256:");
        if let Some(keyed) = &self.0 {
            let mut mac = keyed.clone();
            mac.update(text.as_bytes());
            for byte in mac.finalize().into_bytes() {
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
        }
        out.push(b'"');
    }

    /// The same shape with every string and number as its HMAC. A PIN is a number.
    fn hide(&self, out: &mut Vec<u8>, value: &Json) {
        match value {
            Json::String(text) => self.write(out, text),
            Json::Number(token) => self.write(out, token.as_str()),
            Json::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.hide(out, item);
                }
                out.push(b']');
            }
            Json::Object(map) => self.hide_map(out, map),
            Json::Bool(_) | Json::Null => plain(out, value),
        }
    }

    fn hide_map(&self, out: &mut Vec<u8>, map: &Object) {
        out.push(b'{');
        for (name, value) in map {
            key(out, name);
            self.hide(out, value);
        }
        out.push(b'}');
    }
}

impl<'a> Entries<'a> {
    /// Nothing is pending yet. Without a salt no data is told, nor whose token it is.
    pub(crate) fn new(salt: Option<&'a Salt>, subject: Subject<'a>) -> Self {
        let mut common = Vec::with_capacity(1024);
        write_common(&mut common, salt, &subject);
        Self { salt, subject, common, pending: Vec::new() }
    }

    /// Adds the line before the effect.
    pub(crate) fn request(&mut self, data: &Data, error: Option<&ApiError>) {
        self.begin("request");
        if let Some(salt) = self.salt
            && !data.is_empty()
        {
            key(&mut self.pending, "data");
            salt.hide_map(&mut self.pending, data);
        }
        self.pending.push(b'}');
        self.end(error);
    }

    /// Adds the line after the effect; without a salt only whether it failed.
    pub(crate) fn response(&mut self, result: &Result<Reply, ApiError>) {
        self.begin("response");
        self.pending.push(b'}');
        let out = &mut self.pending;
        if let (Ok(reply), Some(salt)) = (result, self.salt) {
            key(out, "response");
            out.push(b'{');
            if let Some(data) = &reply.data {
                key(out, "data");
                if self.subject.op == Operation::List {
                    count(out, data)
                } else {
                    salt.hide(out, data)
                }
            }
            if let Some(auth) = &reply.auth {
                key(out, "auth");
                issued(out, salt, auth);
            }
            if let Some(wrap) = &reply.wrap {
                key(out, "wrap_info");
                wrapped(out, salt, wrap);
            }
            if !reply.warnings.is_empty() {
                member(out, "warnings", &reply.warnings.len());
            }
            out.push(b'}');
        }
        self.end(result.as_ref().err());
    }

    /// The lines that are pending, which are not any more.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn begin(&mut self, kind: &str) {
        let out = &mut self.pending;
        out.reserve(self.common.len() + 512);
        out.extend_from_slice(b"{\"time\":\"");
        // Writing to a vector does not fail.
        let _ = std::io::Write::write_fmt(out, format_args!("{}", self.subject.now));
        out.extend_from_slice(b"\",\"type\":");
        plain(out, &kind);
        out.push(b',');
        out.extend_from_slice(&self.common);
    }

    /// Errors name fields and paths, never values; internal ones say no more than that.
    fn end(&mut self, error: Option<&ApiError>) {
        if let Some(error) = error {
            member(&mut self.pending, "error", &error.to_string());
        }
        self.pending.extend_from_slice(b"}\n");
    }
}

fn write_common(out: &mut Vec<u8>, salt: Option<&Salt>, subject: &Subject<'_>) {
    let mut accessor = Vec::new();
    if let (Some(salt), Some(caller)) = (salt, subject.caller) {
        salt.write(&mut accessor, &caller.accessor);
        out.extend_from_slice(b"\"auth\":{\"accessor\":");
        out.extend_from_slice(&accessor);
        member(out, "display_name", &caller.display_name);
        member(out, "policies", &caller.policies);
        member(out, "metadata", &caller.metadata);
        out.extend_from_slice(b"},");
    }
    out.extend_from_slice(b"\"request\":{");
    member(out, "id", &subject.id);
    member(out, "operation", &subject.op.name());
    member(out, "path", &subject.path);
    out.extend_from_slice(b",\"namespace\":{\"id\":\"root\"}");
    if let Some(mount) = subject.mount {
        member(out, "mount_point", &mount.path);
        member(out, "mount_type", &mount.kind);
        member(out, "mount_accessor", &mount.accessor);
    }
    if let Some(remote) = subject.remote {
        member(out, "remote_address", &remote.ip());
        member(out, "remote_port", &remote.port());
    }
    if let (Some(salt), Some(token)) = (salt, subject.token) {
        key(out, "client_token");
        salt.write(out, token.expose());
    }
    if !accessor.is_empty() {
        key(out, "client_token_accessor");
        out.extend_from_slice(&accessor);
    }
}

fn issued(out: &mut Vec<u8>, salt: &Salt, auth: &AuthReply) {
    out.extend_from_slice(b"{\"client_token\":");
    salt.write(out, auth.client_token.expose());
    key(out, "accessor");
    salt.write(out, &auth.accessor);
    member(out, "policies", &auth.policies);
    member(out, "metadata", &auth.metadata);
    member(out, "token_type", &auth.token_type);
    member(out, "lease_duration", &auth.lease_duration_s);
    out.push(b'}');
}

fn wrapped(out: &mut Vec<u8>, salt: &Salt, wrap: &WrapReply) {
    out.extend_from_slice(b"{\"token\":");
    salt.write(out, wrap.token.expose());
    key(out, "accessor");
    salt.write(out, &wrap.accessor);
    member(out, "ttl", &wrap.ttl_s);
    member(out, "creation_time", &wrap.created.to_string());
    member(out, "creation_path", &wrap.path);
    out.push(b'}');
}

/// A listing's names are elided: their number says enough, and hashing thousands of them costs.
fn count(out: &mut Vec<u8>, data: &Json) {
    let keys = data.get("keys").and_then(Json::as_array).map_or(0, <[Json]>::len);
    out.push(b'{');
    member(out, "keys", &keys);
    out.push(b'}');
}

/// Begins a member of an object, after a comma where one went before.
fn key(out: &mut Vec<u8>, name: &str) {
    if out.last().is_some_and(|last| *last != b'{') {
        out.push(b',');
    }
    plain(out, &name);
    out.push(b':');
}

/// A member of an object, in clear.
fn member(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    key(out, name);
    plain(out, value);
}

/// Texts, numbers and lists of them always encode, and a vector takes all.
fn plain(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(out, value);
}
