//! The repository of a run: the user's own, a kept one, or the example made anew; and what an admin must know of it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use regent_gitops::gitrepo;
use regent_types::labels::SYSTEM_NAMESPACE;

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
        let files = gitrepo::list(place, &options.reference).map_err(|e| git(&e))?;
        Ok(Repository { url: place.display().to_string(), commit: None, files })
    };
    if let Some(repo) = &options.repo {
        if repo.contains("://") && !repo.starts_with("file://") {
            return Ok(Repository { url: repo.clone(), commit: None, files: Files::new() });
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
            let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
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
