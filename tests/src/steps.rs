//! The steps. Each is one function of the world; a text that no step knows is an error.

use anyhow::{Context, Result, bail, ensure};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use regent::commands::{audit, verify};
use regent_types::access::authority::{REGENT_MOUNT, SECRET_MOUNT};
use regent_types::access::identity::Identity;
use regent_types::labels;
use serde_json::{Value, json};

use crate::World;
use crate::scenario::Step;
use crate::world::split;

/// Runs one step.
pub(crate) async fn run(world: &mut World, step: &Step) -> Result<()> {
    let words: Vec<&str> = step.text.split_whitespace().collect();
    match step.word.as_str() {
        "given" => given(world, &words, &step.block),
        "when" => when(world, &words, &step.block).await,
        _ => then(world, &words, &step.text).await,
    }
}

fn given(world: &mut World, words: &[&str], block: &str) -> Result<()> {
    match words {
        ["the", "example", "platform"] => {}
        ["a", "kept", "folder"] => world.options.data_dir = Some(world.folder("kept")),
        ["no", "authority"] => world.without_authority()?,
        ["no", component] => world.options.without.push(identity(component)?),
        ["the", "file", name] => {
            world.options.overlay.insert((*name).to_owned(), Some(block.as_bytes().to_vec()));
        }
        ["no", "file", name] => {
            world.options.overlay.insert((*name).to_owned(), None);
        }
        ["the", "sealed", "file", name] => {
            let sealed = seal_for_another(block)?;
            world.options.overlay.insert((*name).to_owned(), Some(sealed.into_bytes()));
        }
        _ => bail!("no such given step"),
    }
    Ok(())
}

/// A manifest sealed to an identity that nobody in the world holds.
fn seal_for_another(plain: &str) -> Result<String> {
    let recipients = vec![regent_manifest::keys::generate().recipient];
    let options = regent_manifest::sops::SealOptions::new(recipients, jiff::Timestamp::now());
    Ok(regent_manifest::sops::seal(plain, &options)?)
}

async fn when(world: &mut World, words: &[&str], block: &str) -> Result<()> {
    match words {
        ["it", "settles"] => {
            world
                .until(|view| match view.unmet().first() {
                    None => Ok(()),
                    Some(first) => Err(format!("not steady: {first:?}")),
                })
                .await?;
        }
        ["it", "starts"] => {
            world.system().await?;
        }
        ["the", "authority", "is", "restarted"] => {
            world.restart_authority().await?;
        }
        ["the", "authority", "is", "stopped"] => world.stop_authority().await?,
        ["the", "cluster", "is", "lost"] => world.lose_cluster().await?,
        ["the", "person", "recovers"] => world.recover().await?,
        ["the", "identity", "file", "is", "lost"] => {
            std::fs::remove_file(world.folder("kept.root-of-trust"))?;
        }
        [component, "is", "killed"] => {
            let identity = identity(component)?;
            world.system().await?.kill(identity).await;
        }
        [component, "is", "started"] => {
            let identity = identity(component)?;
            world.system().await?.start_component(identity)?;
        }
        ["Git", "changes", file] => commit(world, file, Some(block.as_bytes().to_vec())).await?,
        ["Git", "removes", file] => commit(world, file, None).await?,
        ["Git", "reseals", file] => {
            let sealed = world.system().await?.seal(block)?;
            commit(world, file, Some(sealed.into_bytes())).await?;
        }
        ["Git", "reseals", "and", "then", "alters", file] => {
            // What is in clear is under the MAC too.
            let sealed = world.system().await?.seal(block)?;
            ensure!(sealed.contains("as-sealed"), "nothing to alter: a value as-sealed in clear");
            let altered = sealed.replace("as-sealed", "altered");
            commit(world, file, Some(altered.into_bytes())).await?;
        }
        ["somebody", "creates", "in", "vain", "there", "is", "one", "RuntimeAuthority"] => {
            let message = "there is one RuntimeAuthority and its name is regent";
            let refused = create(world, block).await.err().context("it was created")?.to_string();
            ensure!(refused.contains(message), "expected {message:?}, found {refused:?}");
        }
        [kind, name, "is", "deleted"] => {
            let (namespace, name) = split(name);
            let api = world.api(kind, namespace).await?;
            api.delete(name, &DeleteParams::default()).await?;
        }
        [kind, name, "is", "annotated", annotation] => {
            let (key, value) = annotation.split_once('=').context("key=value")?;
            let patch = json!({ "metadata": { "annotations": { key: value } } });
            let (namespace, name) = split(name);
            let api = world.api(kind, namespace).await?;
            api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        }
        ["somebody", "creates"] => {
            create(world, block).await?;
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
        _ => bail!("no such when step"),
    }
    Ok(())
}

async fn then(world: &mut World, words: &[&str], text: &str) -> Result<()> {
    match words {
        [kind, name, "is", "absent"] => {
            world
                .await_object(kind, name, |o| match o {
                    None => Ok(()),
                    Some(_) => Err("expected it to be absent, found it".into()),
                })
                .await
        }
        [kind, name, "is", "Ready"] => condition(world, kind, name, "Ready", None).await,
        [kind, name, "has", "reason", reason] => {
            condition(world, kind, name, "Ready", Some(reason)).await
        }
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
                .await
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
                .await
        }
        ["the", "value", "of", "Secret", name, "is", "the", "same"] => {
            let before = world.remembered.get(*name).cloned().context("never remembered")?;
            ensure!(secret_data(world, name).await? == before, "the value is another one");
            Ok(())
        }
        ["the", "value", "of", "Secret", name, "is", "another"] => {
            let before = world.remembered.get(*name).cloned().context("never remembered")?;
            world
                .await_object("Secret", name, |o| match o.map(|o| o["data"].to_string()) {
                    Some(now) if now != before => Ok(()),
                    _ => Err("the value is the same".into()),
                })
                .await
        }
        ["path", path, "is", "at", "version", number] => at_version(world, path, number).await,
        ["version", number, "of", path, "is", "destroyed"] => {
            let metadata = world.reader().await?.kv(SECRET_MOUNT).metadata(path).await?;
            let metadata = metadata.context("the path has no versions")?;
            let version = metadata.versions.get(&number.parse()?).context("no such version")?;
            ensure!(version.destroyed, "version {number} is not destroyed");
            Ok(())
        }
        ["the", "ledger", "tells", kind, "of", path, count, "times"] => {
            let kv = world.reader().await?.kv(REGENT_MOUNT);
            let events = audit::trail(&kv, Some(path)).await?;
            let found = events.iter().filter(|e| e.is(kind)).count();
            ensure!(found == count.parse::<usize>()?, "found {found} times: {events:?}");
            Ok(())
        }
        ["no", "component", "reached", "beyond", "its", "Role"] => {
            let refusals = world.refusals().await?;
            ensure!(refusals.is_empty(), "{} refused: {refusals:?}", refusals.len());
            Ok(())
        }
        ["verify", "finds", "nothing"] => {
            let findings = findings(world).await?;
            ensure!(findings.is_empty(), "found {findings:?}");
            Ok(())
        }
        ["verify", "finds", predicate] => {
            let findings = findings(world).await?;
            ensure!(findings.iter().any(|f| f == predicate), "found only {findings:?}");
            Ok(())
        }
        ["no", "file", "of", "the", "kept", "folder", "holds", "an", "age", "identity"] => {
            no_identity(&world.folder("kept"))
        }
        _ => bail!("no such then step"),
    }
}

/// Creates an object as the cluster's admin.
async fn create(world: &mut World, block: &str) -> Result<()> {
    let object: Value = regent::dev::yaml(block)?;
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
    let api = world.api(&kind, namespace.as_deref()).await?;
    api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    Ok(())
}

async fn commit(world: &mut World, file: &str, content: Option<Vec<u8>>) -> Result<()> {
    let changes = std::iter::once((file.to_owned(), content)).collect();
    world.system().await?.commit(&changes)
}

async fn condition(
    world: &mut World,
    kind: &str,
    name: &str,
    wanted: &str,
    reason: Option<&str>,
) -> Result<()> {
    world
        .await_object(kind, name, |o| {
            let all = o.and_then(|o| o["status"]["conditions"].as_array());
            let found = all.and_then(|all| all.iter().find(|c| c["type"] == wanted));
            let fine = found.is_some_and(|c| match reason {
                Some(reason) => c["reason"] == reason,
                None => c["status"] == "True",
            });
            if fine { Ok(()) } else { Err(format!("expected {reason:?}, found {found:?}")) }
        })
        .await
}

async fn at_version(world: &mut World, path: &str, number: &str) -> Result<()> {
    let metadata = world.reader().await?.kv(SECRET_MOUNT).metadata(path).await?;
    let found = metadata.map_or(0, |m| m.current_version);
    ensure!(found == number.parse::<i64>()?, "found version {found}");
    Ok(())
}

async fn findings(world: &mut World) -> Result<Vec<String>> {
    let session = world.reader().await?;
    let api = world.system().await?.admin();
    let snapshot = verify::gather(&api, &session).await?;
    Ok(verify::findings(&snapshot).into_iter().map(|f| f.predicate.to_string()).collect())
}

async fn secret_data(world: &mut World, name: &str) -> Result<String> {
    let (namespace, name) = split(name);
    let object = world.api("Secret", namespace).await?.get(name).await?;
    Ok(object.data["data"].to_string())
}

async fn delete_bootstrap(world: &mut World) -> Result<()> {
    let params = ListParams::default().labels(&format!("{}=bootstrap", labels::CLASS));
    let secrets = world.api("Secret", None).await?.list(&params).await?;
    for secret in secrets {
        let namespace = secret.metadata.namespace.clone().unwrap_or_default();
        let name = secret.metadata.name.clone().unwrap_or_default();
        let api = world.api("Secret", Some(&namespace)).await?;
        api.delete(&name, &DeleteParams::default()).await?;
    }
    let api = world.api("Secret", Some(labels::SYSTEM_NAMESPACE)).await?;
    api.delete(labels::MANIFEST_IDENTITY_SECRET, &DeleteParams::default()).await?;
    Ok(())
}

fn no_identity(folder: &std::path::Path) -> Result<()> {
    let mut looked = 0;
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            looked += 1;
            let bytes = std::fs::read(&path)?;
            let found = bytes.windows(15).any(|w| w == b"AGE-SECRET-KEY-");
            ensure!(!found, "{} holds an age identity", path.display());
        }
    }
    ensure!(looked > 0, "the kept folder is empty");
    Ok(())
}

fn identity(component: &str) -> Result<Identity> {
    let found = Identity::ALL.into_iter().find(|i| i.name() == component);
    found.with_context(|| format!("no component {component}"))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
