//! Sealing an edited manifest again: same data key, same recipients, and the same ciphertext for
//! every value that did not change, so that a Git diff shows what did.

use jiff::Timestamp;

use super::document::{PathStep, Stream};
use super::metadata::Metadata;
use super::open::{decode, open_comment, plaintext, sops_block, unlock};
use super::parse::parse;
use super::seal::{Stash, Work, finish, rfc3339_seconds};
use crate::Error;
use crate::keys::Identities;

/// Seals `new_plain` in the place of `old_sealed`. The rule and the recipients stay (use a fresh
/// [`super::seal()`] to change either: that makes a new data key, which removing a recipient needs).
/// An unchanged plaintext gives the old text back, byte for byte.
///
/// # Errors
/// Those of [`super::open()`] for the old text and of [`super::seal()`] for the new one.
pub fn reseal(
    old_sealed: &str,
    new_plain: &str,
    identities: &Identities,
    now: Timestamp,
) -> Result<String, Error> {
    let old = parse(old_sealed)?;
    let metadata = Metadata::read(&old)?;
    let key = unlock(&metadata, identities)?;
    let values = decode(&old, &metadata, &key)?;
    if *plaintext(&old, &key, &values)? == new_plain {
        return Ok(old_sealed.to_owned());
    }
    let mut stash = Stash::default();
    for value in values {
        if let Some(iv) = value.iv {
            stash.keep(&old.aad(value.leaf), &value.scalar, iv);
        }
    }
    for comment in &old.comments {
        if let Some((_, (scalar, aad, iv))) = open_comment(&old, &key, comment)? {
            stash.keep(&aad, &scalar, iv);
        }
    }
    let new = parse(new_plain)?;
    let mut work = Work { stream: &new, rule: &metadata.rule, key: &key, stash: &stash };
    let sealed = work.values(metadata.mac_only_encrypted)?;
    let last_modified = rfc3339_seconds(now);
    let mac = work.mac(&sealed.mac, &last_modified)?;
    let block = renewed_block(&old, &format!("\"{last_modified}\""), &mac)?;
    finish(&new, sealed, &block, &key)
}

/// The old block, byte for byte but for its two changing fields.
fn renewed_block(old: &Stream<'_>, last_modified: &str, mac: &str) -> Result<String, Error> {
    let range = sops_block(old, 0)?.ok_or(Error::NotSealed)?;
    let mut block = old.text.get(range.clone()).ok_or(Error::NotFaithful)?.to_owned();
    let mut spans = Vec::new();
    for leaf in &old.leaves {
        if old.document_of(leaf) != 0 || !old.in_sops_block(leaf) {
            continue;
        }
        match old.leaf_path(leaf).as_slice() {
            [_, PathStep::Key(key)] if key.as_ref() == "lastmodified" => {
                spans.push((leaf.span.clone(), last_modified));
            }
            [_, PathStep::Key(key)] if key.as_ref() == "mac" => {
                spans.push((leaf.span.clone(), mac))
            }
            _ => {}
        }
    }
    // Back to front, so that the earlier spans stay right.
    spans.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, with) in spans {
        let shifted = span.start - range.start..span.end - range.start;
        if !block.is_char_boundary(shifted.start) || !block.is_char_boundary(shifted.end) {
            return Err(Error::NotFaithful);
        }
        block.replace_range(shifted, with);
    }
    if !block.ends_with('\n') {
        block.push('\n');
    }
    Ok(block)
}
