//! What must hold of everything that was heard.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use regent_types::authority_names::LOGINS;
use regent_types::identity::Identity;

use super::heard::{Table, heard};
use super::spared::{self, Spared};
use super::{cells, paths};

/// A claim and how it is judged.
pub type Claim = (&'static str, fn() -> Result<()>);

/// All of them; they hold of a whole run in every world.
pub fn claims() -> Vec<Claim> {
    vec![
        ("rbac_refused_no_component", nobody_refused_by_rbac),
        ("every_rule_of_every_role_was_used", every_rule_used),
        ("policies_refused_no_component", nobody_refused_by_policy),
        ("every_path_of_every_policy_was_used", every_path_used),
    ]
}

fn nobody_refused_by_rbac() -> Result<()> {
    let table = heard().api.clone();
    refused_nobody(&table, Identity::ALL.into_iter().filter(|i| *i != Identity::Reader))
}

fn nobody_refused_by_policy() -> Result<()> {
    let table = heard().authority.clone();
    refused_nobody(&table, LOGINS.into_iter())
}

fn refused_nobody<C>(table: &Table<C>, who: impl Iterator<Item = Identity>) -> Result<()> {
    for identity in who {
        ensure!(table.asked.contains_key(&identity), "{identity:?} was never heard");
    }
    ensure!(table.refused.is_empty(), "{} refused: {:#?}", table.refused.len(), table.refused);
    Ok(())
}

/// C7-1. A reader is a person: what they look at is theirs to choose.
fn every_rule_used() -> Result<()> {
    let used = heard().api.used.clone();
    let all = Identity::ALL.into_iter().filter(|i| *i != Identity::Reader).flat_map(cells::all);
    judge(all.map(|c| (c.to_string(), used.contains(&c))), spared::API)
}

fn every_path_used() -> Result<()> {
    let used = heard().authority.used.clone();
    let all = LOGINS.into_iter().filter(|i| *i != Identity::Reader).flat_map(paths::all);
    judge(all.map(|c| (c.to_string(), used.contains(&c))), spared::AUTHORITY)
}

fn judge(cells: impl Iterator<Item = (String, bool)>, spared: &[Spared]) -> Result<()> {
    let (mut all, mut vain) = (BTreeSet::new(), BTreeSet::new());
    for (cell, used) in cells {
        if !used {
            vain.insert(cell.clone());
        }
        all.insert(cell);
    }
    for Spared { cell, test: (file, test) } in spared {
        ensure!(all.contains(*cell), "{cell} is spared and not in the table: drop the entry");
        ensure!(vain.remove(*cell), "{cell} is spared and was used: drop the entry");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{cell}: {file}"))?;
        ensure!(text.contains(test), "{cell}: expected {test} in {file}, found no such test");
    }
    ensure!(vain.is_empty(), "{} of {} granted in vain: {vain:#?}", vain.len(), all.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_in_vain_is_named_and_an_exception_cannot_rot() {
        let cells = |used: bool| [("a".to_owned(), true), ("b".to_owned(), used)].into_iter();
        let spare = |cell, test| [Spared { cell, test: ("tests/src/used/claims.rs", test) }];
        assert!(judge(cells(true), &[]).is_ok());
        assert!(judge(cells(false), &[]).unwrap_err().to_string().contains("1 of 2"));
        assert!(judge(cells(false), &spare("b", "cannot_rot")).is_ok());
        assert!(judge(cells(false), &spare("b", concat!("no", "_such"))).is_err());
        assert!(judge(cells(true), &spare("b", "cannot_rot")).is_err());
        assert!(judge(cells(true), &spare("c", "cannot_rot")).is_err());
    }
}
