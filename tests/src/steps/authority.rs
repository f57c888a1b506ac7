//! Steps about the authority: how it runs, what it holds, whom it serves.

use anyhow::{Context, Result, ensure};
use regent::commands::audit;
use regent_types::authority_names::{KUBERNETES_MOUNT, REGENT_MOUNT, SECRET_MOUNT};
use regent_types::labels;
use regent_vault::{Method, VersionInfo};

use crate::waits;
use crate::{World, transport};

/// Runs one step; `false` where it is none of these.
pub(super) async fn run(world: &mut World, word: &str, words: &[&str]) -> Result<bool> {
    match word {
        "when" => when(world, words).await,
        "then" => then(world, words).await,
        _ => Ok(false),
    }
}

async fn when(world: &mut World, words: &[&str]) -> Result<bool> {
    match words {
        ["the", "authority", "is", "restarted"] => {
            world.restart_authority().await?;
        }
        ["the", "authority's", "storage", "is", "copied"] => world.copy_storage().await?,
        ["the", "authority's", "storage", "is", "put", "back"] => world.put_storage_back().await?,
        ["the", "authority", "is", "stopped"] => world.stop_authority().await?,
        ["the", "certificate", "of", "the", "authority", "is", "renewed"] => {
            transport::renew(world).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn then(world: &mut World, words: &[&str]) -> Result<bool> {
    match words {
        ["path", path, "is", "at", "version", number] => at_version(world, path, number).await?,
        ["version", number, "of", path, "is", "destroyed"] => {
            let version = version(world, path, number).await?;
            ensure!(version.destroyed, "version {number} is not destroyed");
        }
        ["version", number, "of", path, "is", "deleted"] => {
            let version = version(world, path, number).await?;
            ensure!(!version.deletion_time.is_empty(), "version {number} is not deleted");
            ensure!(!version.destroyed, "version {number} is destroyed");
        }
        ["the", "ledger", "tells", kind, "of", path, count, "times"] => {
            let kv = world.reader().await?.kv(REGENT_MOUNT);
            let events = audit::trail(&kv, Some(path)).await?;
            let found = events.iter().filter(|e| e.is(kind)).count();
            ensure!(found == count.parse::<usize>()?, "found {found} times: {events:?}");
        }
        ["the", "ledger", "will", "tell", kind, "of", path, count, "times"] => {
            let count: usize = count.parse()?;
            let kv = world.reader().await?.kv(REGENT_MOUNT);
            waits::eventually(async || {
                let events = audit::trail(&kv, Some(path)).await?;
                let found = events.iter().filter(|e| e.is(kind)).count();
                ensure!(found == count, "found {found} times");
                Ok(())
            })
            .await?;
        }
        ["the", "authority", "asks", "the", "first", "cluster"] => asks_first(world).await?,
        ["a", "client", "that", "trusts", "another", "CA", "is", "refused"] => {
            transport::refuses_another_ca(world).await?;
        }
        ["a", "token", "for", "the", "API", "server", "opens", "nothing"] => {
            transport::refuses_api_tokens(world).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
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

async fn version(world: &mut World, path: &str, number: &str) -> Result<VersionInfo> {
    let metadata = world.reader().await?.kv(SECRET_MOUNT).metadata(path).await?;
    let mut versions = metadata.context("the path has no versions")?.versions;
    versions.remove(&number.parse()?).context("no such version")
}

async fn at_version(world: &mut World, path: &str, number: &str) -> Result<()> {
    let metadata = world.reader().await?.kv(SECRET_MOUNT).metadata(path).await?;
    let found = metadata.map_or(0, |m| m.current_version);
    ensure!(found == number.parse::<i64>()?, "found version {found}");
    Ok(())
}
