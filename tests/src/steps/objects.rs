//! Steps about objects of the API server: what somebody makes, changes and deletes, and what is found then.

use anyhow::{Context, Result, ensure};
use kube::api::{ListParams, Patch, PatchParams};
use regent_types::labels;
use serde_json::{Value, json};

use super::words::{ready, shown};
use crate::World;
use crate::waits;
use crate::world::split;

/// Runs one step; `false` where it is none of these.
pub(super) async fn run(
    world: &mut World,
    word: &str,
    words: &[&str],
    text: &str,
    block: &str,
) -> Result<bool> {
    match word {
        "when" => when(world, words, block).await,
        "then" => then(world, words, text).await,
        _ => Ok(false),
    }
}

async fn when(world: &mut World, words: &[&str], block: &str) -> Result<bool> {
    match words {
        ["somebody", "creates", "in", "vain", "there", "is", "one", "RuntimeAuthority"] => {
            let message = "there is one RuntimeAuthority and its name is regent";
            let refused = create(world, block).await.err().context("it was created")?.to_string();
            ensure!(refused.contains(message), "expected {message:?}, found {refused:?}");
        }
        [kind, name, "is", "deleted"] => {
            let (namespace, name) = split(name);
            let api = world.api(kind, namespace).await?;
            waits::delete(&api, name).await?;
        }
        [kind, name, "is", "annotated", annotation] => {
            let (key, value) = annotation.split_once('=').context("key=value")?;
            let patch = json!({ "metadata": { "annotations": { key: value } } });
            let (namespace, name) = split(name);
            let api = world.api(kind, namespace).await?;
            let params = PatchParams::default();
            waits::ask(async || api.patch(name, &params, &Patch::Merge(&patch)).await).await?;
        }
        ["somebody", "creates"] => {
            create(world, block).await?;
        }
        ["somebody", "changes", kind, name] => {
            let patch: Value = regent_lab::yaml(block)?;
            let (namespace, name) = split(name);
            let api = world.api(kind, namespace).await?;
            let params = PatchParams::default();
            waits::ask(async || api.patch(name, &params, &Patch::Merge(&patch)).await).await?;
        }
        ["somebody", "changes", "the", "status", "of", kind, name] => {
            let patch = json!({ "status": regent_lab::yaml(block)? });
            let (namespace, name) = split(name);
            let api = world.api(kind, namespace).await?;
            let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
            waits::ask(async || api.patch_status(name, &params, &patch).await).await?;
        }
        [
            "every",
            "bootstrap",
            "Secret",
            "and",
            "the",
            "manifest",
            "identity",
            "are",
            "deleted",
        ] => {
            delete_bootstrap(world).await?;
        }
        ["the", "value", "of", "Secret", name, "is", "remembered"] => {
            let value = secret_data(world, name).await?;
            world.remembered.insert((*name).to_owned(), value);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn then(world: &mut World, words: &[&str], text: &str) -> Result<bool> {
    match words {
        [kind, name, "is", "absent"] => {
            world
                .await_object(kind, name, |o| match o {
                    None => Ok(()),
                    Some(_) => Err("expected it to be absent, found it".into()),
                })
                .await?;
        }
        [kind, name, "is", "Ready"] => condition(world, kind, name, None).await?,
        [kind, name, "has", "reason", reason] => condition(world, kind, name, Some(reason)).await?,
        [kind, name, "has", pointer, "=", ..] => {
            let wanted = text.split_once(" = ").map(|(_, w)| w).unwrap_or_default().to_owned();
            let pointer = (*pointer).to_owned();
            world
                .await_object(kind, name, |o| {
                    let found = o.and_then(|o| o.pointer(&pointer)).map(shown);
                    if found.as_deref() == Some(wanted.as_str()) {
                        Ok(())
                    } else {
                        Err(format!("{pointer}: expected {wanted}, found {found:?}"))
                    }
                })
                .await?;
        }
        ["Secret", name, "has", "keys", keys] => {
            let wanted: Vec<&str> = keys.split(',').collect();
            world
                .await_object("Secret", name, |o| {
                    let data = o.and_then(|o| o["data"].as_object());
                    let found: Vec<&str> =
                        data.map(|d| d.keys().map(String::as_str).collect()).unwrap_or_default();
                    if found == wanted { Ok(()) } else { Err(format!("found keys {found:?}")) }
                })
                .await?;
        }
        ["the", "value", "of", "Secret", name, "is", "the", "same"] => {
            let before = world.remembered.get(*name).cloned().context("never remembered")?;
            ensure!(secret_data(world, name).await? == before, "the value is another one");
        }
        ["the", "value", "of", "Secret", name, "is", "another"] => {
            let before = world.remembered.get(*name).cloned().context("never remembered")?;
            world
                .await_object("Secret", name, |o| match o.map(|o| o["data"].to_string()) {
                    Some(now) if now != before => Ok(()),
                    _ => Err("the value is the same".into()),
                })
                .await?;
        }
        ["nothing", "in", namespace, "tells", "a", "value", "of", "Secret", name] => {
            untold(world, namespace, name).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Creates an object as the cluster's admin.
async fn create(world: &mut World, block: &str) -> Result<()> {
    let object: Value = regent_lab::yaml(block)?;
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
    let api = world.api(&kind, namespace.as_deref()).await?;
    waits::create(&api, &serde_json::from_value(object)?).await?;
    Ok(())
}

async fn condition(world: &mut World, kind: &str, name: &str, reason: Option<&str>) -> Result<()> {
    world.await_object(kind, name, ready(reason)).await
}

async fn secret_data(world: &mut World, name: &str) -> Result<String> {
    let (namespace, name) = split(name);
    let api = world.api("Secret", namespace).await?;
    let object = waits::ask(|| api.get(name)).await?;
    Ok(object.data["data"].to_string())
}

/// Nothing that a namespace's people may look at holds a value of a Secret elsewhere, plain or as base64.
async fn untold(world: &mut World, namespace: &str, name: &str) -> Result<()> {
    use base64::Engine;
    let (home, secret) = split(name);
    let api = world.api("Secret", home).await?;
    let found = waits::ask(|| api.get(secret)).await?;
    let values = found.data["data"].as_object().context("a Secret with data")?;
    let mut looked = 0;
    for kind in ["Secret", "ConfigMap", "ExternalSecret", "PushSecret", "SecretStore", "Event"] {
        let (api, params) = (world.api(kind, Some(namespace)).await?, ListParams::default());
        for object in waits::ask(|| api.list(&params)).await? {
            looked += 1;
            let text = serde_json::to_string(&object)?;
            for (key, value) in values {
                let coded = value.as_str().unwrap_or_default();
                let plain = base64::engine::general_purpose::STANDARD.decode(coded)?;
                let plain = String::from_utf8(plain)?;
                // A user name may be any word.
                let told = plain.len() > 8 && (text.contains(coded) || text.contains(&plain));
                ensure!(!told, "{kind} {:?} tells {key} of {name}", object.metadata.name);
            }
        }
    }
    ensure!(looked > 1, "nothing was looked at");
    Ok(())
}

async fn delete_bootstrap(world: &mut World) -> Result<()> {
    let params = ListParams::default().labels(&format!("{}=bootstrap", labels::CLASS));
    let api = world.api("Secret", None).await?;
    let secrets = waits::ask(|| api.list(&params)).await?;
    for secret in secrets {
        let namespace = secret.metadata.namespace.clone().unwrap_or_default();
        let name = secret.metadata.name.clone().unwrap_or_default();
        let api = world.api("Secret", Some(&namespace)).await?;
        waits::delete(&api, &name).await?;
    }
    let api = world.api("Secret", Some(labels::SYSTEM_NAMESPACE)).await?;
    Ok(waits::delete(&api, labels::MANIFEST_IDENTITY_SECRET).await?)
}
