//! What lies at a record's place. A record that this release does not understand to its last field is never written over:
//! a newer release may have put there what this one would lose.

use regent_types::{Advice, Explain};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::outcome::{Decider, Outcome};
use crate::reason::Reason;
use crate::record::{FORMAT, RELEASE, Record};

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// This release understands all of it.
    Record(Box<Record>),
    /// This release must leave it as it is.
    NotUnderstood(NotUnderstood),
}

/// Why a record is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a record of {path} as regent {RELEASE} writes it (format {FORMAT}), found {found}; run {release}, or a later \
     release. The record is left as it is"
)]
pub struct NotUnderstood {
    path: String,
    found: String,
    release: String,
}

impl NotUnderstood {
    fn of(value: &Value, found: String) -> Self {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let release = match text("release") {
            "" => "the release of regent that wrote it".to_owned(),
            release => format!("regent {release}, which wrote it"),
        };
        Self { path: text("path").to_owned(), found, release }
    }

    /// How a look at the path ends.
    pub fn outcome(&self) -> Outcome {
        let (by, reason, message) = (Decider::World, Reason::RecordNotUnderstood, self.to_string());
        Outcome::Blocked { by, reason, message }
    }
}

impl Explain for NotUnderstood {
    fn reason(&self) -> &'static str {
        Reason::RecordNotUnderstood.as_str()
    }

    fn advice(&self) -> Advice {
        let expected = format!("a record as regent {RELEASE} writes it");
        Advice::new(
            expected,
            self.found.clone(),
            format!("run {}, or a later release", self.release),
        )
    }
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let format = value.get("format").and_then(Value::as_u64);
        if let Some(other) = format.filter(|format| *format != u64::from(FORMAT)) {
            let found = format!("format {other}");
            return Ok(Self::NotUnderstood(NotUnderstood::of(&value, found)));
        }
        Ok(match Record::deserialize(&value) {
            Ok(record) => Self::Record(Box::new(record)),
            Err(error) => Self::NotUnderstood(NotUnderstood::of(&value, error.to_string())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::record::State;
    use serde_json::json;

    fn stored(change: impl FnOnce(&mut Value)) -> Stored {
        let mut value = serde_json::to_value(fixture::record(State::Done)).unwrap();
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn h11_a_record_of_another_release_is_left_as_it_is_and_its_release_is_named() {
        assert!(matches!(stored(|_| ()), Stored::Record(_)));
        type Change = fn(&mut Value);
        let changes: [(Change, &str); 5] = [
            (|v| v["format"] = json!(2), "found format 2; run regent 9.9.9, which wrote it"),
            (|v| v["quorum"] = json!(3), "unknown field `quorum`"),
            (|v| v["owner"]["cluster"] = json!("b"), "unknown field `cluster`"),
            (|v| v["state"] = json!("frozen"), "unknown variant `frozen`"),
            (|v| v["format"] = json!(null), "expected u32"),
        ];
        for (change, said) in changes {
            let found = stored(|value| {
                value["release"] = json!("9.9.9");
                change(value);
            });
            let Stored::NotUnderstood(why) = found else { panic!("{said}: it was understood") };
            let Outcome::Blocked { by: Decider::World, reason, message } = why.outcome() else {
                panic!("{said}: it is held")
            };
            assert_eq!(reason, Reason::RecordNotUnderstood);
            assert!(message.contains(said) && message.contains("regent 9.9.9"), "{message}");
        }
    }

    #[test]
    fn a_record_of_before_releases_were_noted_is_understood() {
        let found = stored(|value| _ = value.as_object_mut().unwrap().remove("release"));
        assert!(matches!(found, Stored::Record(record) if record.release.is_empty()));
    }
}
