//! Media types of requests.

use http::HeaderMap;
use http::header::HeaderName;

use crate::status::Failure;

/// The media type of a header, without its parameters.
pub(super) fn media_type(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// 415: `accepted` would have been understood.
pub(super) fn unsupported(accepted: &str) -> Failure {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}"
    );
    Failure::new(415, "UnsupportedMediaType", message)
}
