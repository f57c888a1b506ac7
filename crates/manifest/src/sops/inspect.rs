//! What a sealed manifest tells without a key.

use super::envelope::TOKEN_PREFIX;
use super::metadata::Metadata;
use super::open::covered;
use super::parse::parse;
use super::scalar::ScalarKind;
use crate::Error;

/// Facts of a sealed manifest. None of them is authenticated before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// age recipients, each once, in the file's order.
    pub recipients: Vec<String>,
    /// Other kinds of master key in the file (`pgp`, `kms`, …), which regent does not open.
    pub other_master_keys: Vec<String>,
    /// Key groups, and how many of them are needed (one group: 1).
    pub groups: usize,
    /// How many of the key groups are needed to open the file.
    pub threshold: usize,
    /// The rule, as `field: value`.
    pub rule: String,
    /// `lastmodified` of the `sops` block, as written.
    pub last_modified: String,
    /// SOPS version that wrote it, as written; may be empty.
    pub version: String,
    /// Whether its MAC leaves plain values out.
    pub mac_only_encrypted: bool,
    /// Documents in the stream.
    pub documents: usize,
    /// Key paths that the rule covers and that stand in plain text all the same.
    pub plain_under_rule: Vec<String>,
}

/// Reads a sealed manifest without keys.
///
/// # Errors
/// `NotSealed`, `BadMetadata`, `BadRule`, `Unsupported`, `NotYaml`, `TooLarge`.
pub fn inspect(text: &str) -> Result<Inspection, Error> {
    let stream = parse(text)?;
    let metadata = Metadata::read(&stream)?;
    let mut plain_under_rule = Vec::new();
    for leaf in stream.user_leaves().filter(|leaf| covered(&stream, &metadata, leaf)) {
        let scalar = stream.resolve(leaf)?;
        let sealed = scalar.kind == ScalarKind::Str && leaf.text.starts_with(TOKEN_PREFIX);
        if !sealed && !scalar.is_blank() {
            plain_under_rule.push(stream.display(leaf));
        }
    }
    let groups = metadata.groups.len();
    Ok(Inspection {
        recipients: metadata.recipients(),
        other_master_keys: metadata.other_kinds(),
        groups,
        threshold: match (groups, metadata.threshold) {
            (1, _) => 1,
            (all, 0) => all,
            (_, threshold) => threshold,
        },
        rule: metadata.rule.to_string(),
        documents: stream.documents.len(),
        mac_only_encrypted: metadata.mac_only_encrypted,
        plain_under_rule,
        last_modified: metadata.last_modified,
        version: metadata.version,
    })
}

/// Refuses what is sealed already, or was.
///
/// # Errors
/// `AlreadySealed`, `LostSeal`, `SealNotFirst`. Text that is not YAML is none of them.
pub fn refuse_sealed(text: &str) -> Result<(), Error> {
    if is_sealed(text) {
        return Err(Error::AlreadySealed);
    }
    match parse(text).and_then(|stream| Metadata::read(&stream)) {
        Err(error @ (Error::LostSeal { .. } | Error::SealNotFirst { .. })) => Err(error),
        _ => Ok(()),
    }
}

/// Whether the first document has a `sops` block. Text that is not YAML has none.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    parse(text).is_ok_and(|stream| {
        let block = stream.sops_mark(0).map(|mark| mark.container);
        block.is_some() && !stream.leaves.iter().any(|leaf| {
            Some(leaf.container) == block
                && matches!(&leaf.step, super::document::PathStep::Key(key) if key.as_ref() == "sops")
        })
    })
}
