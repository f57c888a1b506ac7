//! Whether a Secret ends with its ExternalSecret.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::PartialObjectMetaExt;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn definition(since: i64, ends: bool) -> PartialObjectMeta<CustomResourceDefinition> {
    ObjectMeta {
        creation_timestamp: Some(Time(at(since))),
        deletion_timestamp: ends.then(|| Time(at(since + 1))),
        ..ObjectMeta::default()
    }
    .into_response_partial()
}

/// Issue 14: no Secret ends with the definition of ExternalSecrets, whenever it is looked at.
#[test]
fn a_secret_ends_only_where_the_definition_outlived_its_external_secret() {
    let (older, ending, newer) = (definition(5, false), definition(5, true), definition(50, false));
    let known = |born: i64| Former { born: Some(at(born)), orphaned: false };
    let orphaned = Former { orphaned: true, ..known(10) };
    let table = [
        ("deleted alone", Some(10), known(9), Some(&older), End::Delete),
        ("deleted while nobody looked", Some(10), Former::default(), Some(&older), End::Delete),
        ("deleted, dependents to stay", Some(10), orphaned.clone(), Some(&older), End::Release),
        ("the definition ends", Some(10), known(9), Some(&ending), End::Keep),
        ("the definition is gone", Some(10), known(9), None, End::Keep),
        ("the definition came back", Some(10), known(9), Some(&newer), End::Keep),
        ("the same, after a restart", Some(10), Former::default(), Some(&newer), End::Keep),
        ("taken over under it, then deleted", Some(10), known(60), Some(&newer), End::Delete),
        ("orphaned with its definition", Some(10), orphaned, Some(&ending), End::Keep),
        ("of no known age", None, Former::default(), Some(&older), End::Keep),
    ];
    for (what, made, former, definition, expected) in table {
        assert_eq!(end(made.map(at), &former, definition), expected, "{what}");
    }
}
