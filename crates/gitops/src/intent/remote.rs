//! A remote repository as intent reads it, for whoever must know what it declares before intent runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::IntentError;
use super::fetch::{Copies, Wanted, look};
use super::location::Location;
use crate::gitrepo::GitError;

/// Fetches branch or tag `reference` of the repository at `url` into a bare copy below `cache_dir`, and returns the
/// copy's folder, in which `reference` resolves. Blocks until it is there; set `stop`, and it ends at the server's next
/// word.
///
/// # Errors
/// [`GitError`]: the address cannot be used, the server does not answer, or it has no such reference.
pub fn fetch(
    url: &str,
    reference: &str,
    cache_dir: &Path,
    stop: &Arc<AtomicBool>,
) -> Result<std::path::PathBuf, GitError> {
    let location = Location::parse(url).map_err(|error| match error {
        IntentError::Url { url, expected } => GitError::Address { url, expected },
        other => GitError::Address { url: other.to_string(), expected: "an address" },
    })?;
    let wanted = Wanted {
        location,
        reference: reference.to_owned(),
        account: None,
        cache_dir: cache_dir.to_owned(),
    };
    look(&wanted, &Copies::default(), stop).map(|head| head.dir)
}
