//! Protobuf bodies of what `kubectl create` and `kubectl auth` send; everything else that a person types is JSON, and
//! other protobuf bodies are refused with 415.
//!
//! Envelope: magic `k8s\0`, then `runtime.Unknown {1: TypeMeta, 2: raw}`. Field numbers are those of the
//! `generated.proto` files in `k8s.io/api` and `k8s.io/apimachinery`.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::media;
use crate::status::Failure;

const MAGIC: &[u8] = b"k8s\0";
/// Fields of one message, repeated ones counted each: data of a Secret has as many as it has keys.
const FIELDS_MAX: usize = 4_096;

/// Whether a body is protobuf.
pub(super) fn is(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// What a field holds.
enum Of {
    Text,
    Bytes,
    Number,
    Flag,
    Map(&'static Of),
    Message(Message),
    /// Any number of these.
    List(&'static Of),
}

/// Number, name and type of each field.
type Message = &'static [(u64, &'static str, Of)];

const META: (u64, &str, Of) = (1, "metadata", Of::Message(OBJECT_META));
const TEXTS: Of = Of::List(&Of::Text);
const OBJECT_META: Message = &[
    (1, "name", Of::Text),
    (2, "generateName", Of::Text),
    (3, "namespace", Of::Text),
    (11, "labels", Of::Map(&Of::Text)),
    (12, "annotations", Of::Map(&Of::Text)),
    (14, "finalizers", TEXTS),
];
const SECRET: Message = &[
    META,
    (2, "data", Of::Map(&Of::Bytes)),
    (3, "type", Of::Text),
    (4, "stringData", Of::Map(&Of::Text)),
    (5, "immutable", Of::Flag),
];
const CONFIG_MAP: Message = &[
    META,
    (2, "data", Of::Map(&Of::Text)),
    (3, "binaryData", Of::Map(&Of::Bytes)),
    (4, "immutable", Of::Flag),
];
const RULE: Of = Of::Message(&[
    (1, "verbs", TEXTS),
    (2, "apiGroups", TEXTS),
    (3, "resources", TEXTS),
    (4, "resourceNames", TEXTS),
    (5, "nonResourceURLs", TEXTS),
]);
const SUBJECT: Of = Of::Message(&[
    (1, "kind", Of::Text),
    (2, "apiGroup", Of::Text),
    (3, "name", Of::Text),
    (4, "namespace", Of::Text),
]);
const BINDING: Message = &[
    META,
    (2, "subjects", Of::List(&SUBJECT)),
    (
        3,
        "roleRef",
        Of::Message(&[(1, "apiGroup", Of::Text), (2, "kind", Of::Text), (3, "name", Of::Text)]),
    ),
];
const TOKEN_REQUEST: Message = &[
    META,
    (2, "spec", Of::Message(&[(1, "audiences", TEXTS), (4, "expirationSeconds", Of::Number)])),
];
const RESOURCE: Message = &[
    (1, "namespace", Of::Text),
    (2, "verb", Of::Text),
    (3, "group", Of::Text),
    (4, "version", Of::Text),
    (5, "resource", Of::Text),
    (6, "subresource", Of::Text),
    (7, "name", Of::Text),
];
const ACCESS_REVIEW: Message = &[(
    2,
    "spec",
    Of::Message(&[
        (1, "resourceAttributes", Of::Message(RESOURCE)),
        (2, "nonResourceAttributes", Of::Message(&[(1, "path", Of::Text), (2, "verb", Of::Text)])),
    ]),
)];
const RULES_REVIEW: Message = &[(2, "spec", Of::Message(&[(1, "namespace", Of::Text)]))];

/// The message of each kind that is understood.
fn message(kind: &str) -> Option<Message> {
    Some(match kind {
        "Namespace" => &[META],
        "Secret" => SECRET,
        "ConfigMap" => CONFIG_MAP,
        "ServiceAccount" => &[META],
        "Role" | "ClusterRole" => &[META, (2, "rules", Of::List(&RULE))],
        "RoleBinding" | "ClusterRoleBinding" => BINDING,
        "TokenRequest" => TOKEN_REQUEST,
        "SelfSubjectAccessReview" => ACCESS_REVIEW,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" => &[],
        _ => return None,
    })
}

/// A body as JSON.
pub(super) fn decode(body: &[u8]) -> Result<Value, Failure> {
    let unknown = fields(body.get(MAGIC.len()..).unwrap_or_default())?;
    let meta = fields(bytes(&unknown, 1))?;
    let text = |number| String::from_utf8_lossy(bytes(&meta, number)).into_owned();
    let (api_version, kind) = (text(1), text(2));
    let message = message(&kind).ok_or_else(refused)?;
    let mut object = read(message, bytes(&unknown, 2))?;
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    Ok(object)
}

fn refused() -> Failure {
    media::unsupported("application/json, application/yaml")
}

fn read(message: Message, body: &[u8]) -> Result<Value, Failure> {
    let mut found = Map::new();
    for (number, field) in fields(body)? {
        // Unknown fields are passed over, as protobuf wants it.
        let Some((_, name, of)) = message.iter().find(|(n, ..)| *n == number) else { continue };
        match of {
            Of::List(of) => {
                let all = found.entry(*name).or_insert_with(|| json!([]));
                if let Some(all) = all.as_array_mut() {
                    all.push(value(of, field)?);
                }
            }
            Of::Map(of) => {
                let entry = fields(field.bytes)?;
                let key = String::from_utf8_lossy(bytes(&entry, 1)).into_owned();
                let inner = Field { number: 0, bytes: bytes(&entry, 2) };
                found.entry(*name).or_insert_with(|| json!({}))[key] = value(of, inner)?;
            }
            // An empty text says nothing, as in Go.
            Of::Text if field.bytes.is_empty() => {}
            of => {
                found.insert((*name).to_owned(), value(of, field)?);
            }
        }
    }
    Ok(Value::Object(found))
}

fn value(of: &Of, field: Field<'_>) -> Result<Value, Failure> {
    Ok(match of {
        Of::Text => String::from_utf8_lossy(field.bytes).into_owned().into(),
        Of::Bytes => base64::engine::general_purpose::STANDARD.encode(field.bytes).into(),
        Of::Number => i64::try_from(field.number).map_err(|_| refused())?.into(),
        Of::Flag => (field.number != 0).into(),
        Of::Message(message) => read(message, field.bytes)?,
        // Neither lists nor maps hold lists or maps.
        Of::Map(_) | Of::List(_) => return Err(refused()),
    })
}

/// A field as it is on the wire: a number, or bytes.
#[derive(Clone, Copy, Default)]
struct Field<'a> {
    number: u64,
    bytes: &'a [u8],
}

type Fields<'a> = Vec<(u64, Field<'a>)>;

fn fields(mut rest: &[u8]) -> Result<Fields<'_>, Failure> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        if found.len() == FIELDS_MAX {
            return Err(refused());
        }
        let key = varint(&mut rest)?;
        let field = match key & 7 {
            0 => Field { number: varint(&mut rest)?, bytes: &[] },
            2 => {
                let length = usize::try_from(varint(&mut rest)?).map_err(|_| refused())?;
                let (bytes, tail) = rest.split_at_checked(length).ok_or_else(refused)?;
                rest = tail;
                Field { number: 0, bytes }
            }
            _ => return Err(refused()),
        };
        found.push((key >> 3, field));
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
    fields.iter().find(|(n, _)| *n == number).map_or(&[], |(_, field)| field.bytes)
}
