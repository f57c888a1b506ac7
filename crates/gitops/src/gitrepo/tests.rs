//! Claims about repositories on disk; where a git binary is at hand, it is asked as well.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn files(all: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    all.iter().map(|(p, b)| ((*p).to_owned(), b.as_bytes().to_vec())).collect()
}

/// `None` where there is no git binary.
fn git(dir: &Path, args: &[&str]) -> Option<(bool, String)> {
    let out = Command::new("git").arg("-C").arg(dir).args(args).output().ok()?;
    Some((out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned()))
}

#[test]
fn what_is_created_is_listed_and_later_commits_change_only_what_they_name() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("platform.git");
    let first = files(&[("README.md", "hello"), ("apps/db/secret.yaml", "a: 1\n"), ("z", "")]);
    let one = create(&dir, &first, "Begin", at(1_700_000_000)).unwrap();
    assert_eq!(list(&dir, "main").unwrap(), first);

    let changes = BTreeMap::from([
        ("apps/db/secret.yaml".to_owned(), Some(b"a: 2\n".to_vec())),
        ("apps/web/new.yaml".to_owned(), Some(b"b: 1\n".to_vec())),
        ("z".to_owned(), None),
    ]);
    let two = commit(&dir, &changes, "Change", at(1_700_000_060)).unwrap();
    assert_ne!(one, two);
    let expected = files(&[
        ("README.md", "hello"),
        ("apps/db/secret.yaml", "a: 2\n"),
        ("apps/web/new.yaml", "b: 1\n"),
    ]);
    assert_eq!(list(&dir, "main").unwrap(), expected);
}

#[test]
fn the_same_files_at_the_same_time_make_the_same_commit() {
    let home = tempfile::tempdir().unwrap();
    let content = files(&[("a/b", "c")]);
    let one = create(&home.path().join("1"), &content, "m", at(5)).unwrap();
    let two = create(&home.path().join("2"), &content, "m", at(5)).unwrap();
    assert_eq!(one, two);
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mine"), "kept").unwrap();
    assert!(create(home.path(), &files(&[("a", "b")]), "m", at(5)).is_err());
    assert_eq!(std::fs::read(home.path().join("mine")).unwrap(), b"kept");
}

#[test]
fn a_branch_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    create(&dir, &files(&[("a", "b")]), "m", at(5)).unwrap();
    let error = list(&dir, "release").unwrap_err();
    assert!(matches!(error, GitError::NoReference { reference } if reference == "release"));
}

#[test]
fn each_limit_is_enforced() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    create(&dir, &files(&[("a/b/c/d", "12345678"), ("e", "1")]), "m", at(5)).unwrap();
    let repo = open(&dir).unwrap();
    let head = resolve(&repo, "main").unwrap();
    let cases = [
        (Limits { files_max: 1, ..LIMITS }, "the number of files"),
        (Limits { depth_max: 2, ..LIMITS }, "folder a/b/c/"),
        (Limits { total_bytes_max: 8, ..LIMITS }, "the size of all files"),
    ];
    for (limits, expected) in cases {
        let error = walk(&repo, head, limits, &mut |_| ()).unwrap_err();
        assert!(matches!(error, GitError::Limit { what, .. } if what == expected));
    }
    let mut unread = Vec::new();
    let small = Limits { file_bytes_max: 4, ..LIMITS };
    walk(&repo, head, small, &mut |e| {
        if e.bytes.is_none() {
            unread.push((e.path.to_owned(), e.size));
        }
    })
    .unwrap();
    assert_eq!(unread, [("a/b/c/d".to_owned(), 8)]);
}

#[test]
fn git_itself_finds_the_repository_sound_and_clones_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r.git");
    create(&dir, &files(&[("a/b.yaml", "x: 1\n")]), "Begin", at(1_700_000_000)).unwrap();
    let changes = BTreeMap::from([("a/c.yaml".to_owned(), Some(b"y: 2\n".to_vec()))]);
    let head = commit(&dir, &changes, "Second", at(1_700_000_060)).unwrap();
    let Some((sound, _)) = git(&dir, &["fsck", "--strict"]) else { return };
    assert!(sound);
    let (_, log) = git(&dir, &["log", "--format=%H %s %at"]).unwrap();
    assert_eq!(log.lines().next(), Some(format!("{head} Second 1700000060").as_str()));
    assert_eq!(log.lines().count(), 2);
    let (cloned, _) = git(home.path(), &["clone", "-q", "r.git", "copy"]).unwrap();
    assert!(cloned);
    assert_eq!(std::fs::read(home.path().join("copy/a/c.yaml")).unwrap(), b"y: 2\n");
}

#[test]
fn links_and_submodules_are_reported_and_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    create(&dir, &files(&[("a", "b")]), "m", at(5)).unwrap();
    let repo = open(&dir).unwrap();
    let head = resolve(&repo, "main").unwrap();
    let mut editor = repo.edit_tree(repo.find_commit(head).unwrap().tree_id().unwrap()).unwrap();
    let target = repo.write_blob(b"/etc/passwd").unwrap();
    editor.upsert("link.yaml", gix::object::tree::EntryKind::Link, target).unwrap();
    editor.upsert("vendor/lib", gix::object::tree::EntryKind::Commit, head).unwrap();
    let tree = editor.write().unwrap().detach();
    let who = gix::actor::SignatureRef { name: "t".into(), email: "t".into(), time: "5 +0000" };
    let id = repo.commit_as(who, who, "refs/heads/main", "l", tree, [head]).unwrap().detach();
    let mut paths = Vec::new();
    let summary = walk(&repo, id, LIMITS, &mut |e| paths.push(e.path.to_owned())).unwrap();
    assert_eq!(paths, ["a"]);
    assert_eq!(summary.links, ["link.yaml"]);
    assert_eq!(summary.submodules, ["vendor/lib"]);
}
