//! What one authority is talked to with.

use std::sync::Arc;

use regent_api::RuntimeAuthority;
use regent_operator::Context;
use regent_operator::ledger::Ledger;
use regent_operator::published_head::Published;
use regent_types::authority_names::{REGENT_MOUNT, chain_name};
use regent_types::identity::Identity;
use regent_types::labels::AUTHORITY_SERVICE_URL;
use regent_vault::{Client, Session};

use super::Error;

/// A client, warden's own login and its ledger chain, all at one address.
pub(super) struct Link {
    /// The address as RuntimeAuthority writes it.
    pub(super) written: String,
    mount: String,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) ledger: Ledger,
}

impl Link {
    /// One to what `authority` names: `before` where that is the same. Nothing is sent before the first request.
    pub(super) fn to(
        authority: &RuntimeAuthority,
        before: Option<&Arc<Self>>,
        cx: &Context,
    ) -> Result<Arc<Self>, Error> {
        let written = match &authority.spec.external {
            Some(external) => external.address.as_str(),
            None => AUTHORITY_SERVICE_URL,
        };
        let mount = authority.spec.login().mount;
        if let Some(link) = before.filter(|link| link.written == written && link.mount == mount) {
            return Ok(Arc::clone(link));
        }
        let role = Identity::Warden.account();
        let session = cx.session(written, &mount, &role).map_err(Error::authority("connecting"))?;
        let chain = chain_name(Identity::Warden, &mount);
        let ledger = Ledger::start(session.kv(REGENT_MOUNT), &chain, Published::In(cx.api.clone()));
        let client = session.client().clone();
        Ok(Arc::new(Self { written: written.to_owned(), mount, client, session, ledger }))
    }
}
