//! What an engine answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_types::{Json, Sensitive};

use crate::wipe::Payload;

/// An answer. Build it with the constructors; the data wipes itself on drop.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The `data` field of the envelope.
    pub(crate) data: Option<Payload>,
    /// A login's or token creation's result.
    pub(crate) auth: Option<AuthReply>,
    /// The answer lies wrapped, and this fetches it.
    pub(crate) wrap: Option<WrapReply>,
    /// Sentences for the client; a 204 with warnings becomes a 200.
    pub(crate) warnings: Vec<String>,
    pub(crate) status: ReplyStatus,
    /// Lease fields of the envelope.
    pub(crate) lease: Lease,
    /// How the body is laid out.
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyStatus {
    Ok,
    /// 204, or 200 if there are warnings.
    NoContent,
    /// 404 with the envelope: a deleted or destroyed KV version.
    NotFoundWithData,
    /// Another code, bare body: `sys/health`.
    Code(u16),
}

/// How the body is laid out (reference: envelope rules of the Vault API).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Envelope,
    /// Envelope whose `data` fields are repeated at the top: `sys/mounts`, `sys/policy` and others.
    Mirrored,
    /// The data alone: `sys/init`, `sys/seal-status` and others.
    Bare,
}

/// Lease fields of the envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: String,
    pub(crate) duration_s: u64,
    pub(crate) renewable: bool,
}

/// The `auth` field: a token that was just issued or renewed.
#[derive(Debug)]
pub(crate) struct AuthReply {
    /// Sent in clear; the audit log has its HMAC.
    pub(crate) client_token: Sensitive<String>,
    /// Names the token where the token itself must not be: `lookup-accessor`, audit.
    pub(crate) accessor: String,
    /// Names of its policies, sorted, each once.
    pub(crate) policies: Vec<String>,
    /// What the login noted.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Seconds that it lives; 0 for ever.
    pub(crate) lease_duration_s: u64,
    /// Whether it can be renewed.
    pub(crate) renewable: bool,
    /// Whether it outlives its parent.
    pub(crate) orphan: bool,
    /// Uses left; 0 without bound.
    pub(crate) num_uses: u64,
    /// Always `service`: batch tokens are not issued.
    pub(crate) token_type: &'static str,
}

/// The `wrap_info` field: a token that fetches the answer, once.
#[derive(Debug)]
pub(crate) struct WrapReply {
    /// Sent in clear; the audit log has its HMAC.
    pub(crate) token: Sensitive<String>,
    /// Names the token where the token itself must not be.
    pub(crate) accessor: String,
    /// Seconds that it lives.
    pub(crate) ttl_s: u64,
    /// When the answer was wrapped.
    pub(crate) created: Timestamp,
    /// Path of the request that it answers.
    pub(crate) path: String,
    /// Accessor of the token in the answer, if it holds one.
    pub(crate) wrapped_accessor: Option<String>,
}

impl Reply {
    /// 200 with `data` in the envelope.
    pub(crate) fn ok(data: impl Into<Json>) -> Self {
        Self { data: Some(Payload::new(data)), ..Self::empty(ReplyStatus::Ok) }
    }

    /// 204, unless a warning is added.
    pub(crate) fn no_content() -> Self {
        Self::empty(ReplyStatus::NoContent)
    }

    /// 404 with the envelope: a deleted or destroyed KV version.
    pub(crate) fn not_found_with_data(data: impl Into<Json>) -> Self {
        Self { data: Some(Payload::new(data)), ..Self::empty(ReplyStatus::NotFoundWithData) }
    }

    /// 200 with `auth` in the envelope: a token issued or renewed.
    pub(crate) fn auth(auth: AuthReply) -> Self {
        Self { auth: Some(auth), ..Self::empty(ReplyStatus::Ok) }
    }

    /// 200 with `wrap_info` alone.
    pub(crate) fn wrapped(wrap: WrapReply) -> Self {
        Self { wrap: Some(wrap), ..Self::empty(ReplyStatus::Ok) }
    }

    /// 200 with `data` both in the envelope and at the top.
    pub(crate) fn mirrored(data: impl Into<Json>) -> Self {
        Self { shape: Shape::Mirrored, ..Self::ok(data) }
    }

    /// 200 with `data` alone.
    pub(crate) fn bare(data: impl Into<Json>) -> Self {
        Self { shape: Shape::Bare, ..Self::ok(data) }
    }

    /// The same with one more warning.
    #[must_use]
    pub(crate) fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// The same with another success.
    #[must_use]
    pub(crate) fn status(mut self, status: ReplyStatus) -> Self {
        self.status = status;
        self
    }

    fn empty(status: ReplyStatus) -> Self {
        Self {
            data: None,
            auth: None,
            wrap: None,
            warnings: Vec::new(),
            status,
            lease: Lease::default(),
            shape: Shape::Envelope,
        }
    }
}
