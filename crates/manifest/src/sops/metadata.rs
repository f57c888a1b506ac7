//! The `sops` block: reading it weakly typed as SOPS does, and writing it as SOPS 3.13 does.

use super::document::{Leaf, PathStep, SOPS_KEY, Stream};
use super::envelope::Token;
use super::gotime;
use super::rule::Rule;
use super::splice::quote_if_needed;
use crate::Error;
use crate::keys::RECIPIENTS_MAX;

/// Written as `version`; the format of this SOPS release is what is written.
pub(crate) const VERSION: &str = "3.13.3";
/// A wrapped data key is below 1 KiB, a hybrid post-quantum one below 4 KiB. Each stanza in it
/// costs one key agreement for each identity at hand.
const WRAPPED_BYTES_MAX: usize = 4 * 1024;
/// Kinds of master key that SOPS knows and regent does not open.
const OTHER_KINDS: [&str; 6] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp"];

/// A data key, or part of it, sealed to one age recipient.
#[derive(Default)]
pub(crate) struct AgeEntry {
    pub(crate) recipient: String,
    pub(crate) enc: String,
}

/// Master keys of which any one opens the group's part.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) age: Vec<AgeEntry>,
    pub(crate) other_kinds: Vec<String>,
}

/// What a `sops` block says.
pub(crate) struct Metadata {
    pub(crate) groups: Vec<Group>,
    /// Groups needed; SOPS ignores it where there is one group.
    pub(crate) threshold: usize,
    pub(crate) last_modified: String,
    pub(crate) mac: String,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) rule: Rule,
    pub(crate) version: String,
}

impl Metadata {
    /// Reads the block of the first document, which is the one that counts.
    ///
    /// # Errors
    /// `NotSealed`, `LostSeal`, `SealNotFirst`, `BadMetadata`, `BadRule`, `Unsupported`, `TooLarge`.
    pub(crate) fn read(stream: &Stream<'_>) -> Result<Self, Error> {
        stream.sops_mark(0).ok_or_else(|| unsealed(stream))?;
        let fields: Vec<(Vec<PathStep>, &Leaf)> = stream
            .leaves
            .iter()
            .filter(|leaf| stream.document_of(leaf) == 0 && stream.in_sops_block(leaf))
            .map(|leaf| (stream.leaf_path(leaf), leaf))
            .collect();
        let scalar = |name: &str| {
            fields.iter().find_map(|(path, leaf)| match path.as_slice() {
                [_, PathStep::Key(key)] if key.as_ref() == name => Some(leaf.text.as_str()),
                _ => None,
            })
        };
        let required = |name: &'static str| {
            let found = scalar(name).filter(|text| !text.is_empty());
            found.ok_or(Error::BadMetadata { field: name, why: "missing" })
        };
        let rule_fields = fields.iter().filter_map(|(path, leaf)| match path.as_slice() {
            [_, PathStep::Key(key)] => Some((key.as_ref(), leaf.text.as_str())),
            _ => None,
        });
        let threshold = scalar("shamir_threshold").filter(|text| !text.is_empty()).unwrap_or("0");
        let mac_only = scalar("mac_only_encrypted").unwrap_or_default();
        Ok(Self {
            rule: Rule::from_fields(rule_fields)?,
            groups: groups(&fields)?,
            threshold: threshold.parse().map_err(|_| Error::BadMetadata {
                field: "shamir_threshold",
                why: "not a number",
            })?,
            last_modified: required("lastmodified")?.to_owned(),
            mac: required("mac")?.to_owned(),
            mac_only_encrypted: matches!(mac_only, "true" | "True" | "TRUE" | "1"),
            version: scalar("version").unwrap_or_default().to_owned(),
        })
    }

    /// `lastmodified` as SOPS prints it again: the AAD of the MAC.
    pub(crate) fn mac_aad(&self) -> Result<String, Error> {
        let time = gotime::parse(&self.last_modified)
            .ok_or(Error::BadMetadata { field: "lastmodified", why: "not an RFC 3339 time" })?;
        Ok(time.rfc3339())
    }

    /// All age recipients, each once.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for entry in self.groups.iter().flat_map(|group| &group.age) {
            if !all.contains(&entry.recipient) {
                all.push(entry.recipient.clone());
            }
        }
        all
    }

    pub(crate) fn other_kinds(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.groups.iter().flat_map(|group| group.other_kinds.clone()).collect();
        all.dedup();
        all
    }
}

/// Why there is no block in the first document.
fn unsealed(stream: &Stream<'_>) -> Error {
    let later = (1..stream.documents.len()).find(|index| stream.sops_mark(*index).is_some());
    let token = || stream.leaves.iter().find(|leaf| Token::parse(&leaf.text).is_some());
    match (later, token()) {
        (Some(index), _) => Error::SealNotFirst { document: index + 1 },
        (None, Some(leaf)) => Error::LostSeal { path: stream.display(leaf) },
        (None, None) => Error::NotSealed,
    }
}

/// Keys directly under `sops` are one group; else `key_groups` says them (SOPS `stores.go`).
fn groups(fields: &[(Vec<PathStep>, &Leaf)]) -> Result<Vec<Group>, Error> {
    let mut direct = Group::default();
    let mut groups: Vec<Group> = Vec::new();
    for (path, leaf) in fields {
        match path.as_slice() {
            [_, PathStep::Key(kind), PathStep::Index(entry), PathStep::Key(field)] => {
                add(&mut direct, kind, *entry, field, leaf)?;
            }
            [
                _,
                PathStep::Key(name),
                PathStep::Index(group),
                PathStep::Key(kind),
                PathStep::Index(entry),
                PathStep::Key(field),
            ] if name.as_ref() == "key_groups" => {
                if *group >= RECIPIENTS_MAX {
                    return Err(Error::TooLarge { what: "key_groups", limit: RECIPIENTS_MAX });
                }
                while groups.len() <= *group {
                    groups.push(Group::default());
                }
                add(&mut groups[*group], kind, *entry, field, leaf)?;
            }
            _ => {}
        }
    }
    let used = !direct.age.is_empty() || !direct.other_kinds.is_empty();
    let all = if used { vec![direct] } else { groups };
    if all.iter().map(|group| group.age.len()).sum::<usize>() > RECIPIENTS_MAX {
        return Err(Error::TooLarge { what: "the list of recipients", limit: RECIPIENTS_MAX });
    }
    if all.is_empty() {
        return Err(Error::BadMetadata { field: "age", why: "missing" });
    }
    Ok(all)
}

fn add(group: &mut Group, kind: &str, entry: usize, field: &str, leaf: &Leaf) -> Result<(), Error> {
    if entry >= RECIPIENTS_MAX {
        return Err(Error::TooLarge { what: "the list of recipients", limit: RECIPIENTS_MAX });
    }
    if OTHER_KINDS.contains(&kind) {
        if !group.other_kinds.iter().any(|other| other == kind) {
            group.other_kinds.push(kind.to_owned());
        }
        return Ok(());
    }
    if kind != "age" {
        return Ok(());
    }
    if leaf.text.len() > WRAPPED_BYTES_MAX {
        return Err(Error::TooLarge { what: "a wrapped data key", limit: WRAPPED_BYTES_MAX });
    }
    while group.age.len() <= entry {
        group.age.push(AgeEntry::default());
    }
    match field {
        "recipient" => group.age[entry].recipient = leaf.text.to_string(),
        "enc" => group.age[entry].enc = leaf.text.to_string(),
        _ => {}
    }
    Ok(())
}

/// The block as SOPS 3.13 writes it: sorted keys, four blanks a level, empty fields left out.
pub(crate) fn write(entries: &[AgeEntry], rule: &Rule, last_modified: &str, mac: &str) -> String {
    let mut text = format!("{SOPS_KEY}:\n    age:\n");
    for entry in entries {
        text.push_str("        - enc: |\n");
        for line in entry.enc.lines() {
            text.push_str("            ");
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&format!("          recipient: {}\n", entry.recipient));
    }
    let (field, value) = rule.field();
    let mut fields = vec![
        (field, pattern(value)),
        ("lastmodified", format!("\"{last_modified}\"")),
        ("mac", mac.to_owned()),
        ("version", VERSION.to_owned()),
    ];
    fields.sort_by_key(|(name, _)| *name);
    for (name, value) in fields {
        text.push_str(&format!("    {name}: {value}\n"));
    }
    text
}

/// A pattern as SOPS writes it: unquoted where YAML allows it.
fn pattern(value: &str) -> String {
    let plain = value.starts_with('^')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "^$()|._-+*?\\".contains(c));
    if plain { value.to_owned() } else { quote_if_needed(value) }
}
