//! Where the repository stands now: opened directly on this machine, or asked for its references
//! over http(s) and fetched, one commit deep, into a bare copy only when they moved. Blocking: run
//! on a thread of its own.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::blocking_io::http::connect_http;
use gix::remote::Direction;
use regent_types::Sensitive;
use sha2::{Digest, Sha256};

use super::bounded_http::{BoundedHttp, Budget};
use super::location::Location;
use crate::gitrepo::{self, GitError};

/// Packs in a bare copy before it is thrown away and cloned anew: each fetch adds one.
const PACKS_MAX: usize = 50;
/// Bytes that a server may answer before files are fetched: about 150,000 references, where it ignores that one alone
/// is asked for.
const ADVERTISED_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one fetch: twice what the files of a commit may have, which are sent compressed.
const PACK_BYTES_MAX: u64 = 512 << 20;

/// User name and password for http(s).
#[derive(Debug)]
pub(super) struct Account {
    pub(super) username: String,
    /// Password or access token.
    pub(super) password: Sensitive<String>,
}

/// What to look at.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Where the repository is.
    pub(super) location: Location,
    pub(super) reference: String,
    pub(super) account: Option<Account>,
    /// Folder of bare copies.
    pub(super) cache_dir: PathBuf,
}

/// Where the reference stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Repository on disk that holds the commit.
    pub(super) dir: PathBuf,
    pub(super) commit: gix::ObjectId,
}

/// Bare copies that a thread is writing. A fetch that outlived its deadline still holds its copy.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies(Arc<Mutex<BTreeSet<PathBuf>>>);

struct Claim<'a>(&'a Copies, PathBuf);

impl Copies {
    fn claim(&self, dir: &Path) -> Option<Claim<'_>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(dir.to_owned()).then(|| Claim(self, dir.to_owned()))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Looks at the repository, fetching what is missing; `stop` ends a fetch that takes too long.
pub(super) fn look(
    wanted: &Wanted,
    copies: &Copies,
    stop: &Arc<AtomicBool>,
) -> Result<Head, GitError> {
    match &wanted.location {
        Location::Local(dir) => {
            let repo = gitrepo::open(dir)?;
            let commit = gitrepo::resolve(&repo, &wanted.reference)?;
            Ok(Head { dir: dir.clone(), commit })
        }
        Location::Http(url) => {
            let dir = wanted.cache_dir.join(copy_name(url));
            let _claim = copies.claim(&dir).ok_or_else(|| {
                failed("wait for an earlier fetch", gix::error::message("it is still running"))
            })?;
            let commit = fetch(&dir, url, wanted, stop)?;
            Ok(Head { dir, commit })
        }
    }
}

fn copy_name(url: &str) -> String {
    let digest = Sha256::digest(url.as_bytes());
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{hex}.git")
}

fn failed(verb: &str, why: gix::error::Message) -> GitError {
    GitError::git(verb, gix::Error::from(why))
}

fn fetch(
    dir: &Path,
    url: &str,
    wanted: &Wanted,
    stop: &Arc<AtomicBool>,
) -> Result<gix::ObjectId, GitError> {
    let budget = Budget::new(ADVERTISED_BYTES_MAX, Arc::clone(stop));
    let fail = |verb: &str| {
        let (verb, budget) = (format!("{verb} {url}"), budget.clone());
        move |e: gix::Error| match budget.is_exceeded() {
            true => too_much(verb),
            false => GitError::git(verb, e),
        }
    };
    let repo = open_copy(dir)?;
    let name = &wanted.reference;
    let specs = [
        format!("+refs/heads/{name}:refs/regent/heads/{name}"),
        format!("+refs/tags/{name}:refs/regent/tags/{name}"),
    ];
    let remote = repo
        .remote_at_without_url_rewrite(url)
        .map(|r| r.with_fetch_tags(gix::remote::fetch::Tags::None))
        .and_then(|r| r.with_refspecs(specs.iter().map(String::as_str), Direction::Fetch))
        .map_err(fail("prepare"))?;
    let (address, version) =
        remote.sanitized_url_and_version(Direction::Fetch).map_err(fail("connect to"))?;
    let transport = connect_http(BoundedHttp::new(budget.clone()), address, version, false);
    let connection = remote
        .to_connection_with_transport(transport)
        .with_credentials(|action| answer(url, wanted.account.as_ref(), action));
    let options = gix::remote::ref_map::Options::default();
    let prepared =
        connection.prepare_fetch(gix::progress::Discard, options).map_err(fail("list"))?;
    let commit = pick(&prepared.ref_map().remote_refs, name)
        .ok_or_else(|| GitError::NoReference { reference: name.clone() })?;
    if repo.has_object(commit) {
        return Ok(commit);
    }
    budget.allow(PACK_BYTES_MAX);
    prepared
        .with_shallow(gix::remote::fetch::Shallow::DepthAtRemote(NonZeroU32::MIN))
        .receive(gix::progress::Discard, stop)
        .map_err(fail("fetch"))?;
    Ok(commit)
}

fn too_much(verb: String) -> GitError {
    let limit = format!(
        "{} MiB of references and {} MiB of files",
        ADVERTISED_BYTES_MAX >> 20,
        PACK_BYTES_MAX >> 20
    );
    GitError::Limit { what: format!("the server's answer ({verb})"), limit }
}

/// The commit that branch `name`, else tag `name`, stands at on the remote.
fn pick(remote: &[Ref], name: &str) -> Option<gix::ObjectId> {
    let at = |wanted: &str| {
        remote.iter().find_map(|r| {
            let (found, object, peeled) = r.unpack();
            (found == wanted).then(|| peeled.or(object).map(ToOwned::to_owned)).flatten()
        })
    };
    at(&format!("refs/heads/{name}")).or_else(|| at(&format!("refs/tags/{name}")))
}

fn open_copy(dir: &Path) -> Result<gix::Repository, GitError> {
    let packs = std::fs::read_dir(dir.join("objects/pack")).map_or(0, |entries| {
        entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "pack")).count()
    });
    let io = |e| GitError::git("write the bare copy", gix::Error::from_error(e));
    if packs > PACKS_MAX {
        std::fs::remove_dir_all(dir).map_err(io)?;
    }
    if dir.join("HEAD").exists() {
        return gitrepo::open(dir);
    }
    std::fs::create_dir_all(dir).map_err(io)?;
    gix::ThreadSafeRepository::init_opts(
        dir,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gitrepo::options(),
    )
    .map(|r| r.to_thread_local())
    .map_err(|e| GitError::git("write the bare copy", e))
}

/// Gives the account to the host that the GitSource names, and to no host that it redirects to.
fn answer(
    url: &str,
    account: Option<&Account>,
    action: gix::credentials::helper::Action,
) -> gix::Result<Option<gix::credentials::protocol::Outcome>> {
    let gix::credentials::helper::Action::Get(asked) = action else { return Ok(None) };
    let to = asked.url.clone().or_else(|| asked.to_url()).unwrap_or_default().to_string();
    let Some(account) = account.filter(|_| authority(url) == authority(&to)) else {
        return Ok(None);
    };
    Ok(Some(gix::credentials::protocol::Outcome {
        identity: gix::sec::identity::Account {
            username: account.username.clone(),
            password: account.password.expose().clone(),
            oauth_refresh_token: None,
        },
        next: asked.into(),
    }))
}

/// Scheme and host of an address, without a user name that git may have put in.
fn authority(url: &str) -> Option<(String, String)> {
    let plain = super::location::redact(url);
    let (scheme, rest) = plain.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some((scheme.to_owned(), host.to_owned()))
}
