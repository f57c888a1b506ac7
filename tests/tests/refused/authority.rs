//! Each identity against each path, at the authority: with its own login where it has one, and never by another's.

use anyhow::{Context, Result, bail};
use regent_types::Sensitive;
use regent_types::authority_names::{CONFIGURATOR, LOGINS};
use regent_types::identity::Identity;
use regent_vault::{Client, Error};
use serde_json::json;

use crate::owners::requests;

/// No version has this number, so that no write takes effect.
const NO_VERSION: i64 = 999_999;

/// What went another way than the owners say.
pub(crate) async fn wrong(
    vault: &Client,
    jwt: &Sensitive<String>,
    identity: Identity,
) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for role in LOGINS.iter().map(|i| i.account()).chain([CONFIGURATOR.to_owned()]) {
        let own =
            role == identity.account() || (role == CONFIGURATOR && identity == Identity::Warden);
        let login = vault.login_kubernetes("kubernetes", &role, jwt).await;
        if refused(&login)? == own {
            let expected = if own { "no refusal" } else { "a refusal" };
            wrong.push(format!("logging in as {role}: expected {expected}"));
        }
    }
    if !LOGINS.contains(&identity) {
        return Ok(wrong);
    }
    let login = vault.login_kubernetes("kubernetes", &identity.account(), jwt).await;
    let token = login.context("its own login")?.token;
    let body = json!({
        "options": { "cas": NO_VERSION }, "data": { "refused": "x" }, "versions": [NO_VERSION],
    });
    for request in requests() {
        let may = request.who.contains(&identity);
        let body = (request.method == http::Method::POST).then_some(&body);
        let answer = vault.request(&token, request.method.clone(), &request.path, body).await;
        if refused(&answer)? == may {
            let expected = if may { "no refusal" } else { "a refusal" };
            wrong.push(format!("{} {}: expected {expected}", request.method, request.path));
        }
    }
    Ok(wrong)
}

/// Whether a policy refused; an answer that says nothing about that is an error.
fn refused<T>(answer: &Result<T, Error>) -> Result<bool> {
    match answer {
        Err(error) if error.is_denied() => Ok(true),
        Err(error) if error.is_unreachable() || error.is_sealed() => bail!("{error}"),
        Ok(_) | Err(_) => Ok(false),
    }
}
