//! Steps about two clusters on one authority (C9-1): what the second one is let in to, and that the first one keeps what
//! it has, byte for byte.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use regent::commands::verify;
use regent_types::authority_names::{KUBERNETES_MOUNT, REGENT_MOUNT, SECRET_MOUNT};
use regent_types::labels::{SEALED_SHARES, SYSTEM_NAMESPACE};
use regent_types::neighbour::parts_of;
use regent_vault::{Method, Session};
use serde_json::{Value, json};

use super::words::{ready, shown};
use crate::World;
use crate::waits;
use crate::world::await_object;

/// Under which name it is remembered what the first installation has.
const FIRST: &str = "what the first installation has";

/// Runs `words` if they are one of these steps.
pub(super) async fn run(
    world: &mut World,
    word: &str,
    words: &[&str],
    text: &str,
    block: &str,
) -> Result<bool> {
    match (word, words) {
        ("when", ["a", "second", "cluster", "from", "the", "same", "Git", "starts"]) => {
            world.start_second().await?;
        }
        ("when", ["installation", name, "starts", "in", "a", "second", "cluster", "at", mount]) => {
            let further = world.text(block);
            world.start_installation(name, mount, &further).await?;
        }
        ("when", ["a", "person", "lets", "the", "second", "cluster", "join"]) => {
            world.join_second().await?;
        }
        ("when", ["what", "the", "first", "installation", "has", "is", "remembered"]) => {
            let all = of_first(world).await?;
            world.remembered.insert(FIRST.to_owned(), serde_json::to_string(&all)?);
        }
        ("then", ["what", "the", "first", "installation", "has", "is", "the", "same"]) => {
            same(world).await?;
        }
        ("then", ["in", "the", "second", "cluster", rest @ ..]) => {
            in_second(world, rest, text).await?;
        }
        ("then", ["verify", "in", "the", "second", "cluster", "finds", "nothing"]) => {
            let session = world.reader_of_second().await?;
            let api = world.second()?;
            let found = waits::ask_all(|| verify::look(&api, &session, None, &[])).await?;
            ensure!(found.findings.is_empty(), "found {:?}", found.findings);
            let names: Vec<&str> = found.neighbours.iter().map(|n| n.mount.as_str()).collect();
            ensure!(
                names == [KUBERNETES_MOUNT],
                "expected the first as a neighbour, found {names:?}"
            );
        }
        ("then", ["regent", "verify", "in", "the", "second", "cluster", "names", object]) => {
            let rows = world.verify_second().await?;
            let named = rows.iter().find(|row| row["object"] == *object);
            let named = named.with_context(|| format!("{object} is not named: {rows:?}"))?;
            ensure!(named["holds"] == true, "{named}");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn in_second(world: &mut World, words: &[&str], text: &str) -> Result<()> {
    let admin = world.second()?;
    match words {
        [kind, name, "has", "reason", reason] => {
            await_object(admin, kind, name, ready(Some(reason))).await
        }
        [kind, name, "is", "Ready"] => await_object(admin, kind, name, ready(None)).await,
        [kind, name, "is", "absent"] => {
            let absent = |o: Option<&Value>| match o {
                None => Ok(()),
                Some(_) => Err("expected it to be absent, found it".to_owned()),
            };
            await_object(admin, kind, name, absent).await
        }
        [kind, name, "has", pointer, "=", ..] => {
            let wanted = text.split_once(" = ").map(|(_, w)| w).unwrap_or_default();
            await_object(admin, kind, name, |o| {
                let found = o.and_then(|o| o.pointer(pointer)).map(shown);
                match found.as_deref() == Some(wanted) {
                    true => Ok(()),
                    false => Err(format!("{pointer}: expected {wanted}, found {found:?}")),
                }
            })
            .await
        }
        _ => bail!("no such step of the second cluster"),
    }
}

/// What was remembered is there as it was; what came since is the other's, or the first one's own going on.
async fn same(world: &mut World) -> Result<()> {
    let before = world.remembered.get(FIRST).context("never remembered")?;
    let before: BTreeMap<String, Value> = serde_json::from_str(before)?;
    ensure!(before.len() > 20, "too little was remembered: {:?}", before.keys());
    let after = of_first(world).await?;
    for (path, was) in &before {
        let is = after.get(path).unwrap_or(&Value::Null);
        ensure!(is == was, "{path} was {was}, is {is}");
    }
    Ok(())
}

/// Login mount, roles, policies, records, versions and marks of paths, sealed shares.
async fn of_first(world: &mut World) -> Result<BTreeMap<String, Value>> {
    let session = world.reader().await?;
    let mut paths = vec![format!("auth/{KUBERNETES_MOUNT}/config")];
    let roles = format!("auth/{KUBERNETES_MOUNT}/role");
    paths.extend(keys(&session, &roles).await?.iter().map(|name| format!("{roles}/{name}")));
    let policies = keys(&session, "sys/policies/acl").await?;
    let own = policies.iter().filter(|p| parts_of(p).is_some_and(|(_, m)| m == KUBERNETES_MOUNT));
    paths.extend(own.map(|name| format!("sys/policies/acl/{name}")));
    for record in tree(&session, REGENT_MOUNT, "record").await? {
        paths.push(format!("{REGENT_MOUNT}/data/{record}"));
    }
    for path in tree(&session, SECRET_MOUNT, "").await? {
        paths.push(format!("{SECRET_MOUNT}/metadata/{path}"));
    }
    let mut all = BTreeMap::new();
    for path in paths {
        let found = session.request(Method::GET, &path, None).await?;
        all.insert(path, found.map(|f| f["data"].clone()).unwrap_or_default());
    }
    let api = world.api("ConfigMap", Some(SYSTEM_NAMESPACE)).await?;
    let shares = waits::ask(|| api.get(SEALED_SHARES)).await?.data["data"].clone();
    all.insert("the sealed shares".to_owned(), json!(shares));
    Ok(all)
}

async fn keys(session: &Session, path: &str) -> Result<Vec<String>> {
    let listed = session.request(Method::GET, &format!("{path}?list=true"), None).await?;
    let listed = listed.unwrap_or_default();
    let all = listed["data"]["keys"].as_array().cloned().unwrap_or_default();
    Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Every path at and below `base` in a KV mount.
async fn tree(session: &Session, mount: &str, base: &str) -> Result<Vec<String>> {
    let kv = session.kv(mount);
    let (mut found, mut todo) = (Vec::new(), vec![base.to_owned()]);
    while let Some(folder) = todo.pop() {
        for name in kv.list(&folder).await? {
            let full = format!("{folder}/{name}").trim_start_matches('/').to_owned();
            match full.strip_suffix('/') {
                Some(folder) => todo.push(folder.to_owned()),
                None => found.push(full),
            }
        }
    }
    Ok(found)
}
