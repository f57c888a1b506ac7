//! Makes repositories and commits from files in memory.

use std::collections::BTreeMap;
use std::path::Path;

use gix::object::tree::EntryKind;
use jiff::Timestamp;

use super::{GitError, open};

/// The branch that is written.
const BRANCH: &str = "refs/heads/main";
/// Whose name stands on commits that regent writes.
const AUTHOR: (&str, &str) = ("regent", "regent@regent.dev");

/// Makes a bare repository in `dir`, which must be empty or absent, with one commit of `files` on
/// branch `main`. Paths are separated by `/`. Returns the commit id.
///
/// # Errors
/// [`GitError::Git`] when the folder is not empty, a path is not valid in Git or the disk refuses.
pub fn create(
    dir: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    message: &str,
    now: Timestamp,
) -> Result<String, GitError> {
    let verb = || format!("create a repository in {}", dir.display());
    let options = gix::create::Options {
        destination_must_be_empty: Some(true),
        ..gix::create::Options::default()
    };
    // Made aside and put in its place whole: whoever is killed meanwhile leaves no half of one.
    let aside = dir.with_extension("new");
    let io = |e: std::io::Error| GitError::git(verb(), gix::Error::from_error(e));
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(io)?;
    }
    if dir.read_dir().is_ok_and(|mut there| there.next().is_some()) {
        return Err(io(std::io::ErrorKind::DirectoryNotEmpty.into()));
    }
    let repo = gix::ThreadSafeRepository::init_opts(
        &aside,
        gix::create::Kind::Bare,
        options,
        super::options(),
    )
    .map_err(|e| GitError::git(verb(), e))?
    .to_thread_local();
    let changes: BTreeMap<&str, Option<&[u8]>> =
        files.iter().map(|(path, bytes)| (path.as_str(), Some(bytes.as_slice()))).collect();
    let commit =
        write(&repo, None, &changes, message, now).map_err(|e| GitError::git(verb(), e))?;
    drop(repo);
    std::fs::rename(&aside, dir).map_err(io)?;
    Ok(commit)
}

/// Commits `changes` on top of branch `main` of the repository in `dir`: a path with bytes is
/// written, a path with `None` is removed. Returns the commit id.
///
/// # Errors
/// [`GitError::NoReference`] without a branch `main`; [`GitError::Git`] when the disk refuses or
/// another writer moved the branch meanwhile.
pub fn commit(
    dir: &Path,
    changes: &BTreeMap<String, Option<Vec<u8>>>,
    message: &str,
    now: Timestamp,
) -> Result<String, GitError> {
    let repo = open(dir)?;
    let parent = super::resolve(&repo, "main")?;
    let changes: BTreeMap<&str, Option<&[u8]>> =
        changes.iter().map(|(path, bytes)| (path.as_str(), bytes.as_deref())).collect();
    write(&repo, Some(parent), &changes, message, now)
        .map_err(|e| GitError::git(format!("commit to {}", dir.display()), e))
}

fn write(
    repo: &gix::Repository,
    parent: Option<gix::ObjectId>,
    changes: &BTreeMap<&str, Option<&[u8]>>,
    message: &str,
    now: Timestamp,
) -> Result<String, gix::Error> {
    let base = match parent {
        Some(id) => repo.find_commit(id)?.tree_id()?.detach(),
        None => gix::ObjectId::empty_tree(repo.object_hash()),
    };
    let mut editor = repo.edit_tree(base)?;
    for (path, bytes) in changes {
        match bytes {
            Some(bytes) => {
                let blob = repo.write_blob(bytes)?;
                editor.upsert(*path, EntryKind::Blob, blob)?;
            }
            None => {
                editor.remove(*path)?;
            }
        }
    }
    let tree = editor.write()?.detach();
    let time = format!("{} +0000", now.as_second());
    let author = gix::actor::SignatureRef {
        name: AUTHOR.0.into(),
        email: AUTHOR.1.into(),
        time: time.as_str(),
    };
    let commit = repo.commit_as(author, author, BRANCH, message, tree, parent)?;
    Ok(commit.detach().to_string())
}
