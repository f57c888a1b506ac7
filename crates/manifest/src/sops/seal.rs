//! Sealing: every value under the rule becomes a token in place, then the `sops` block is added.

use std::collections::HashMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use granit_parser::ScalarStyle;

use super::comments;
use super::document::{Leaf, PathStep, Stream, aad};
use super::envelope::{DataKey, Iv, TOKEN_PREFIX, Token};
use super::mac::Mac;
use super::metadata::{self, AgeEntry, Metadata};
use super::open::{decode, open_comment};
use super::parse::parse;
use super::rule::Rule;
use super::scalar::{Scalar, ScalarKind, Tag};
use super::splice::{Edit, apply, replace_leaf};
use crate::Error;
use crate::keys::{RECIPIENTS_MAX, Recipient, encrypt_to};

/// What a sealed Secret encrypts by default: its values, not its metadata.
pub const DEFAULT_ENCRYPTED_REGEX: &str = "^(data|stringData)$";

/// Whom to seal for, and which keys of the file.
#[derive(Clone, Debug)]
pub struct SealOptions {
    /// age recipients, each of whom can open the manifest alone.
    pub recipients: Vec<String>,
    /// Keys under which values are encrypted; [`DEFAULT_ENCRYPTED_REGEX`].
    pub encrypted_regex: String,
    /// Written as `lastmodified`, in whole seconds.
    pub now: Timestamp,
}

impl SealOptions {
    /// Options with the default rule.
    pub fn new(recipients: impl IntoIterator<Item = impl Into<String>>, now: Timestamp) -> Self {
        Self {
            recipients: recipients.into_iter().map(Into::into).collect(),
            encrypted_regex: DEFAULT_ENCRYPTED_REGEX.to_owned(),
            now,
        }
    }
}

/// Seals a plain manifest (one or more YAML documents) under a fresh data key. Everything outside
/// the encrypted values stays byte for byte; `sops -d` of SOPS 3.13 opens the result.
///
/// # Errors
/// `AlreadySealed`, `NothingToSeal`, `BadRule`, `NoRecipients`, `BadRecipient`, `Unsupported`,
/// `DuplicateKey`, `NotYaml`, `TooLarge`.
pub fn seal(plain: &str, options: &SealOptions) -> Result<String, Error> {
    let rule = Rule::encrypted_regex(&options.encrypted_regex)?;
    let recipients = recipients(&options.recipients)?;
    let stream = parse(plain)?;
    let key = DataKey::generate()?;
    let mut entries = Vec::new();
    for recipient in recipients {
        let enc = encrypt_to(&[recipient.as_str()], key.bytes())?;
        entries.push(AgeEntry { recipient: recipient.to_string(), enc });
    }
    let mut work = Work { stream: &stream, rule: &rule, key: &key, stash: &Stash::default() };
    let sealed = work.values(false)?;
    let last_modified = rfc3339_seconds(options.now);
    let mac = work.mac(&sealed.mac, &last_modified)?;
    let block = metadata::write(&entries, &rule, &last_modified, &mac);
    finish(&stream, sealed, &block, &key)
}

fn recipients(texts: &[String]) -> Result<Vec<Recipient>, Error> {
    if texts.is_empty() {
        return Err(Error::NoRecipients);
    }
    if texts.len() > RECIPIENTS_MAX {
        return Err(Error::TooLarge { what: "the list of recipients", limit: RECIPIENTS_MAX });
    }
    let mut all: Vec<Recipient> = Vec::new();
    for text in texts {
        let recipient = Recipient::parse(text)?;
        if !all.contains(&recipient) {
            all.push(recipient);
        }
    }
    Ok(all)
}

pub(super) fn rfc3339_seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Nonces of unchanged values, by a hash of place, type and plaintext (SOPS keeps the same stash).
#[derive(Default)]
pub(super) struct Stash(HashMap<[u8; 32], Iv>);

impl Stash {
    pub(super) fn keep(&mut self, aad: &str, scalar: &Scalar, iv: Iv) {
        self.0.insert(stash_key(aad, scalar), iv);
    }

    fn find(&self, aad: &str, scalar: &Scalar) -> Option<&Iv> {
        if self.0.is_empty() { None } else { self.0.get(&stash_key(aad, scalar)) }
    }
}

fn stash_key(aad: &str, scalar: &Scalar) -> [u8; 32] {
    let length = u64::try_from(aad.len()).unwrap_or(u64::MAX);
    let mut hash = Sha256::new();
    hash.update(length.to_be_bytes());
    hash.update(aad.as_bytes());
    hash.update(format!("{:?}:", scalar.kind));
    hash.update(&*scalar.bytes);
    hash.finalize().into()
}

/// One sealing: what to seal by which rule under which key.
pub(super) struct Work<'w, 't> {
    pub(super) stream: &'w Stream<'t>,
    pub(super) rule: &'w Rule,
    pub(super) key: &'w DataKey,
    pub(super) stash: &'w Stash,
}

/// The edits of a sealing, its MAC, and the values that went in.
pub(super) struct Sealed {
    pub(super) edits: Vec<Edit>,
    pub(super) mac: String,
    pub(super) scalars: Vec<Scalar>,
}

impl Work<'_, '_> {
    pub(super) fn values(&mut self, mac_only_encrypted: bool) -> Result<Sealed, Error> {
        self.check_documents()?;
        let mut mac = Mac::new(mac_only_encrypted);
        let (mut edits, mut scalars, mut covered_any) = (Vec::new(), Vec::new(), false);
        for leaf in &self.stream.leaves {
            refuse_token(self.stream, leaf)?;
            let last = match &leaf.step {
                PathStep::Key(key) => Some(key.as_ref()),
                PathStep::Index(_) => None,
            };
            let covered = self.rule.covers(&self.stream.containers[leaf.container].keys, last);
            let scalar = self.stream.resolve(leaf)?;
            mac.add(&scalar, covered);
            if covered {
                covered_any = true;
                edits.extend(self.value(leaf, &scalar)?);
            } else {
                refuse_open_end(self.stream, leaf)?;
            }
            scalars.push(scalar);
        }
        if !covered_any {
            return Err(Error::NothingToSeal { rule: self.rule.to_string() });
        }
        self.comments(&mut edits)?;
        Ok(Sealed { edits, mac: mac.finish(), scalars })
    }

    fn check_documents(&self) -> Result<(), Error> {
        for (index, document) in self.stream.documents.iter().enumerate() {
            if self.stream.sops_mark(index).is_some() {
                return Err(Error::AlreadySealed);
            }
            if document.blank.is_some() {
                continue;
            }
            let root = document.root.map(|root| &self.stream.containers[root]);
            if root.is_some_and(|root| root.flow || root.column > 0) {
                let what = "a root mapping that is in flow style (JSON) or indented";
                return Err(Error::unsupported(what, 0));
            }
        }
        Ok(())
    }

    fn value(&self, leaf: &Leaf, scalar: &Scalar) -> Result<Vec<Edit>, Error> {
        if leaf.tag.is_some_and(|tag| tag != Tag::Str) {
            // The tag would stand before a ciphertext, which is text.
            return Err(Error::unsupported("a tag on a value to be sealed", leaf.line));
        }
        let aad = self.stream.aad(leaf);
        let iv = self.stash.find(&aad, scalar);
        let Some(token) = self.key.seal(scalar, &aad, iv)? else { return Ok(Vec::new()) };
        // Brackets and commas of a token mean something inside flow collections.
        let token = if self.stream.in_flow(leaf) { format!("\"{token}\"") } else { token };
        replace_leaf(self.stream, leaf, token)
    }

    fn comments(&self, edits: &mut Vec<Edit>) -> Result<(), Error> {
        for comment in &self.stream.comments {
            let keys = comments::home(self.stream, comment);
            if !self.rule.covers(&keys, None) {
                continue;
            }
            let scalar = Scalar::new(ScalarKind::Comment, comment.text.trim_end_matches('\r'));
            let aad = aad(keys.iter().map(AsRef::as_ref));
            let iv = self.stash.find(&aad, &scalar);
            if let Some(token) = self.key.seal(&scalar, &aad, iv)? {
                edits.push(Edit::new(comment.span.clone(), format!("#{token}")));
            }
        }
        Ok(())
    }

    pub(super) fn mac(&self, hash: &str, last_modified: &str) -> Result<String, Error> {
        let scalar = Scalar::new(ScalarKind::Str, hash);
        self.key.seal(&scalar, last_modified, None)?.ok_or(Error::NotFaithful)
    }
}

/// Ciphertext in a manifest that has no block any more, or never had one.
fn refuse_token(stream: &Stream<'_>, leaf: &Leaf) -> Result<(), Error> {
    if Token::parse(&leaf.text).is_some() {
        return Err(Error::LostSeal { path: stream.display(leaf) });
    }
    // SOPS would take it for ciphertext as well, and never open it again.
    if leaf.text.starts_with(TOKEN_PREFIX) { Err(Error::AlreadySealed) } else { Ok(()) }
}

/// Adding a line end behind it would change the value of such a scalar.
fn refuse_open_end(stream: &Stream<'_>, leaf: &Leaf) -> Result<(), Error> {
    let block = matches!(leaf.style, ScalarStyle::Literal | ScalarStyle::Folded);
    if block && leaf.span.end == stream.text.len() && !stream.text.ends_with('\n') {
        return Err(Error::unsupported("a block scalar at the end without a line end", leaf.line));
    }
    Ok(())
}

/// The whole lines that a range stands on, with the end of the last one.
fn lines_of(text: &str, range: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let before = text.get(..range.start).unwrap_or_default();
    let rest = text.get(range.end..).unwrap_or_default();
    let end = rest.find('\n').map_or(text.len(), |at| range.end + at + 1);
    before.rfind('\n').map_or(0, |at| at + 1)..end
}

/// Applies the edits, adds the block to every document, and reads the result back.
pub(super) fn finish(
    stream: &Stream<'_>,
    sealed: Sealed,
    block: &str,
    key: &DataKey,
) -> Result<String, Error> {
    let Sealed { mut edits, scalars, .. } = sealed;
    for document in &stream.documents {
        let written = document.blank.clone().filter(|range| !range.is_empty());
        let at = match written {
            // What stands for nothing gives way: SOPS reads a document of a block alone as `{}`.
            Some(blank) => {
                let line = lines_of(stream.text, &blank);
                let kept = stream.text.get(line.start..blank.start).unwrap_or_default();
                let rest = stream.text.get(blank.end..line.end).unwrap_or_default();
                let alone = kept.trim().is_empty() && rest.trim().is_empty();
                edits.push(Edit::new(if alone { line.clone() } else { blank }, ""));
                line.end
            }
            None => document.end,
        };
        let before = stream.text.get(..at).ok_or(Error::NotFaithful)?;
        let line_end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        edits.push(Edit::new(at..at, format!("{line_end}{block}")));
    }
    let text: Zeroizing<String> = apply(stream.text, edits)?;
    let again = parse(&text).map_err(|_| Error::NotFaithful)?;
    let metadata = Metadata::read(&again)?;
    let values = decode(&again, &metadata, key).map_err(|_| Error::NotFaithful)?;
    for comment in &again.comments {
        open_comment(&again, key, comment).map_err(|_| Error::NotFaithful)?;
    }
    let same = values.len() == scalars.len()
        && values.iter().zip(&scalars).all(|(value, scalar)| value.scalar == *scalar);
    if same { Ok(text.to_string()) } else { Err(Error::NotFaithful) }
}
