//! The one protobuf body that `kubectl` sends here: SelfSubjectAccessReview of `kubectl auth can-i`. Everything
//! else that a person types is JSON; other protobuf bodies are refused with 415.
//!
//! Envelope: magic `k8s\0`, then `runtime.Unknown {1: TypeMeta, 2: raw}`; field numbers from
//! `k8s.io/api/authorization/v1/generated.proto`.

use serde_json::{Map, Value, json};

use crate::status::Failure;

const MAGIC: &[u8] = b"k8s\0";
/// Fields of one message; the messages read here have fewer than ten.
const FIELDS_MAX: usize = 64;

/// Whether a body is protobuf.
pub(super) fn is(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// A SelfSubjectAccessReview as JSON.
pub(super) fn access_review(body: &[u8]) -> Result<Value, Failure> {
    let unknown = fields(&body[MAGIC.len()..])?;
    let meta = fields(bytes(&unknown, 1))?;
    if text(&meta, 2) != "SelfSubjectAccessReview" {
        return Err(refused());
    }
    let review = fields(bytes(&unknown, 2))?;
    let spec = fields(bytes(&review, 2))?;
    let resource = fields(bytes(&spec, 1))?;
    let names = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
    let mut found = Map::new();
    if spec.iter().any(|(number, _)| *number == 1) {
        let all = names
            .iter()
            .zip(1..)
            .map(|(name, at)| ((*name).to_owned(), text(&resource, at).into()));
        found.insert("resourceAttributes".into(), Value::Object(all.collect()));
    } else {
        let path = fields(bytes(&spec, 2))?;
        let path = json!({ "path": text(&path, 1), "verb": text(&path, 2) });
        found.insert("nonResourceAttributes".into(), path);
    }
    Ok(json!({ "spec": found }))
}

fn refused() -> Failure {
    Failure::new(415, "UnsupportedMediaType", "only JSON and YAML bodies are understood here")
}

type Fields<'a> = Vec<(u64, &'a [u8])>;

/// Length-delimited fields of a message; scalars are passed over.
fn fields(mut rest: &[u8]) -> Result<Fields<'_>, Failure> {
    let mut found = Vec::new();
    while !rest.is_empty() && found.len() < FIELDS_MAX {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => {
                varint(&mut rest)?;
            }
            2 => {
                let length = usize::try_from(varint(&mut rest)?).map_err(|_| refused())?;
                let value = rest.get(..length).ok_or_else(refused)?;
                found.push((key >> 3, value));
                rest = &rest[length..];
            }
            _ => return Err(refused()),
        }
    }
    Ok(found)
}

fn varint(rest: &mut &[u8]) -> Result<u64, Failure> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, tail) = rest.split_first().ok_or_else(refused)?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(refused())
}

fn bytes<'a>(fields: &Fields<'a>, number: u64) -> &'a [u8] {
    fields.iter().find(|(n, _)| *n == number).map_or(&[], |(_, value)| value)
}

fn text(fields: &Fields<'_>, number: u64) -> String {
    String::from_utf8_lossy(bytes(fields, number)).into_owned()
}
