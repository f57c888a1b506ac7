//! The authority of this installation: the only place where a component shows its own token.

use std::sync::Arc;

use regent_api::RuntimeAuthority;
use regent_types::labels::{AUTHORITY_NAME, AUTHORITY_SERVICE_URL};
use regent_types::login::Login;

use crate::Context;

/// Where an authority answers, and where one logs in there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthorityEndpoint {
    /// Address as a store or RuntimeAuthority writes it.
    pub address: String,
    /// Mount at which one logs in, without `auth/`.
    pub mount: String,
}

/// The addresses that RuntimeAuthority and the installation name, and the login mount that RuntimeAuthority does.
#[derive(Clone, Debug)]
pub struct TrustedAuthority {
    addresses: Vec<String>,
    mount: String,
}

impl TrustedAuthority {
    /// As `declared`, the RuntimeAuthorities that were listed, and `cx` say.
    pub fn of(cx: &Context, declared: &[Arc<RuntimeAuthority>]) -> Self {
        let one = declared.iter().find(|a| a.metadata.name.as_deref() == Some(AUTHORITY_NAME));
        let login = one.map(|authority| authority.spec.login()).unwrap_or_default();
        let addresses = std::iter::once(AUTHORITY_SERVICE_URL.to_owned())
            .chain(cx.endpoints.dial.keys().cloned())
            .chain(declared.iter().flat_map(|authority| addresses(authority)));
        Self::new(addresses, login)
    }

    fn new(addresses: impl Iterator<Item = String>, login: Login) -> Self {
        let bare = |address: String| address.trim_end_matches('/').to_owned();
        Self { addresses: addresses.map(bare).collect(), mount: login.mount }
    }

    /// One that answers at `address` alone, and where one logs in at `mount`.
    pub fn at(address: &str, mount: &str) -> Self {
        let login = Login { mount: mount.to_owned(), ..Login::default() };
        Self::new(std::iter::once(address.to_owned()), login)
    }

    /// The site behind `server`; `None` where that is another authority.
    pub fn endpoint(&self, server: &str) -> Option<AuthorityEndpoint> {
        let address = server.trim_end_matches('/').to_owned();
        let known = self.addresses.contains(&address);
        known.then(|| AuthorityEndpoint { address, mount: self.mount.clone() })
    }

    /// Mount at which one logs in, without `auth/`.
    pub fn mount(&self) -> &str {
        &self.mount
    }
}

fn addresses(authority: &RuntimeAuthority) -> impl Iterator<Item = String> {
    let external = authority.spec.external.as_ref().map(|e| e.address.clone());
    let observed = authority.status.as_ref().and_then(|s| s.address.clone());
    external.into_iter().chain(observed)
}
