//! The repository of a run: the user's own, a kept one, or the example made anew; and what an admin must know of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_gitops::{gitrepo, intent};
use regent_types::labels::SYSTEM_NAMESPACE;
use tokio::sync::oneshot;

use super::example;
use super::folder::Folder;
use super::options::{AuthorityChoice, Options};
use super::trust::Trust;
use regent_host::failure::Failure;

/// Phase 0: the file that is named, the one of an earlier run, or a new one.
pub(super) fn root_of_trust(options: &Options, folder: &Folder) -> Result<Option<Trust>, Failure> {
    if let Some(path) = &options.identity {
        return Trust::read(path).map(Some);
    }
    let path = folder.default_identity();
    if path.exists() {
        return Trust::read(&path).map(Some);
    }
    // A kept folder without its identity is an installation whose root of trust is lost: a new one would open
    // nothing, so none is made, and the authority stays sealed.
    let used = folder.lasting().join("git").exists();
    if used { Ok(None) } else { Trust::create(&path).map(Some) }
}

/// How the names of files end that can declare anything.
const YAML: [&str; 2] = [".yaml", ".yml"];
/// Longest wait for a remote repository.
const FETCH_MAX: Duration = Duration::from_secs(120);

fn is_remote(repo: &str) -> bool {
    repo.contains("://") && !repo.starts_with("file://")
}

/// Fetches a remote repository, where `options` name one, so that the installation knows its namespaces as it knows
/// those of a local one. Nothing else was begun yet: whoever gives up waiting leaves nothing behind. What is returned
/// holds the copy until the system was started.
pub async fn prefetch(options: &mut Options) -> anyhow::Result<Option<tempfile::TempDir>> {
    let Some(url) = options.repo.clone().filter(|repo| is_remote(repo)) else { return Ok(None) };
    let cache = tempfile::tempdir()?;
    let (reference, cache_dir) = (options.reference.clone(), cache.path().to_owned());
    let (done, answer) = oneshot::channel();
    // A thread that nobody waits for at the end of the process, as a runtime waits for its own.
    let thread = std::thread::Builder::new().name("git".to_owned());
    thread.spawn(move || {
        let fetched = intent::fetch_remote(&url, &reference, &cache_dir, &Arc::default());
        let _unheard = done.send(fetched);
    })?;
    let fetched = tokio::time::timeout(FETCH_MAX, answer).await??;
    options.fetched = Some(fetched.map_err(|e| Failure::of("reading the repository", &e))?);
    Ok(Some(cache))
}

type Files = BTreeMap<String, Vec<u8>>;

/// A repository, and its files where it is local.
pub(super) struct Repository {
    /// Where intent fetches it.
    pub(super) url: String,
    /// Its commit, where this run made it.
    pub(super) commit: Option<String>,
    files: Files,
}

impl Repository {
    /// What an admin must know of it.
    pub(super) fn declared(&self) -> RepositoryFacts {
        RepositoryFacts::read(&self.files)
    }
}

/// Opens the user's own repository or a kept one, else makes the example.
pub(super) fn open(
    options: &Options,
    folder: &Folder,
    trust: Option<&Trust>,
) -> anyhow::Result<Repository> {
    let git = |e: &gitrepo::GitError| Failure::of("reading the repository", e);
    let listed = |place: &std::path::Path| -> anyhow::Result<Repository> {
        let files = gitrepo::select(place, &options.reference, &options.path, &YAML);
        let files = files.map_err(|e| git(&e))?;
        Ok(Repository { url: place.display().to_string(), commit: None, files })
    };
    if let Some(repo) = &options.repo {
        if is_remote(repo) {
            let Some(copy) = &options.fetched else { anyhow::bail!("{repo} was not fetched") };
            return Ok(Repository { url: repo.clone(), ..listed(copy)? });
        }
        return listed(&std::path::absolute(repo.trim_start_matches("file://"))?);
    }
    let place = std::path::absolute(folder.lasting().join("git"))?;
    if place.exists() {
        return listed(&place);
    }
    let Some(trust) = trust else { anyhow::bail!("a new repository needs a root of trust") };
    let now = Timestamp::now();
    let external = match &options.authority {
        AuthorityChoice::External(external) => Some(external),
        AuthorityChoice::Embedded | AuthorityChoice::Absent => None,
    };
    let mut files = example::files(trust, options.extra_secrets, external, now)?;
    for (name, content) in &options.overlay {
        match content {
            Some(content) => files.insert(name.clone(), content.clone()),
            None => files.remove(name),
        };
    }
    let commit =
        gitrepo::create(&place, &files, "the example platform", now).map_err(|e| git(&e))?;
    Ok(Repository { url: place.display().to_string(), commit: Some(commit), files })
}

/// What the admin must know of the repository to install for it: its namespaces, and who holds shares.
#[derive(Default)]
pub(super) struct RepositoryFacts {
    /// Namespaces that it names.
    pub(super) namespaces: Vec<String>,
    /// Recipients of share holders.
    pub(super) holders: Vec<String>,
    /// Name of the installation.
    pub(super) installation: Option<String>,
}

impl RepositoryFacts {
    fn read(files: &Files) -> Self {
        let mut found = Self::default();
        for (name, content) in files {
            let yaml = YAML.iter().any(|ending| name.ends_with(ending));
            let Some(text) = std::str::from_utf8(content).ok().filter(|_| yaml) else { continue };
            let documents: Vec<serde_json::Value> =
                serde_saphyr::from_multiple(text).unwrap_or_default();
            for document in &documents {
                found.take(document);
            }
        }
        found.namespaces.sort();
        found.namespaces.dedup();
        found
    }

    fn take(&mut self, document: &serde_json::Value) {
        let text = |pointer: &str| document.pointer(pointer).and_then(|v| v.as_str());
        let own = text("/metadata/namespace");
        let namespace =
            if text("/kind") == Some("Namespace") { text("/metadata/name") } else { own };
        self.namespaces.extend(namespace.filter(|n| *n != SYSTEM_NAMESPACE).map(str::to_owned));
        if text("/kind") == Some("RuntimeAuthority") {
            self.installation = text("/spec/installation").map(str::to_owned);
            let holders = document.pointer("/spec/seal/holders").and_then(|v| v.as_array());
            let recipients = holders.into_iter().flatten().filter_map(|h| h["recipient"].as_str());
            self.holders.extend(recipients.map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G2: what a folder of the repository declares, a bad file beside it included.
    #[test]
    fn g02_the_namespaces_of_the_folder_that_is_applied_are_known() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("r");
        let object = |kind: &str, metadata: &str| {
            format!("apiVersion: v1\nkind: {kind}\nmetadata: {metadata}\n").into_bytes()
        };
        let files = Files::from([
            ("test/a.yaml".to_owned(), object("Namespace", "{name: apps}")),
            ("test/b.yaml".to_owned(), object("ConfigMap", "{name: x, namespace: other}")),
            ("test/bad.yaml".to_owned(), b"caf\xe9: [".to_vec()),
            ("test/large.yaml".to_owned(), vec![b' '; 2 << 20]),
            ("live/c.yaml".to_owned(), object("Namespace", "{name: live}")),
        ]);
        gitrepo::create(&dir, &files, "m", Timestamp::UNIX_EPOCH).unwrap();
        let of = |path: &str| {
            let files = gitrepo::select(&dir, "main", path, &YAML).unwrap();
            RepositoryFacts::read(&files).namespaces
        };
        assert_eq!(of("test"), ["apps", "other"]);
        assert_eq!(of(""), ["apps", "live", "other"]);
    }
}
