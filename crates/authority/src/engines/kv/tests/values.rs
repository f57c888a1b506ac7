//! Versions and values.

use std::sync::Arc;

use super::{app, listed};

#[tokio::test]
async fn each_write_is_a_new_version_and_old_ones_stay_readable() {
    let app = app().await;
    app.script(&[
        ("GET secret/data/a", r#"404 {"errors": []}"#),
        (
            r#"PUT secret/data/a {"data": {"k": "v1", "n": {"x": [1, null, "é"]}}}"#,
            r#"200 {"data": {"version": 1, "created_time": "2027-01-15T08:00:00Z",
                "deletion_time": "", "destroyed": false, "custom_metadata": null}}"#,
        ),
        (r#"POST secret/data/a {"data": {"k": "v2"}}"#, r#"200 {"data": {"version": 2}}"#),
        (
            "GET secret/data/a",
            r#"200 {"data": {"data": {"k": "v2"}, "metadata": {"version": 2, "destroyed": false}}}"#,
        ),
        (
            "GET secret/data/a?version=1",
            r#"200 {"data": {"data": {"k": "v1", "n": {"x": [1, null, "é"]}}, "metadata": {"version": 1}}}"#,
        ),
        ("GET secret/data/a?version=0", r#"200 {"data": {"metadata": {"version": 2}}}"#),
        ("GET secret/data/a?version=3", r#"404 {"errors": []}"#),
        ("GET secret/data/a?version=x", r#"400 {"errors": ["~version"]}"#),
        (r#"PUT secret/data/a {"value": 1}"#, r#"400 {"errors": ["no data provided"]}"#),
        (r#"PUT secret/data/a {"data": "x"}"#, r#"400 {"errors": ["~expected an object"]}"#),
        (r#"PUT secret/data/a {"data": null}"#, r#"400 {"errors": ["no data provided"]}"#),
        (r#"PUT secret/data/a {"data": {}}"#, r#"200 {"data": {"version": 3}}"#),
        ("PUT secret/data/a/ {\"data\": {}}", r#"400 {"errors": ["~segment"]}"#),
        ("GET secret/other/a", r#"404 {"errors": ["~no handler for route"]}"#),
        ("DELETE secret/subkeys/a", r#"405 {"errors": ["*"]}"#),
    ])
    .await;
}

#[tokio::test]
async fn cas_is_checked_against_the_newest_version_deleted_or_not() {
    let app = app().await;
    let mismatch = r#"400 {"errors": ["~did not match the current version"]}"#;
    app.script(&[
        (r#"PUT secret/data/a {"data": {}, "options": {"cas": 1}}"#, mismatch),
        (
            r#"PUT secret/data/a {"data": {}, "options": {"cas": 0}}"#,
            r#"200 {"data": {"version": 1}}"#,
        ),
        (r#"PUT secret/data/a {"data": {}, "options": {"cas": 0}}"#, mismatch),
        (r#"PUT secret/data/a {"data": {}, "options": {"cas": -1}}"#, mismatch),
        (
            r#"PUT secret/data/a {"data": {}, "options": {"cas": "1"}}"#,
            r#"200 {"data": {"version": 2}}"#,
        ),
        (
            r#"PUT secret/data/a {"data": {}, "options": {"cas": []}}"#,
            r#"400 {"errors": ["~parsing check-and-set"]}"#,
        ),
        ("DELETE secret/data/a", "204"),
        (r#"PUT secret/data/a {"data": {}, "options": {"cas": 0}}"#, mismatch),
        (
            r#"PUT secret/data/a {"data": {}, "options": {"cas": 2}}"#,
            r#"200 {"data": {"version": 3}}"#,
        ),
        (r#"POST secret/metadata/a {"cas_required": true}"#, "204"),
        (r#"PUT secret/data/a {"data": {}}"#, r#"400 {"errors": ["~required for this call"]}"#),
        (
            r#"PATCH secret/data/a {"data": {"x": "y"}}"#,
            r#"400 {"errors": ["~required for this call"]}"#,
        ),
        (r#"POST secret/config {"cas_required": true}"#, "204"),
        (r#"PUT secret/data/new {"data": {}}"#, r#"400 {"errors": ["~required for this call"]}"#),
        (
            r#"PUT secret/data/new {"data": {}, "options": {"cas": 0}}"#,
            r#"200 {"data": {"version": 1}}"#,
        ),
    ])
    .await;
}

/// S5.4: of writers that all saw nothing, one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_concurrent_first_writes_exactly_one_wins() {
    let app = Arc::new(app().await);
    let tasks: Vec<_> = (0..32)
        .map(|i| {
            let app = app.clone();
            tokio::spawn(async move {
                let body = format!(r#"{{"data": {{"w": "{i}"}}, "options": {{"cas": 0}}}}"#);
                (i, app.ask(&format!("PUT secret/data/race {body}")).await.status)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            (i, 200) => winners.push(i),
            (_, status) => assert_eq!(status, 400),
        }
    }
    let [winner] = winners[..] else { panic!("{winners:?}") };
    let expected = format!(r#"200 {{"data": {{"data": {{"w": "{winner}"}}}}}}"#);
    app.check("GET secret/data/race", &expected).await;
    app.check("GET secret/metadata/race", r#"200 {"data": {"current_version": 1}}"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writes_without_cas_all_land_as_versions() {
    let app = Arc::new(app().await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                let answer = app.ask(r#"PUT secret/data/a {"data": {"x": "y"}}"#).await;
                answer.body["data"]["version"].as_u64().unwrap()
            })
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn deleted_comes_back_and_destroyed_does_not() {
    let app = app().await;
    for i in 1..=3 {
        app.ask(&format!(r#"PUT secret/data/a {{"data": {{"k": "v{i}"}}}}"#)).await;
    }
    app.advance(60);
    app.script(&[
        ("DELETE secret/data/a", "204"),
        (
            "GET secret/data/a",
            r#"404 {"data": {"data": null, "metadata": {"version": 3, "destroyed": false,
                "deletion_time": "2027-01-15T08:01:00Z"}}}"#,
        ),
        (r#"PUT secret/delete/a {"versions": [1, "2", 9]}"#, "204"),
        ("GET secret/data/a?version=1", r#"404 {"data": {"data": null}}"#),
        (r#"PUT secret/undelete/a {"versions": "1,3"}"#, "204"),
        ("GET secret/data/a", r#"200 {"data": {"data": {"k": "v3"}}}"#),
        ("GET secret/data/a?version=1", r#"200 {"data": {"data": {"k": "v1"}}}"#),
        (r#"PUT secret/destroy/a {"versions": [1, 2]}"#, "204"),
        (r#"PUT secret/undelete/a {"versions": [1, 2]}"#, "204"),
        (
            "GET secret/data/a?version=1",
            r#"404 {"data": {"data": null, "metadata": {"destroyed": true}}}"#,
        ),
        (
            "GET secret/subkeys/a?version=2",
            r#"404 {"data": {"subkeys": null, "metadata": {"destroyed": true}}}"#,
        ),
        (
            r#"PUT secret/delete/a {"versions": []}"#,
            r#"400 {"errors": ["No version number provided"]}"#,
        ),
        (r#"PUT secret/destroy/a {}"#, r#"400 {"errors": ["No version number provided"]}"#),
        (r#"PUT secret/destroy/unknown {"versions": [1]}"#, "204"),
        ("DELETE secret/data/unknown", "204"),
        ("DELETE secret/metadata/unknown", "204"),
        ("GET secret/metadata/unknown", r#"404 {"errors": []}"#),
    ])
    .await;
}

#[tokio::test]
async fn removing_metadata_removes_everything_and_a_new_life_has_another_created_time() {
    let app = app().await;
    let written = app.ask(r#"PUT secret/data/a {"data": {"k": "old"}}"#).await;
    app.check("DELETE secret/metadata/a", "204").await;
    app.check("GET secret/data/a?version=1", r#"404 {"errors": []}"#).await;
    assert!(listed(&app, "LIST secret/metadata/").await.is_empty());
    app.advance(1);
    let again = app.ask(r#"PUT secret/data/a {"data": {"k": "new"}}"#).await;
    assert_eq!(again.body["data"]["version"], 1);
    assert_ne!(again.body["data"]["created_time"], written.body["data"]["created_time"]);
}

/// RFC 7396, its appendix' cases among them.
#[tokio::test]
async fn a_patch_merges() {
    let app = app().await;
    app.script(&[
        (r#"PATCH secret/data/a {"data": {"x": "y"}}"#, r#"404 {"errors": []}"#),
        (r#"PUT secret/data/a {"data": {"a": "b", "o": {"p": "q", "r": {"s": 1}}, "l": [1, 2]}}"#, "200 {}"),
        (
            r#"PATCH secret/data/a {"data": {"a": null, "o": {"p": null, "r": {"t": null, "u": 2}}, "l": {"m": null}, "z": 3}, "options": {"cas": 1}}"#,
            r#"200 {"data": {"version": 2}}"#,
        ),
    ])
    .await;
    let answer = app.check("GET secret/data/a", "200 {}").await;
    let merged = serde_json::json!({"o": {"r": {"s": 1, "u": 2}}, "l": {}, "z": 3});
    assert_eq!(answer.body["data"]["data"], merged);
    app.script(&[
        (
            r#"PATCH secret/data/a {"data": {}, "options": {"cas": 1}}"#,
            r#"400 {"errors": ["~did not match"]}"#,
        ),
        (r#"PATCH secret/data/a {}"#, r#"400 {"errors": ["no data provided"]}"#),
        ("DELETE secret/data/a", "204"),
        (
            r#"PATCH secret/data/a {"data": {"x": "y"}}"#,
            r#"404 {"data": {"data": null, "metadata": {"version": 2}}}"#,
        ),
    ])
    .await;
}

#[tokio::test]
async fn subkeys_show_the_shape_and_no_value() {
    let app = app().await;
    app.ask(r#"PUT secret/data/a {"data": {"a": "planted", "o": {"p": {"q": 1}, "e": {}}, "l": [{"x": 1}]}}"#).await;
    for (query, shape) in [
        ("", r#"{"a": null, "o": {"p": {"q": null}, "e": null}, "l": null}"#),
        ("?depth=1", r#"{"a": null, "o": null, "l": null}"#),
        ("?depth=2&version=1", r#"{"a": null, "o": {"p": null, "e": null}, "l": null}"#),
    ] {
        let answer = app.check(&format!("GET secret/subkeys/a{query}"), "200 {}").await;
        let shape: serde_json::Value = serde_json::from_str(shape).unwrap();
        assert_eq!(answer.body["data"]["subkeys"], shape, "{query}");
        assert_eq!(answer.body["data"]["metadata"]["version"], 1);
    }
}
