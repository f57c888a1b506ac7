//! Steps about the login mount: by which keys the authority judges tokens, and who tampers with them.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use regent_host::connect;
use regent_types::authority_names::CONFIGURATOR;
use regent_types::identity::Identity;
use regent_types::labels::AUTHORITY_NAME;
use regent_vault::{Method, Session};
use serde_json::{Value, json};

use crate::World;
use crate::waits;

/// Runs `words` if they are one of these steps.
pub(super) async fn run(world: &mut World, word: &str, words: &[&str]) -> Result<bool> {
    match (word, words) {
        ("given", ["the", "authority", "is", "outside", "and", "logs", "in", "at", mount]) => {
            world.authority_outside(mount)?;
        }
        ("when", ["somebody", "who", "equals", "root", "adds", "a", "key", "at", mount]) => {
            tamper(world, mount, true).await?;
        }
        ("when", ["somebody", "who", "equals", "root", "replaces", "the", "keys", "at", mount]) => {
            tamper(world, mount, false).await?;
        }
        ("when", ["somebody", "who", "equals", "root", "revokes", "every", "token"]) => {
            revoke_all(world).await?;
        }
        ("when", ["somebody", "who", "equals", "root", "writes", path, "with", pairs]) => {
            write(world, path, pairs).await?;
        }
        (
            "when",
            ["somebody", "who", "equals", "root", "replaces", "the", "metadata", "of", path],
        ) => {
            replace_metadata(world, path).await?;
        }
        ("then", ["the", "authority", "asks", "nobody", "at", mount]) => {
            asks_nobody(world, mount).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What `auth/{mount}/config` says to a reader.
async fn config(world: &mut World, mount: &str) -> Result<Value> {
    let session = world.reader().await?;
    let path = format!("auth/{mount}/config");
    let found = session.request(Method::GET, &path, None).await?.context("no configuration")?;
    Ok(found["data"].clone())
}

/// The mount judges by keys alone: no address, no account, and as many keys as the API server shows.
async fn asks_nobody(world: &mut World, mount: &str) -> Result<()> {
    let found = config(world, mount).await?;
    for field in ["oidc_discovery_url", "jwks_url", "kubernetes_host", "default_role"] {
        let text = found[field].as_str().unwrap_or_default();
        ensure!(text.is_empty(), "{field} is {text:?}");
    }
    let admin = world.system().await?.admin();
    let shown = async |path: &str| -> Result<Value> {
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(serde_json::from_str(&admin.request_text(request).await?)?)
    };
    let (issuer, keys) =
        (shown("/.well-known/openid-configuration").await?, shown("/openid/v1/jwks").await?);
    ensure!(found["bound_issuer"] == issuer["issuer"], "{found} against {issuer}");
    let kept = found["jwt_validation_pubkeys"].as_array().map_or(0, Vec::len);
    let shown = keys["keys"].as_array().map_or(0, Vec::len);
    ensure!(kept > 0 && kept == shown, "{kept} keys kept, {shown} shown");
    Ok(())
}

/// Writes a foreign key beside the cluster's own or in their place while warden is away, and waits until warden, started
/// again, has recorded its repair.
async fn tamper(world: &mut World, mount: &str, keep: bool) -> Result<()> {
    let before = config(world, mount).await?;
    let head = head(world).await?;
    let foreign = rcgen::KeyPair::generate()?.public_key_pem();
    let mut keys = vec![json!(foreign)];
    if keep {
        keys.extend(before["jwt_validation_pubkeys"].as_array().cloned().unwrap_or_default());
    }
    let system = world.system().await?;
    system.kill(Identity::Warden, 0).await;
    let root = root(world).await?;
    let body = json!({ "jwt_validation_pubkeys": keys, "bound_issuer": before["bound_issuer"] });
    let path = format!("auth/{mount}/config");
    root.request(Method::POST, &path, Some(&body)).await?;
    end(&root).await?;
    let system = world.system().await?;
    ensure!(connect::login_mount(&system.admin()).await? == mount, "that is not the login mount");
    system.start_component(Identity::Warden, 0)?;
    world
        .await_object("RuntimeAuthority", AUTHORITY_NAME, |found| {
            let now = found.map(head_of).unwrap_or_default();
            if now == head { Err(format!("the head is still {head}")) } else { Ok(()) }
        })
        .await?;
    let set = |config: &Value| -> BTreeSet<String> {
        let keys = config["jwt_validation_pubkeys"].as_array();
        keys.into_iter().flatten().map(ToString::to_string).collect()
    };
    let after = config(world, mount).await?;
    if set(&after) != set(&before) {
        bail!("the keys are others than before");
    }
    Ok(())
}

/// Writes `key=value,key=value` at `path`, as a person does who has nothing to do with regent.
async fn write(world: &mut World, path: &str, pairs: &str) -> Result<()> {
    let system = world.system().await?;
    let (vault, jwt) = (system.vault()?, system.token(Identity::Warden)?);
    let mount = connect::login_mount(&system.admin()).await?;
    let root = vault.login_kubernetes(&mount, CONFIGURATOR, &jwt).await?.token;
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), json!(value)))
    };
    let data: serde_json::Map<String, Value> = pairs.split(',').filter_map(pair).collect();
    ensure!(!data.is_empty(), "no key=value in {pairs}");
    let body = json!({ "data": data });
    vault.request(&root, Method::POST, &format!("secret/data/{path}"), Some(&body)).await?;
    vault.request(&root, Method::POST, "auth/token/revoke-self", None).await?;
    Ok(())
}

/// Writes `custom_metadata` of `path` anew, as a tool does that knows nothing of what is there.
async fn replace_metadata(world: &mut World, path: &str) -> Result<()> {
    let root = root(world).await?;
    let body = json!({ "custom_metadata": { "team": "somebody-else" } });
    root.request(Method::POST, &format!("secret/metadata/{path}"), Some(&body)).await?;
    end(&root).await
}

/// Ends every login at once, as an expiry of all of them would, and then this one.
async fn revoke_all(world: &mut World) -> Result<()> {
    let root = root(world).await?;
    let ask = async |method, path, body: Option<Value>| -> Result<Value> {
        let answer = root.request(method, path, body.as_ref()).await?;
        Ok(answer.map_or(Value::Null, |mut answer| answer["data"].take()))
    };
    let own = ask(Method::GET, "auth/token/lookup-self", None).await?["accessor"].take();
    // Whoever was logged out before logs in when he next has something to ask.
    let all = waits::eventually(async || {
        let all = ask(Method::from_bytes(b"LIST")?, "auth/token/accessors", None).await?;
        let all = all["keys"].as_array().context("no accessors")?.clone();
        ensure!(all.len() > 1 && all.contains(&own), "{} tokens, this one among them", all.len());
        Ok(all)
    })
    .await?;
    for accessor in all.iter().filter(|accessor| **accessor != own) {
        let body = json!({ "accessor": accessor });
        ask(Method::POST, "auth/token/revoke-accessor", Some(body)).await?;
    }
    end(&root).await
}

/// A session of the configurator, which equals root.
pub(super) async fn root(world: &mut World) -> Result<Session> {
    let system = world.system().await?;
    let (vault, admin) = (system.vault()?, system.admin());
    let mount = waits::ask(|| connect::login_mount(&admin)).await?;
    waits::login(&vault, &mount, CONFIGURATOR, || system.token(Identity::Warden)).await
}

/// Ends a session of [`root`].
pub(super) async fn end(root: &Session) -> Result<()> {
    root.request(Method::POST, "auth/token/revoke-self", None).await?;
    Ok(())
}

async fn head(world: &mut World) -> Result<String> {
    let api = world.api("RuntimeAuthority", None).await?;
    let authority = waits::ask(|| api.get(AUTHORITY_NAME)).await?;
    let head = head_of(&serde_json::to_value(authority)?);
    ensure!(!head.is_empty(), "warden has recorded nothing yet");
    Ok(head)
}

/// The end of warden's chain, as RuntimeAuthority tells it.
fn head_of(authority: &Value) -> String {
    let heads = authority["status"]["ledgerHeads"].as_object();
    let own =
        heads.into_iter().flatten().find(|(writer, _)| writer.starts_with(Identity::Warden.name()));
    own.map(|(_, head)| head.to_string()).unwrap_or_default()
}
