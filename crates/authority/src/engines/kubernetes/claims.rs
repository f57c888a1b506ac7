//! What a ServiceAccount token says of itself, unverified (Kubernetes: "Service account token
//! structure").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Longest token looked at: projected ones have about 1 KiB.
const JWT_LEN_MAX: usize = 16 << 10;

/// What a ServiceAccount token says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// Name of the Secret that a legacy token lies in; empty for a projected one.
    pub(super) secret: String,
    /// Unix seconds; a token that does not end has none.
    pub(super) expires_s: Option<i64>,
    pub(super) not_before_s: Option<i64>,
    pub(super) issued_s: Option<i64>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    exp: Option<NumericDate>,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    iat: Option<NumericDate>,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name", default)]
    secret: String,
    #[serde(rename = "kubernetes.io")]
    projected: Option<Projected>,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", default)]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name", default)]
    name: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid", default)]
    uid: String,
}

/// Seconds, with or without a fraction (RFC 7519, section 2).
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum NumericDate {
    Whole(i64),
    Fraction(f64),
}

impl NumericDate {
    /// Whole seconds; a date with a fraction is read as the second that it lies in.
    fn seconds(self) -> i64 {
        match self {
            Self::Whole(seconds) => seconds,
            Self::Fraction(seconds) => seconds as i64,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[derive(Deserialize)]
struct Projected {
    namespace: String,
    serviceaccount: Account,
}

#[derive(Deserialize)]
struct Account {
    name: String,
    uid: String,
}

/// The claims of `jwt`; `None` if it is no ServiceAccount token.
pub(super) fn read(jwt: &str) -> Option<Claims> {
    if jwt.len() > JWT_LEN_MAX {
        return None;
    }
    let mut parts = jwt.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    let raw: Raw = serde_json::from_slice(&payload).ok()?;
    let (namespace, name, uid) = match raw.projected {
        Some(projected) => {
            let account = projected.serviceaccount;
            (projected.namespace, account.name, account.uid)
        }
        None => (raw.namespace, raw.name, raw.uid),
    };
    let audiences = match raw.aud {
        Audience::One(audience) => vec![audience],
        Audience::Many(audiences) => audiences,
    };
    // No name in Kubernetes holds a colon; one here could make two accounts' user names alike.
    let named = |text: &str| !text.is_empty() && !text.contains(':');
    let whole = named(&namespace) && named(&name) && !uid.is_empty();
    let seconds = |date: Option<NumericDate>| date.map(NumericDate::seconds);
    whole.then(|| Claims {
        namespace,
        name,
        uid,
        issuer: raw.iss,
        audiences,
        secret: raw.secret,
        expires_s: seconds(raw.exp),
        not_before_s: seconds(raw.nbf),
        issued_s: seconds(raw.iat),
    })
}
