//! Reads the files of one commit, under limits, following neither symbolic links nor submodules.

use std::collections::BTreeMap;
use std::path::Path;

use gix::bstr::ByteSlice;

use super::{GitError, open};

/// What one commit may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files in the tree.
    pub files_max: usize,
    /// Bytes of one file; larger ones are named but not read.
    pub file_bytes_max: u64,
    /// Bytes of all files that are read.
    pub total_bytes_max: u64,
    /// Folders inside folders, the root folder being none.
    pub depth_max: usize,
}

/// 20,000 files (20 objects a file would be 400,000 objects, far above what one API server holds),
/// 1 MiB a file (an API object is at most 1.5 MiB), 256 MiB in all, 64 levels.
pub const LIMITS: Limits = Limits {
    files_max: 20_000,
    file_bytes_max: 1 << 20,
    total_bytes_max: 256 << 20,
    depth_max: 64,
};

/// One file of a commit.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Path inside the repository, separated by `/`.
    pub path: &'a str,
    /// Its bytes, or `None` when it is larger than [`Limits::file_bytes_max`].
    pub bytes: Option<&'a [u8]>,
    /// Its size in bytes.
    pub size: u64,
}

/// What a walk came by, and what it passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkSummary {
    /// Files that were read or named.
    pub files: usize,
    /// Submodules, by path; they are not fetched.
    pub submodules: Vec<String>,
    /// Symbolic links, by path; they are not followed.
    pub links: Vec<String>,
}

/// The commit that branch or tag `reference` stands at. A branch wins over a tag of the same name,
/// a local branch over a fetched one.
///
/// # Errors
/// [`GitError::NoReference`] when neither exists.
pub fn resolve(repo: &gix::Repository, reference: &str) -> Result<gix::ObjectId, GitError> {
    let candidates = [
        format!("refs/heads/{reference}"),
        format!("refs/regent/heads/{reference}"),
        format!("refs/tags/{reference}"),
        format!("refs/regent/tags/{reference}"),
        format!("refs/remotes/origin/{reference}"),
    ];
    for name in candidates {
        let found = repo
            .try_find_reference(name.as_str())
            .map_err(|e| GitError::git(format!("find {name}"), e))?;
        if let Some(found) = found {
            let id = found
                .into_fully_peeled_id()
                .map_err(|e| GitError::git(format!("peel {name}"), e))?;
            return Ok(id.detach());
        }
    }
    Err(GitError::NoReference { reference: reference.to_owned() })
}

/// Shows each file of `commit` to `visit`, folder by folder in Git's order.
///
/// # Errors
/// [`GitError::Limit`] as soon as a limit is exceeded; [`GitError::Git`] for a missing or broken
/// object.
pub fn walk(
    repo: &gix::Repository,
    commit: gix::ObjectId,
    limits: Limits,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<WalkSummary, GitError> {
    let fail = |e: gix::Error| GitError::git(format!("read commit {commit}"), e);
    let root =
        repo.find_commit(commit).and_then(|c| c.tree_id().map(gix::Id::detach)).map_err(fail)?;
    let mut summary = WalkSummary::default();
    let mut total: u64 = 0;
    let mut folders = vec![(String::new(), root, 0_usize)];
    while let Some((folder, id, depth)) = folders.pop() {
        if depth > limits.depth_max {
            return Err(over(format!("folder {folder}"), format!("{} levels", limits.depth_max)));
        }
        let tree = repo.find_tree(id).map_err(fail)?;
        for entry in tree.iter() {
            let entry = entry.map_err(fail)?;
            let path = format!("{folder}{}", entry.filename().to_str_lossy());
            let mode = entry.mode();
            if mode.is_tree() {
                folders.push((format!("{path}/"), entry.object_id(), depth + 1));
            } else if mode.is_commit() {
                summary.submodules.push(path);
            } else if mode.is_link() {
                summary.links.push(path);
            } else {
                summary.files += 1;
                if summary.files > limits.files_max {
                    return Err(over("the number of files", format!("{}", limits.files_max)));
                }
                total += show(repo, &path, entry.object_id(), limits, visit)?;
                if total > limits.total_bytes_max {
                    let limit = format!("{} bytes", limits.total_bytes_max);
                    return Err(over("the size of all files", limit));
                }
            }
        }
    }
    Ok(summary)
}

/// Shows one file; the bytes that were read.
fn show(
    repo: &gix::Repository,
    path: &str,
    id: gix::ObjectId,
    limits: Limits,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<u64, GitError> {
    let fail = |e: gix::Error| GitError::git(format!("read {path}"), e);
    let size = repo.find_header(id).map_err(fail)?.size();
    if size > limits.file_bytes_max {
        visit(Entry { path, bytes: None, size });
        return Ok(0);
    }
    let blob = repo.find_blob(id).map_err(fail)?;
    visit(Entry { path, bytes: Some(&blob.data), size });
    Ok(size)
}

fn over(what: impl Into<String>, limit: impl Into<String>) -> GitError {
    GitError::Limit { what: what.into(), limit: limit.into() }
}

/// All files at branch or tag `reference` of the repository in `dir`, under [`LIMITS`].
///
/// # Errors
/// As [`resolve`] and [`walk`]; [`GitError::Limit`] also for a single file that is too large.
pub fn list(dir: &Path, reference: &str) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
    let repo = open(dir)?;
    let commit = resolve(&repo, reference)?;
    let mut files = BTreeMap::new();
    let mut large = None;
    walk(&repo, commit, LIMITS, &mut |entry| match entry.bytes {
        Some(bytes) => {
            files.insert(entry.path.to_owned(), bytes.to_vec());
        }
        None => large = Some(entry.path.to_owned()),
    })?;
    match large {
        Some(path) => Err(over(path, format!("{} bytes", LIMITS.file_bytes_max))),
        None => Ok(files),
    }
}
