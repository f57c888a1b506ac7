//! Claims about repositories on disk; where a git binary is at hand, it is asked as well.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use gix::bstr::BString;
use gix::object::tree::EntryKind;
use gix::objs::tree::Entry as TreeEntry;
use jiff::Timestamp;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn files(all: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    all.iter().map(|(p, b)| ((*p).to_owned(), b.as_bytes().to_vec())).collect()
}

/// Commits one entry of any kind on top of branch `main` of the repository in `dir`.
pub(crate) fn commit_entry(
    dir: &Path,
    path: &str,
    kind: EntryKind,
    id: gix::ObjectId,
) -> gix::ObjectId {
    let repo = open(dir).unwrap();
    let head = resolve(&repo, "main").unwrap();
    let mut editor = repo.edit_tree(repo.find_commit(head).unwrap().tree_id().unwrap()).unwrap();
    editor.upsert(path, kind, id).unwrap();
    let tree = editor.write().unwrap().detach();
    commit_tree(&repo, tree, head)
}

fn commit_tree(repo: &gix::Repository, tree: gix::ObjectId, on: gix::ObjectId) -> gix::ObjectId {
    let who = gix::actor::SignatureRef { name: "t".into(), email: "t".into(), time: "5 +0000" };
    repo.commit_as(who, who, "refs/heads/main", "l", tree, [on]).unwrap().detach()
}

/// Writes a tree as it is, which no editor would.
fn write_tree(
    repo: &gix::Repository,
    entries: &[(&[u8], EntryKind, gix::ObjectId)],
) -> gix::ObjectId {
    let entry = |(name, kind, oid): &(&[u8], EntryKind, gix::ObjectId)| TreeEntry {
        mode: (*kind).into(),
        filename: BString::from(*name),
        oid: *oid,
    };
    let mut entries: Vec<TreeEntry> = entries.iter().map(entry).collect();
    entries.sort();
    repo.write_object(&gix::objs::Tree { entries }).unwrap().detach()
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
        (Limits { folders_max: 3, ..LIMITS }, "the number of folders"),
        (Limits { folder_bytes_max: 40, ..LIMITS }, "the list of folder "),
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
    let target = repo.write_blob(b"/etc/passwd").unwrap().detach();
    commit_entry(&dir, "link.yaml", EntryKind::Link, target);
    let id = commit_entry(&dir, "vendor/lib", EntryKind::Commit, head);
    let mut paths = Vec::new();
    let summary = walk(&repo, id, LIMITS, &mut |e| paths.push(e.path.to_owned())).unwrap();
    assert_eq!(paths, ["a"]);
    assert_eq!(summary.links, ["link.yaml"]);
    assert_eq!(summary.submodules, ["vendor/lib"]);
}

/// Seven objects that name each other ten million times.
#[test]
fn g11_a_few_objects_that_name_each_other_without_end_are_cut_off() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    create(&dir, &files(&[("a", "b")]), "m", at(5)).unwrap();
    let repo = open(&dir).unwrap();
    let head = resolve(&repo, "main").unwrap();
    let mut id = gix::ObjectId::empty_tree(repo.object_hash());
    for _ in 0..7 {
        let names: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
        let entries: Vec<_> = names.iter().map(|n| (n.as_bytes(), EntryKind::Tree, id)).collect();
        id = write_tree(&repo, &entries);
    }
    let commit = commit_tree(&repo, id, head);
    let error = walk(&repo, commit, LIMITS, &mut |_| ()).unwrap_err();
    assert!(matches!(error, GitError::Limit { what, .. } if what == "the number of folders"));

    let names: Vec<String> = (0..=LIMITS.unread_max).map(|n| format!("l{n}")).collect();
    let links: Vec<_> = names.iter().map(|n| (n.as_bytes(), EntryKind::Commit, head)).collect();
    let commit = commit_tree(&repo, write_tree(&repo, &links), commit);
    let error = walk(&repo, commit, LIMITS, &mut |_| ()).unwrap_err();
    assert!(
        matches!(error, GitError::Limit { what, .. } if what == "the number of links and submodules")
    );
}

#[test]
fn g12_names_that_act_are_refused_with_what_may_be_printed_and_not_read() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("r");
    create(&dir, &files(&[("a", "b")]), "m", at(5)).unwrap();
    let repo = open(&dir).unwrap();
    let head = resolve(&repo, "main").unwrap();
    let blob = repo.write_blob(b"x: 1\n").unwrap().detach();
    let below = write_tree(&repo, &[(b"deep.yaml", EntryKind::Blob, blob)]);
    let all: [(&[u8], EntryKind, gix::ObjectId); 4] = [
        (b"..", EntryKind::Tree, below),
        (b"\x1b[2J.yaml", EntryKind::Blob, blob),
        (b"caf\xe9.yaml", EntryKind::Blob, blob),
        (b"fine.yaml", EntryKind::Blob, blob),
    ];
    let folder = write_tree(&repo, &all);
    let commit = commit_tree(&repo, write_tree(&repo, &[(b"apps", EntryKind::Tree, folder)]), head);
    let mut paths = Vec::new();
    let summary = walk(&repo, commit, LIMITS, &mut |e| paths.push(e.path.to_owned())).unwrap();
    assert_eq!(paths, ["apps/fine.yaml"]);
    let mut shown: Vec<&str> = summary.refused.iter().map(|r| r.shown.as_str()).collect();
    shown.sort_unstable();
    assert_eq!(shown, ["apps/..", "apps/\\u{1b}[2J.yaml", "apps/caf\\xe9.yaml"]);
}

#[test]
fn a_folder_holds_what_is_below_it_and_not_its_namesakes() {
    let cases = [
        ("a/b.yaml", "", true),
        ("a/b.yaml", "a", true),
        ("a/b.yaml", "./a/", true),
        ("a/b.yaml", "/a", true),
        ("ab/c.yaml", "a", false),
        ("a/b.yaml", "a/b.yaml", true),
        ("a/b.yaml", "..", false),
    ];
    for (path, folder, expected) in cases {
        assert_eq!(is_under(path, folder), expected, "{path} {folder}");
    }
}

/// H7: what a process that was killed while it made a repository has left is no repository, and is in nobody's way.
#[test]
fn h07_a_repository_that_was_not_made_whole_is_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("git");
    let half = home.path().join("git.new");
    std::fs::create_dir_all(half.join("objects")).unwrap();
    std::fs::write(half.join("HEAD"), "ref: refs/he").unwrap();
    let files = BTreeMap::from([("a.yaml".to_owned(), b"a: 1".to_vec())]);
    create(&place, &files, "one", Timestamp::UNIX_EPOCH).unwrap();
    assert!(!half.exists());
    let again = create(&place, &files, "two", Timestamp::UNIX_EPOCH);
    assert!(again.is_err(), "one that is there is not replaced");
}
