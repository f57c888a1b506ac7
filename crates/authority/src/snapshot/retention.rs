//! Which snapshots go. Pure.
//!
//! Of each kind as many good ones stay as are to be kept, the newest; bad ones count for nothing, so that they push out
//! none. A few bad ones stay for a look. What was not tried yet stays, and what is not this release's to judge.

use std::collections::BTreeMap;

use super::entry::{Entry, Kind, Trial};

/// Good ones that somebody asked for and that stay beside those of the schedule.
const REQUESTED_KEPT: usize = 3;

/// Bad ones that stay for a look.
const BAD_KEPT: usize = 2;

/// Names of the entries that go, where `keep` good ones of the schedule stay.
pub(super) fn retired(entries: &[Entry], keep: usize) -> Vec<String> {
    let mut newest: Vec<&Entry> = entries.iter().collect();
    newest.sort_by(|a, b| (b.at, &b.name).cmp(&(a.at, &a.name)));
    let mut seen: BTreeMap<(bool, bool), usize> = BTreeMap::new();
    let mut gone = Vec::new();
    for entry in newest {
        let is_requested = entry.kind == Kind::Requested;
        let (class, most) = match (entry.trial, is_requested) {
            (Trial::Untried | Trial::Foreign, _) => continue,
            (Trial::Bad, _) => ((false, false), BAD_KEPT),
            (Trial::Good, true) => ((true, true), REQUESTED_KEPT),
            (Trial::Good, false) => ((true, false), keep.max(1)),
        };
        let count = seen.entry(class).or_default();
        *count += 1;
        if *count > most {
            gone.push(entry.name.clone());
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// `g`: good, `b`: bad, `u`: untried, `f`: foreign, `r`: requested and good; oldest first, named by their place.
    fn kept(text: &str, keep: usize) -> String {
        let entry = |(at, letter): (usize, char)| Entry {
            name: at.to_string(),
            kind: if letter == 'r' { Kind::Requested } else { Kind::Scheduled },
            at: Timestamp::from_second(i64::try_from(at).unwrap()).unwrap(),
            keys: 1,
            bytes: 1,
            trial: match letter {
                'b' => Trial::Bad,
                'u' => Trial::Untried,
                'f' => Trial::Foreign,
                _ => Trial::Good,
            },
            tried: None,
            error: None,
        };
        let entries: Vec<Entry> = text.chars().enumerate().map(entry).collect();
        let gone = retired(&entries, keep);
        let stays = |(at, letter): (usize, char)| match gone.contains(&at.to_string()) {
            true => '.',
            false => letter,
        };
        text.chars().enumerate().map(stays).collect()
    }

    #[test]
    fn the_newest_good_ones_stay_and_bad_ones_push_out_none() {
        for (all, keep, stay) in [
            ("", 3, ""),
            ("ggg", 3, "ggg"),
            ("gggggg", 3, "...ggg"),
            ("gggbbbbb", 3, "ggg...bb"),
            ("ggbgbgbb", 2, "...g.gbb"),
            ("bbbb", 2, "..bb"),
            ("guufff", 1, "guufff"),
            ("gg", 0, ".g"),
        ] {
            assert_eq!(kept(all, keep), stay, "{all}, keep {keep}");
        }
    }

    #[test]
    fn what_was_asked_for_pushes_out_nothing_of_the_schedule() {
        assert_eq!(kept("grrrrrrrg", 2), "g....rrrg");
        assert_eq!(kept("rggg", 2), "r.gg");
    }
}
