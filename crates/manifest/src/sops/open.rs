//! Opening: data key → every value → MAC → plaintext text.

use regent_types::Sensitive;
use zeroize::Zeroizing;

use super::comments;
use super::document::{Comment, Leaf, Stream, aad};
use super::envelope::{DataKey, Iv, TOKEN_PREFIX, Token};
use super::mac::Mac;
use super::metadata::{Group, Metadata};
use super::parse::parse;
use super::scalar::{Scalar, ScalarKind};
use super::shamir;
use super::splice::{Edit, apply, render, replace_leaf};
use crate::Error;
use crate::keys::{Identities, Refused, unwrap_limited};

/// A data key has 32 bytes, a Shamir part of one 33.
const PART_BYTES_MAX: usize = 64;

/// An opened manifest, its MAC checked.
#[derive(Debug)]
pub struct Opened {
    /// The manifest as it was before sealing, without the `sops` block.
    pub plaintext: Sensitive<String>,
    /// The file says that its MAC leaves plain values out: then `metadata.namespace` and
    /// `metadata.name` are not authenticated, and a file can be replayed to another place.
    pub mac_only_encrypted: bool,
    /// When it was sealed last, as written.
    pub last_modified: String,
}

/// Opens a sealed manifest. The MAC is always checked, nothing can turn that off, and whoever
/// altered a value, its order, its place or (unless `mac_only_encrypted`) a plain value is found.
///
/// # Errors
/// `NotSealed`, `WrongIdentity`, `BadCiphertext`, `PlainUnderRule`, `BadMac`, `BadMetadata`,
/// `BadRule`, `Unsupported`, `TooLarge`, `NotYaml`. No error holds a value.
pub fn open(text: &str, identities: &Identities) -> Result<Opened, Error> {
    let stream = parse(text)?;
    let metadata = Metadata::read(&stream)?;
    let key = unlock(&metadata, identities)?;
    let values = decode(&stream, &metadata, &key)?;
    let mut plaintext = plaintext(&stream, &key, &values)?;
    Ok(Opened {
        plaintext: Sensitive::new(std::mem::take(&mut *plaintext)),
        mac_only_encrypted: metadata.mac_only_encrypted,
        last_modified: metadata.last_modified,
    })
}

/// The data key, by whichever master keys the identities open.
pub(super) fn unlock(metadata: &Metadata, identities: &Identities) -> Result<DataKey, Error> {
    let mut damaged = None;
    let mut parts = Vec::new();
    for group in &metadata.groups {
        parts.extend(unlock_group(group, identities, &mut damaged));
    }
    // One group: each key wraps the whole data key and a threshold means nothing (SOPS `sops.go`).
    let needed = match (metadata.groups.len(), metadata.threshold) {
        (1, _) => 1,
        (all, 0) => all,
        (_, threshold) => threshold,
    };
    if parts.len() < needed {
        return Err(locked(metadata, identities, damaged));
    }
    let bytes = if metadata.groups.len() == 1 { parts.pop() } else { shamir::combine(&parts) };
    bytes
        .and_then(|bytes| DataKey::from_bytes(&bytes))
        .ok_or(Error::BadMetadata { field: "age", why: "not a data key of 32 bytes" })
}

fn unlock_group(
    group: &Group,
    identities: &Identities,
    damaged: &mut Option<&'static str>,
) -> Option<Zeroizing<Vec<u8>>> {
    for entry in &group.age {
        match unwrap_limited(identities, &entry.enc, PART_BYTES_MAX) {
            Ok(part) => return Some(part),
            Err(Refused::NoMatch) => {}
            Err(Refused::Damaged(what)) => *damaged = Some(what),
            Err(Refused::TooLarge) => *damaged = Some("it is no data key"),
        }
    }
    None
}

fn locked(metadata: &Metadata, identities: &Identities, damaged: Option<&'static str>) -> Error {
    let expected = metadata.recipients();
    if let Some(what) = damaged {
        return Error::BadAgeFile { what };
    }
    if expected.is_empty() {
        let kinds = metadata.other_kinds().join(", ");
        return Error::unsupported(format!("master keys of kind {kinds} only"), 0);
    }
    identities.none_fits(expected)
}

/// One value of the user's document, read.
pub(super) struct Value<'s> {
    pub(super) leaf: &'s Leaf,
    pub(super) scalar: Scalar,
    /// Its nonce, where it was encrypted.
    pub(super) iv: Option<Iv>,
}

/// All values in document order, MAC checked.
pub(super) fn decode<'s>(
    stream: &'s Stream<'_>,
    metadata: &Metadata,
    key: &DataKey,
) -> Result<Vec<Value<'s>>, Error> {
    let mut mac = Mac::new(metadata.mac_only_encrypted);
    let mut values = Vec::new();
    for leaf in stream.user_leaves() {
        let encrypted = covered(stream, metadata, leaf);
        let mut scalar = stream.resolve(leaf)?;
        let mut iv = None;
        if encrypted && !scalar.is_blank() {
            let token = token_of(stream, leaf, &scalar)?;
            let aad = stream.aad(leaf);
            let damaged = || Error::BadCiphertext { path: stream.display(leaf) };
            scalar = key.open(&token, &aad).ok_or_else(damaged)?;
            iv = Some(token.iv);
        }
        mac.add(&scalar, encrypted);
        values.push(Value { leaf, scalar, iv });
    }
    let stored = Token::parse(&metadata.mac)
        .ok_or(Error::BadMetadata { field: "mac", why: "not a ciphertext" })?;
    let stored = key.open(&stored, &metadata.mac_aad()?).ok_or(Error::BadMac)?;
    if stored.bytes[..] == *mac.finish().as_bytes() { Ok(values) } else { Err(Error::BadMac) }
}

pub(crate) fn covered(stream: &Stream<'_>, metadata: &Metadata, leaf: &Leaf) -> bool {
    let last = match &leaf.step {
        super::document::PathStep::Key(key) => Some(key.as_ref()),
        super::document::PathStep::Index(_) => None,
    };
    metadata.rule.covers(&stream.containers[leaf.container].keys, last)
}

fn token_of(stream: &Stream<'_>, leaf: &Leaf, scalar: &Scalar) -> Result<Token, Error> {
    let path = || stream.display(leaf);
    if scalar.kind != ScalarKind::Str || !leaf.text.starts_with(TOKEN_PREFIX) {
        return Err(Error::PlainUnderRule { path: path() });
    }
    Token::parse(&leaf.text).ok_or_else(|| Error::BadCiphertext { path: path() })
}

/// The text with every token replaced by its value and without the `sops` blocks.
pub(super) fn plaintext(
    stream: &Stream<'_>,
    key: &DataKey,
    values: &[Value<'_>],
) -> Result<Zeroizing<String>, Error> {
    let mut edits = Vec::new();
    let mut blocks = Vec::new();
    for document in 0..stream.documents.len() {
        if let Some(range) = sops_block(stream, document)? {
            // Without the block a document of nothing else would be none (SOPS writes the same).
            let alone = if stream.is_block_alone(document) { "{}\n" } else { "" };
            edits.push(Edit::new(range.clone(), alone));
            blocks.push(range);
        }
    }
    for value in values.iter().filter(|value| value.iv.is_some()) {
        edits.extend(value_edits(stream, value)?);
    }
    let outside =
        |comment: &&Comment| !blocks.iter().any(|block| block.contains(&comment.span.start));
    for comment in stream.comments.iter().filter(outside) {
        edits.extend(open_comment(stream, key, comment)?.map(|(edit, _)| edit));
    }
    let text = apply(stream.text, edits)?;
    faithful(&text, values)?;
    Ok(text)
}

fn value_edits(stream: &Stream<'_>, value: &Value<'_>) -> Result<Vec<Edit>, Error> {
    let leaf = value.leaf;
    if value.scalar.kind != ScalarKind::Comment {
        let mut with = render(stream, leaf, &value.scalar)?;
        return replace_leaf(stream, leaf, std::mem::take(&mut *with));
    }
    // SOPS up to 3.13 stores a comment of a sequence as an element of it: `- ENC[…,type:comment]`.
    let before = stream.text.get(..leaf.span.start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let dash = before.get(line_start..).unwrap_or_default();
    if dash.trim() != "-" {
        return Err(Error::unsupported("an encrypted comment at this place", leaf.line));
    }
    let at = line_start + dash.find('-').unwrap_or_default();
    Ok(vec![Edit::new(at..leaf.span.end, comment_text(&value.scalar, leaf.line)?)])
}

fn comment_text(scalar: &Scalar, line: usize) -> Result<String, Error> {
    let damaged = || Error::BadCiphertext { path: format!("the comment on line {line}") };
    let text = std::str::from_utf8(&scalar.bytes).map_err(|_| damaged())?;
    if text.chars().any(|c| c.is_control() && c != '\t') {
        Err(damaged())
    } else {
        Ok(format!("#{text}"))
    }
}

/// The edit that opens a comment; and its text, key path and nonce, for a reseal.
type OpenedComment = (Edit, (Scalar, String, Iv));

/// Opens one comment; `None` if it is not encrypted.
pub(super) fn open_comment(
    stream: &Stream<'_>,
    key: &DataKey,
    comment: &Comment,
) -> Result<Option<OpenedComment>, Error> {
    if !comment.text.starts_with(TOKEN_PREFIX) {
        return Ok(None);
    }
    let damaged = || Error::BadCiphertext { path: format!("the comment on line {}", comment.line) };
    let token = Token::parse(comment.text.trim_end()).ok_or_else(damaged)?;
    for path in comments::candidates(stream, comment) {
        let aad = aad(path.iter().map(AsRef::as_ref));
        if let Some(scalar) = key.open(&token, &aad) {
            if scalar.kind != ScalarKind::Comment {
                return Err(damaged());
            }
            let edit = Edit::new(comment.span.clone(), comment_text(&scalar, comment.line)?);
            return Ok(Some((edit, (scalar, aad, token.iv))));
        }
    }
    Err(damaged())
}

/// Whole lines of the `sops` block of a document.
pub(super) fn sops_block(
    stream: &Stream<'_>,
    document: usize,
) -> Result<Option<std::ops::Range<usize>>, Error> {
    let Some(mark) = stream.sops_mark(document) else { return Ok(None) };
    if stream.containers[mark.container].flow {
        return Err(Error::unsupported("a document in flow style (JSON)", mark.line));
    }
    let start = stream.text[..mark.start].rfind('\n').map_or(0, |at| at + 1);
    let rest = stream.text.get(mark.end..).unwrap_or_default();
    let end = rest.find('\n').map_or(stream.text.len(), |at| mark.end + at + 1);
    Ok(Some(start..end))
}

/// What comes out must read back as what was decrypted: a quoting mistake would be a wrong secret.
fn faithful(text: &str, values: &[Value<'_>]) -> Result<(), Error> {
    let again = parse(text).map_err(|_| Error::NotFaithful)?;
    let read: Vec<Scalar> =
        again.user_leaves().map(|leaf| again.resolve(leaf)).collect::<Result<_, _>>()?;
    let written =
        values.iter().map(|value| &value.scalar).filter(|s| s.kind != ScalarKind::Comment);
    let same = |(a, b): (&Scalar, &Scalar)| {
        a.bytes == b.bytes && (a.kind == b.kind || b.kind == ScalarKind::Bytes)
    };
    let equal = read.len() == written.clone().count() && read.iter().zip(written).all(same);
    if equal { Ok(()) } else { Err(Error::NotFaithful) }
}
