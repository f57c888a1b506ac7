//! The steps. Each is one function of the world; a text that no step knows is an error.

mod faults;
mod login;
mod removal;
mod second;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use regent::commands::{audit, verify};
use regent_types::authority_names::{KUBERNETES_MOUNT, REGENT_MOUNT, SECRET_MOUNT};
use regent_types::identity::Identity;
use regent_types::labels;
use regent_vault::Method;
use serde_json::{Value, json};

use crate::leases;
use crate::scenario::Step;
use crate::waits;
use crate::world::split;
use crate::{World, binary, transport};

pub(crate) async fn run(world: &mut World, step: &Step) -> Result<()> {
    let words: Vec<&str> = step.text.split_whitespace().collect();
    if faults::run(world, &step.word, &words, &step.text).await?
        || login::run(world, &step.word, &words).await?
        || removal::run(world, &step.word, &words).await?
        || second::run(world, &step.word, &words, &step.text, &step.block).await?
    {
        return Ok(());
    }
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
        ["the", "authority", "is", "served", "over", "TLS"] => {
            world.options.authority_process = Some(binary::path()?);
        }
        ["the", "repository", "is", "served", "over", "http"] => world.serve_git()?,
        ["no", "authority"] => world.without_authority()?,
        ["no", component] => world.options.without.push(identity(component)?),
        ["the", "file", name] => {
            let text = world.text(block);
            world.options.overlay.insert((*name).to_owned(), Some(text.into_bytes()));
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
        ["installation", name, "takes", "its", "place"] => world.another_installation(name).await?,
        ["the", "person", "recovers"] => world.recover().await?,
        ["the", "certificate", "of", "the", "authority", "is", "renewed"] => {
            transport::renew(world).await?;
        }
        ["the", "identity", "file", "is", "lost"] => {
            std::fs::remove_file(world.folder("kept.root-of-trust"))?;
        }
        [component, "is", "killed"] => {
            let identity = identity(component)?;
            world.system().await?.kill(identity, 0).await;
        }
        [component, "is", "started"] => {
            let identity = identity(component)?;
            world.system().await?.start_component(identity, 0)?;
        }
        ["Git", "changes", file] => {
            let text = world.text(block);
            commit(world, file, Some(text.into_bytes())).await?;
        }
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
        ["every", "component", "finds", "its", "Lease", "held", "by", "another"] => {
            leases::change_hands(world).await?;
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
        [kind, name, "is", "Ready"] => condition(world, kind, name, None).await,
        [kind, name, "has", "reason", reason] => condition(world, kind, name, Some(reason)).await,
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
        ["nothing", "in", namespace, "tells", "a", "value", "of", "Secret", name] => {
            untold(world, namespace, name).await
        }
        ["the", "authority", "asks", "the", "first", "cluster"] => asks_first(world).await,
        ["a", "client", "that", "trusts", "another", "CA", "is", "refused"] => {
            transport::refuses_another_ca(world).await
        }
        ["a", "token", "for", "the", "API", "server", "opens", "nothing"] => {
            transport::refuses_api_tokens(world).await
        }
        ["Git", "was", "only", "read"] => world.git()?.only_read(),
        ["only", "intent", "may", "read", "the", "credentials", "of", "Git"] => {
            only_intent_reads_credentials(world).await
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
    let object: Value = regent_lab::yaml(block)?;
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
    let api = world.api(&kind, namespace.as_deref()).await?;
    waits::create(&api, &serde_json::from_value(object)?).await?;
    Ok(())
}

async fn commit(world: &mut World, file: &str, content: Option<Vec<u8>>) -> Result<()> {
    world.commit(&std::iter::once((file.to_owned(), content)).collect()).await
}

async fn condition(world: &mut World, kind: &str, name: &str, reason: Option<&str>) -> Result<()> {
    world.await_object(kind, name, ready(reason)).await
}

/// Whether condition `Ready` has the reason, or is true where none is named.
fn ready(reason: Option<&str>) -> impl Fn(Option<&Value>) -> Result<(), String> {
    move |object| {
        let all = object.and_then(|o| o["status"]["conditions"].as_array());
        let found = all.and_then(|all| all.iter().find(|c| c["type"] == "Ready"));
        let fine = found.is_some_and(|c| match reason {
            Some(reason) => c["reason"] == reason,
            None => c["status"] == "True",
        });
        if fine { Ok(()) } else { Err(format!("expected {reason:?}, found {found:?}")) }
    }
}

/// Whose tokens the authority has reviewed: those of the cluster that set it up (C9-1).
async fn asks_first(world: &mut World) -> Result<()> {
    let api = world.api("RuntimeAuthority", None).await?;
    let authority = waits::ask(|| api.get(labels::AUTHORITY_NAME)).await?;
    let first = authority.data["status"]["kubernetes"].clone();
    let path = format!("auth/{KUBERNETES_MOUNT}/config");
    let session = world.reader().await?;
    let config = session.request(Method::GET, &path, None).await?.context("no configuration")?;
    let host = &config["data"]["kubernetes_host"];
    ensure!(host.is_string() && *host == first["host"], "found {host}, the first is {first}");
    Ok(())
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
    let found = waits::ask_all(|| verify::look(&api, &session, None, &[])).await?;
    Ok(found.findings.into_iter().map(|f| f.predicate.to_string()).collect())
}

/// Asks the API server who may get the one Secret that a GitSource may name (S5.2-3).
async fn only_intent_reads_credentials(world: &mut World) -> Result<()> {
    let reviews: kube::Api<SubjectAccessReview> = kube::Api::all(world.system().await?.admin());
    let params = PostParams::default();
    for identity in Identity::ALL {
        let system = labels::SYSTEM_NAMESPACE;
        let review = serde_json::from_value(json!({ "metadata": {}, "spec": {
            "user": format!("system:serviceaccount:{system}:{}", identity.account()),
            "resourceAttributes": {
                "verb": "get", "resource": "secrets", "namespace": system, "name": "regent-git-credentials",
            },
        } }))?;
        let answer = waits::ask(|| reviews.create(&params, &review)).await?;
        let allowed = answer.status.is_some_and(|s| s.allowed);
        let expected = identity == Identity::Intent;
        ensure!(allowed == expected, "{}: expected {expected}, found {allowed}", identity.name());
    }
    Ok(())
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

pub(crate) fn identity(component: &str) -> Result<Identity> {
    let found = Identity::ALL.into_iter().find(|i| i.name() == component);
    found.with_context(|| format!("no component {component}"))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
