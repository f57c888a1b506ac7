//! Reads the files of one commit, under limits, following neither symbolic links nor submodules.

use std::collections::BTreeMap;
use std::path::Path;

use super::names::{printable, refusal};
use super::{GitError, open};

/// What one commit may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files in the tree.
    pub files_max: usize,
    /// Folders that are opened, each as often as a tree names it: a few objects can name each other ten million times.
    pub folders_max: usize,
    /// Links, submodules and refused names: what is named and not read.
    pub unread_max: usize,
    /// Bytes of one folder's own object.
    pub folder_bytes_max: u64,
    /// Bytes of one file; larger ones are named but not read.
    pub file_bytes_max: u64,
    /// Bytes of all files that are read.
    pub total_bytes_max: u64,
    /// Folders inside folders, the root folder being none.
    pub depth_max: usize,
}

/// 20,000 files (20 objects a file would be 400,000 objects, far above what one API server holds) in as many folders,
/// 1 MiB a file (an API object is at most 1.5 MiB), 256 MiB in all, 64 levels; 4 MiB of names in a folder (20,000 of
/// 200 bytes), 2,000 links and submodules.
pub const LIMITS: Limits = Limits {
    files_max: 20_000,
    folders_max: 20_000,
    unread_max: 2_000,
    folder_bytes_max: 4 << 20,
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

/// A file or folder that may not be used under the name that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedName {
    /// Its path, as it may be printed.
    pub shown: String,
    /// The folder that it stands in, with a `/` at its end; empty for the root.
    pub folder: String,
    /// What is wrong with the name.
    pub why: &'static str,
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
    /// Files and folders whose names may not be used; they are not read.
    pub refused: Vec<RefusedName>,
}

impl WalkSummary {
    fn unread(&self) -> usize {
        self.submodules.len() + self.links.len() + self.refused.len()
    }
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
    let mut walk = Walk { repo, limits, summary: WalkSummary::default(), folders: 1, total: 0 };
    let mut folders = vec![(String::new(), root, 0_usize)];
    while let Some((folder, id, depth)) = folders.pop() {
        if depth > limits.depth_max {
            return Err(over(format!("folder {folder}"), format!("{} levels", limits.depth_max)));
        }
        let size = repo.find_header(id).map_err(fail)?.size();
        if size > limits.folder_bytes_max {
            let limit = format!("{} bytes", limits.folder_bytes_max);
            return Err(over(format!("the list of folder {folder}"), limit));
        }
        let tree = repo.find_tree(id).map_err(fail)?;
        for entry in tree.iter() {
            let entry = entry.map_err(fail)?;
            if let Some((path, id)) = walk.entry(&folder, &entry, visit)? {
                folders.push((path, id, depth + 1));
            }
        }
    }
    Ok(walk.summary)
}

struct Walk<'r> {
    repo: &'r gix::Repository,
    limits: Limits,
    summary: WalkSummary,
    folders: usize,
    /// Bytes of the files that were read.
    total: u64,
}

impl Walk<'_> {
    /// Takes in one entry of `folder`; the folder that it is, if it is one.
    fn entry(
        &mut self,
        folder: &str,
        entry: &gix::object::tree::EntryRef<'_, '_>,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<Option<(String, gix::ObjectId)>, GitError> {
        let (limits, name) = (self.limits, entry.filename());
        if self.summary.unread() >= limits.unread_max {
            return Err(over(
                "the number of links and submodules",
                format!("{}", limits.unread_max),
            ));
        }
        let name = match (refusal(name), std::str::from_utf8(name)) {
            (None, Ok(name)) => name,
            (why, _) => {
                let shown = printable(&[folder.as_bytes(), name].concat());
                let why = why.unwrap_or("its name is not UTF-8");
                self.summary.refused.push(RefusedName { shown, folder: folder.to_owned(), why });
                return Ok(None);
            }
        };
        let path = format!("{folder}{name}");
        let mode = entry.mode();
        if mode.is_tree() {
            self.folders += 1;
            if self.folders > limits.folders_max {
                return Err(over("the number of folders", format!("{}", limits.folders_max)));
            }
            return Ok(Some((format!("{path}/"), entry.object_id())));
        }
        if mode.is_commit() {
            self.summary.submodules.push(path);
        } else if mode.is_link() {
            self.summary.links.push(path);
        } else {
            self.summary.files += 1;
            if self.summary.files > limits.files_max {
                return Err(over("the number of files", format!("{}", limits.files_max)));
            }
            self.total += show(self.repo, &path, entry.object_id(), limits, visit)?;
            if self.total > limits.total_bytes_max {
                let limit = format!("{} bytes", limits.total_bytes_max);
                return Err(over("the size of all files", limit));
            }
        }
        Ok(None)
    }
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

/// The files of `commit` whose names end as `endings` say, below `folder` or anywhere where that is empty. Those too
/// large to read are left out.
///
/// # Errors
/// As [`resolve`] and [`walk`].
pub fn select(
    dir: &Path,
    reference: &str,
    folder: &str,
    endings: &[&str],
) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
    let repo = open(dir)?;
    let commit = resolve(&repo, reference)?;
    let mut files = BTreeMap::new();
    walk(&repo, commit, LIMITS, &mut |entry| {
        let wanted = endings.iter().any(|ending| entry.path.ends_with(ending));
        let Some(bytes) = entry.bytes.filter(|_| wanted && is_under(entry.path, folder)) else {
            return;
        };
        files.insert(entry.path.to_owned(), bytes.to_vec());
    })?;
    Ok(files)
}

/// Whether `path` is `folder` or below it; all is below the empty folder.
#[must_use]
pub fn is_under(path: &str, folder: &str) -> bool {
    let folder = folder.trim_start_matches("./").trim_matches('/');
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
