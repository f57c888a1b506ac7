//! Names and slots that are the same in every cluster (PROTOCOLS.md §7): what makes a run
//! exactly-once.

use sha2::{Digest, Sha256};

/// Longest part kept of each name: `{trigger}-{secret}-{8 hex}` must fit into 253 characters.
const PART_LEN_MAX: usize = 120;
/// Longest annotation value that stands in a slot as it is.
const VALUE_LEN_MAX: usize = 100;

/// `{trigger}-{secret}-{8 hex of sha256(trigger, secret, slot)}`.
pub(super) fn run(trigger: &str, secret: &str, slot: &str) -> String {
    let digest = digest(&[trigger, secret, slot]);
    format!("{}-{}-{}", part(trigger), part(secret), &digest[..8])
}

/// The slot of an annotation's value: the value where it is short and plain, else its hash.
pub fn annotation(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._:-+".contains(c);
    if value.len() <= VALUE_LEN_MAX && value.chars().all(plain) {
        format!("annotation/{value}")
    } else {
        format!("annotation/sha256:{}", digest(&[value]))
    }
}

fn part(name: &str) -> &str {
    let end = name.len().min(PART_LEN_MAX);
    // Names of objects are ASCII; a cut must not leave a dot or hyphen before the next hyphen.
    name.get(..end).unwrap_or_default().trim_end_matches(['.', '-'])
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_name_for_a_slot_and_another_for_another() {
        let name = run("nightly", "db", "2026-11-24T03:00:00Z");
        assert_eq!(name, run("nightly", "db", "2026-11-24T03:00:00Z"));
        assert!(name.starts_with("nightly-db-") && name.len() == 19, "{name}");
        assert_ne!(name, run("nightly", "db", "2026-11-25T03:00:00Z"));
        assert_ne!(run("a-b", "c", "s"), run("a", "b-c", "s"));
        assert!(run(&"t".repeat(253), &"s".repeat(253), "x").len() <= 253);
    }

    #[test]
    fn a_slot_of_any_annotation_value_fits_into_a_cause() {
        assert_eq!(annotation("leaked in build 7"), "annotation/leaked in build 7");
        for value in ["x".repeat(10_000), "línea".into(), "a/b=c".into()] {
            let slot = annotation(&value);
            assert!(slot.starts_with("annotation/sha256:") && slot.len() < 253, "{slot}");
        }
    }
}
