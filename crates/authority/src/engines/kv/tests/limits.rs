//! Metadata, pruning, expiry of versions, lists, limits.

use super::{app, listed};

#[tokio::test]
async fn the_oldest_versions_go_when_there_are_more_than_are_kept() {
    let app = app().await;
    let write = r#"PUT secret/data/a {"data": {"k": "v"}}"#;
    for _ in 0..10 {
        app.check(write, "200 {}").await;
    }
    app.check(
        "GET secret/metadata/a",
        r#"200 {"data": {"oldest_version": 1, "current_version": 10}}"#,
    )
    .await;
    app.check(write, r#"200 {"data": {"version": 11}}"#).await;
    app.script(&[
        ("GET secret/data/a?version=1", r#"404 {"errors": []}"#),
        ("GET secret/metadata/a", r#"200 {"data": {"oldest_version": 2, "versions": {"1": null, "2": "*", "11": "*"}}}"#),
        (r#"POST secret/metadata/a {"max_versions": 3}"#, "204"),
        ("GET secret/data/a?version=2", "200 {}"),
        (write, r#"200 {"data": {"version": 12}}"#),
        ("GET secret/metadata/a", r#"200 {"data": {"oldest_version": 10, "max_versions": 3, "versions": {"9": null, "10": "*"}}}"#),
        ("GET secret/data/a?version=9", r#"404 {"errors": []}"#),
        // The larger of key and mount counts.
        (r#"POST secret/config {"max_versions": 4}"#, "204"),
        (write, "200 {}"),
        ("GET secret/metadata/a", r#"200 {"data": {"versions": {"10": "*", "13": "*"}}}"#),
        (r#"POST secret/metadata/a {"max_versions": 1001}"#, r#"400 {"errors": ["~at most 1000"]}"#),
        (r#"POST secret/config {"max_versions": -1}"#, r#"400 {"errors": ["~max_versions"]}"#),
    ])
    .await;
}

#[tokio::test]
async fn versions_expire_by_the_shorter_setting_unless_the_mount_switches_it_off() {
    let app = app().await;
    app.script(&[
        ("GET secret/config", r#"200 {"data": {"max_versions": 0, "cas_required": false, "delete_version_after": "0s"}}"#),
        (r#"POST secret/config {"delete_version_after": "1h"}"#, "204"),
        (r#"POST secret/metadata/a {"delete_version_after": "30m"}"#, "204"),
        ("GET secret/data/a", r#"404 {"errors": []}"#),
        (r#"PUT secret/data/a {"data": {"k": "v"}}"#, r#"200 {"data": {"version": 1, "deletion_time": "2027-01-15T08:30:00Z"}}"#),
        (r#"PUT secret/data/b {"data": {"k": "v"}}"#, r#"200 {"data": {"deletion_time": "2027-01-15T09:00:00Z"}}"#),
        ("GET secret/metadata/a", r#"200 {"data": {"delete_version_after": "30m0s"}}"#),
    ])
    .await;
    app.advance(1799);
    app.check("GET secret/data/a", r#"200 {"data": {"data": {"k": "v"}}}"#).await;
    app.advance(1);
    app.script(&[
        ("GET secret/data/a", r#"404 {"data": {"data": null, "metadata": {"destroyed": false}}}"#),
        ("GET secret/data/b", "200 {}"),
        (r#"PUT secret/undelete/a {"versions": [1]}"#, "204"),
        ("GET secret/data/a", r#"200 {"data": {"metadata": {"deletion_time": ""}}}"#),
        (r#"POST secret/config {"delete_version_after": "-1s"}"#, "204"),
        (r#"PUT secret/data/a {"data": {}}"#, r#"200 {"data": {"deletion_time": ""}}"#),
        (
            r#"POST secret/metadata/a {"delete_version_after": "-1s"}"#,
            r#"400 {"errors": ["~delete_version_after"]}"#,
        ),
    ])
    .await;
}

/// PROTOCOLS.md §5: policy lives in `custom_metadata` and is written by PATCH of regent's own keys.
#[tokio::test]
async fn a_metadata_patch_keeps_the_keys_of_others() {
    let app = app().await;
    app.script(&[
        (r#"PATCH secret/metadata/a {"custom_metadata": {"x": "y"}}"#, r#"404 {"errors": []}"#),
        (r#"POST secret/metadata/a {"max_versions": 5, "custom_metadata": {"theirs": "1", "owner": "a"}}"#, "204"),
        (r#"PUT secret/data/a {"data": {}}"#, r#"200 {"data": {"custom_metadata": {"theirs": "1"}}}"#),
        (r#"PATCH secret/metadata/a {"custom_metadata": {"owner": "b", "purpose": "c"}}"#, "204"),
        (
            "GET secret/metadata/a",
            r#"200 {"data": {"max_versions": 5, "current_version": 1,
                "custom_metadata": {"theirs": "1", "owner": "b", "purpose": "c"}}}"#,
        ),
        (r#"PATCH secret/metadata/a {"custom_metadata": {"owner": null}, "max_versions": null}"#, "204"),
        ("GET secret/metadata/a", r#"200 {"data": {"max_versions": 0, "custom_metadata": {"theirs": "1", "owner": null, "purpose": "c"}}}"#),
        (r#"POST secret/metadata/a {"custom_metadata": {"only": "this"}}"#, "204"),
        ("GET secret/data/a", r#"200 {"data": {"metadata": {"custom_metadata": {"only": "this", "theirs": null}}}}"#),
        (r#"PATCH secret/metadata/a {"custom_metadata": null}"#, "204"),
        ("GET secret/metadata/a", r#"200 {"data": {"custom_metadata": null}}"#),
    ])
    .await;
}

#[tokio::test]
async fn custom_metadata_has_bounds_and_a_refused_one_changes_nothing() {
    let app = app().await;
    app.check(r#"POST secret/metadata/a {"custom_metadata": {"k": "v"}}"#, "204").await;
    let of = |n: usize| (0..n).map(|i| format!("\"k{i}\": \"v\"")).collect::<Vec<_>>().join(",");
    let entry = |key: &str, value: &str| serde_json::json!({key: value}).to_string();
    let x = |n| "x".repeat(n);
    for (custom, problem) in [
        (format!("{{{}}}", of(65)), "keys, at most 64"),
        (entry("", "v"), "the key is empty"),
        (entry("k", ""), "its value is empty"),
        (entry(&x(129), "v"), "longer than 128"),
        (entry("k", &x(513)), "longer than 512"),
        (entry("k", "a\nb"), "unprintable"),
        (entry("k\u{0}", "v"), "unprintable"),
        (entry("k", "a\u{202e}b"), "unprintable"),
        (entry("k", "a\u{a0}b"), "unprintable"),
        (r#"{"k": [1]}"#.to_owned(), "not a string"),
        (r#"["k"]"#.to_owned(), "expected an object"),
    ] {
        for method in ["POST", "PATCH"] {
            let request = format!("{method} secret/metadata/a {{\"custom_metadata\": {custom}}}");
            let answer = app.ask(&request).await;
            assert_eq!(answer.status, 400, "{request}");
            assert!(answer.body["errors"].to_string().contains(problem), "{}", answer.body);
        }
    }
    app.check("GET secret/metadata/a", r#"200 {"data": {"custom_metadata": {"k": "v"}}}"#).await;
    let fits = format!("{{{}}}", of(64));
    let request = format!("POST secret/metadata/a {{\"custom_metadata\": {fits}}}");
    app.check(&request, "204").await;
    let edge = entry(&x(128), &format!("é {}", x(509)));
    let request = format!("POST secret/metadata/a {{\"custom_metadata\": {edge}}}");
    app.check(&request, "204").await;
}

#[tokio::test]
async fn lists_are_sorted_have_folders_and_page() {
    let app = app().await;
    for key in ["b", "a", "a/x", "a/y/z", "a-1", "a0", "c/d/e", "c/d/f", "é"] {
        let request = format!(r#"PUT secret/data/{} {{"data": {{}}}}"#, key.replace('é', "%C3%A9"));
        app.check(&request, "200 {}").await;
    }
    let all = ["a", "a-1", "a/", "a0", "b", "c/", "é"];
    assert_eq!(listed(&app, "LIST secret/metadata/").await, all);
    assert_eq!(listed(&app, "GET secret/metadata?list=true").await, all);
    assert_eq!(listed(&app, "LIST secret/metadata/a").await, ["x", "y/"]);
    assert_eq!(listed(&app, "LIST secret/metadata/c/d/").await, ["e", "f"]);
    assert!(listed(&app, "LIST secret/metadata/none").await.is_empty());
    for limit in 1..=8 {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned().unwrap_or_default().replace('é', "%C3%A9");
            let page =
                listed(&app, &format!("GET secret/metadata?list=true&limit={limit}&after={after}"))
                    .await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= limit);
            found.extend(page);
        }
        assert_eq!(found, all, "in pages of {limit}");
    }
}

#[tokio::test]
async fn a_value_beyond_the_limit_is_refused_and_nothing_is_written() {
    let app = app().await;
    let half = "x".repeat(600 << 10);
    app.check(&format!(r#"PUT secret/data/a {{"data": {{"a": "{half}"}}}}"#), "200 {}").await;
    let patch = format!(r#"PATCH secret/data/a {{"data": {{"b": "{half}"}}}}"#);
    assert_eq!(app.ask(&patch).await.status, 413, "patches do not add up beyond it");
    app.check("GET secret/metadata/a", r#"200 {"data": {"current_version": 1}}"#).await;
}
