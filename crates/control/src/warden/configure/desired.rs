//! What the authority is to be like, beyond the table.

use regent_api::RuntimeAuthority;
use regent_types::grant::PathGrant;
use regent_types::login::{Login, LoginMethod};

use super::judge::Judge;
use crate::warden::Error;
use crate::warden::args::Args;
use crate::warden::issuer::Issuer;

#[derive(Clone, Debug)]
pub(in crate::warden) struct DesiredConfig {
    /// Whose login mount it is.
    pub(in crate::warden) installation: String,
    pub(in crate::warden) login: Login,
    /// What tokens are judged by there.
    pub(in crate::warden) judge: Judge,
    /// Paths beyond the three trees.
    pub(in crate::warden) grants: Vec<PathGrant>,
}

impl DesiredConfig {
    /// What `authority` declares, in the cluster of `api`.
    pub(in crate::warden) async fn of(
        authority: &RuntimeAuthority,
        args: &Args,
        api: &kube::Client,
    ) -> Result<Self, Error> {
        let login = authority.spec.login();
        let judge = match login.method {
            LoginMethod::TokenReview => Judge::Reviewer(args.clone()),
            LoginMethod::Keys => Judge::Keys(Issuer::ask(api).await?),
        };
        let (installation, grants) =
            (authority.spec.installation.clone(), authority.spec.grants.clone());
        Ok(Self { installation, login, judge, grants })
    }
}
