//! Revoking root tokens, the own one and others.

use regent_vault::{Client, Method, Token};
use serde_json::{Value, json};

use super::Error;
use super::observe::Access;

/// Most accessors looked at when root tokens are hunted; more live tokens than that would be an
/// attack on storage.
const ACCESSORS_MAX: usize = 100_000;

/// Revokes every root token but the own one; returns how many there were.
pub(super) async fn revoke_other_roots(access: &Access<'_>) -> Result<usize, Error> {
    let fail = || Error::authority("looking for root tokens");
    let own = access.request(Method::GET, "auth/token/lookup-self", None).await.map_err(fail())?;
    let own = own.map(|body| text(&body["data"]["accessor"])).unwrap_or_default();
    let list = "auth/token/accessors?list=true";
    let listed = access.request(Method::GET, list, None).await.map_err(fail())?;
    let keys = listed.and_then(|body| body["data"]["keys"].as_array().cloned()).unwrap_or_default();
    let mut found = 0;
    for accessor in keys.iter().take(ACCESSORS_MAX).map(text).filter(|a| *a != own) {
        let body = json!({ "accessor": accessor });
        let path = "auth/token/lookup-accessor";
        let token = match access.request(Method::POST, path, Some(&body)).await {
            Ok(token) => token.unwrap_or_default(),
            // It expired since it was listed; servers differ in how they say so.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(fail()(error)),
        };
        let policies = token["data"]["policies"].as_array();
        if policies.is_some_and(|all| all.iter().any(|p| p == "root")) {
            let path = "auth/token/revoke-accessor";
            let revoked = access.request(Method::POST, path, Some(&body)).await;
            revoked.map_err(Error::authority("revoking a root token"))?;
            found += 1;
        }
    }
    Ok(found)
}

fn is_gone(error: &regent_vault::Error) -> bool {
    use regent_vault::Error as Vault;
    matches!(error, Vault::Denied { .. } | Vault::NotFound { .. } | Vault::BadRequest { .. })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Revokes `token` with itself; one that is dead already is fine.
pub(super) async fn revoke(client: &Client, token: &Token) -> Result<(), Error> {
    let path = "auth/token/revoke-self";
    match client.request(token, Method::POST, path, None).await {
        Ok(_) | Err(regent_vault::Error::Denied { .. }) => Ok(()),
        Err(error) => Err(Error::authority("revoking the own token")(error)),
    }
}

/// Revokes a root token and asks with it once more to see that it is dead.
pub(super) async fn revoke_root(client: &Client, token: &Token) -> Result<(), Error> {
    revoke(client, token).await?;
    match client.request(token, Method::GET, "auth/token/lookup-self", None).await {
        Err(regent_vault::Error::Denied { .. }) => Ok(()),
        Ok(_) => Err(Error::RootAlive),
        Err(error) => Err(Error::authority("checking that the root token is dead")(error)),
    }
}
