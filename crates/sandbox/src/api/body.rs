//! The body of a request as JSON.

use bytes::Bytes;
use http::header;
use serde_json::Value;

use super::{media, protobuf};
use crate::status::Failure;

/// The object in a body, whichever of the known forms it has.
pub(super) fn read(headers: &http::HeaderMap, body: &Bytes) -> Result<Value, Failure> {
    if protobuf::is(body) {
        return protobuf::decode(body);
    }
    if media::media_type(headers, header::CONTENT_TYPE) == "application/yaml" {
        return yaml(body);
    }
    serde_json::from_slice(body)
        .map_err(|e| Failure::bad_request(format!("the body is not JSON: {e}")))
}

/// YAML, of which JSON is a part.
pub(super) fn yaml(body: &Bytes) -> Result<Value, Failure> {
    let bad = |what: &str| Failure::bad_request(format!("error decoding YAML: {what}"));
    let text = std::str::from_utf8(body).map_err(|_| bad("not UTF-8"))?;
    serde_json::from_str(text).or_else(|_| serde_saphyr::from_str(text).map_err(|_| bad("no YAML")))
}
