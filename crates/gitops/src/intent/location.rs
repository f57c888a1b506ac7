//! Where a repository is: on this machine or behind http(s). Addresses with credentials in them are
//! refused, because a GitSource stands in Git.

use std::path::PathBuf;

use super::IntentError;
use crate::gitrepo::GitError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A folder of this machine, opened directly.
    Local(PathBuf),
    /// An address that speaks Git's smart HTTP protocol.
    Http(String),
}

impl Location {
    /// Parses `url`: an absolute path, `file:///…`, `https://…`, or `http://` on loopback.
    pub(super) fn parse(url: &str) -> Result<Self, IntentError> {
        let bad = |expected: &'static str| IntentError::Url { url: redact(url), expected };
        if url.starts_with('/') {
            return Ok(Self::Local(PathBuf::from(url)));
        }
        if let Some(path) = url.strip_prefix("file://") {
            if !path.starts_with('/') || path.contains('%') {
                return Err(bad("file:// and an absolute path, without percent signs"));
            }
            return Ok(Self::Local(PathBuf::from(path)));
        }
        let (rest, secure) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            _ => return Err(bad("https://, http:// on loopback, file:/// or an absolute path")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(bad("a host name"));
        }
        if authority.contains('@') {
            return Err(bad(
                "an address without user name and password: name a Secret in credentials",
            ));
        }
        if !secure && !is_loopback(authority) {
            return Err(bad("https:// for a host that is not loopback"));
        }
        Ok(Self::Http(url.to_owned()))
    }
}

fn is_loopback(authority: &str) -> bool {
    if authority.starts_with("[::1]") {
        return true;
    }
    let host = authority.split(':').next().unwrap_or_default();
    host == "localhost"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// `url` without anything that stands before an `@` in its authority: what statuses and objects
/// show.
pub(super) fn redact(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// That the repository at `url` cannot be read.
pub(super) fn unreadable(url: &str, source: GitError) -> IntentError {
    IntentError::Repository { repository: redact(url), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_the_repository_is_reached() {
        let local = |p: &str| Some(Location::Local(PathBuf::from(p)));
        let http = |u: &str| Some(Location::Http(u.to_owned()));
        let cases = [
            ("/srv/git/platform.git", local("/srv/git/platform.git")),
            ("file:///srv/git/a", local("/srv/git/a")),
            ("https://git.example.org/a.git", http("https://git.example.org/a.git")),
            ("http://127.0.0.1:3000/a", http("http://127.0.0.1:3000/a")),
            ("http://localhost/a", http("http://localhost/a")),
            ("http://[::1]:80/a", http("http://[::1]:80/a")),
            ("http://git.example.org/a", None),
            ("http://127.0.0.1.example.org/a", None),
            ("https://user:pass@git.example.org/a", None),
            ("ssh://git@example.org/a", None),
            ("file://relative", None),
            ("relative/path", None),
            ("https://", None),
        ];
        for (url, expected) in cases {
            assert_eq!(Location::parse(url).ok(), expected, "{url}");
        }
    }

    #[test]
    fn an_error_about_an_address_does_not_repeat_its_password() {
        let error = Location::parse("https://user:planted@host/p").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("planted"));
        assert_eq!(redact("https://u:p@host/a@b"), "https://host/a@b");
    }
}
