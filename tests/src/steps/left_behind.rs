//! Steps about what a killed orchestrator leaves: a record with its intent, and the value that was made for it.

use anyhow::{Result, ensure};
use regent_protocol::record::{Origin, Owner, Record, pending_path, record_path};
use regent_types::authority_names::{REGENT_MOUNT, SECRET_MOUNT};
use regent_types::labels::AUTHORITY_NAME;
use regent_types::policy::RotationPolicy;
use serde_json::{Value, json};

use super::login::{end, root};
use crate::{World, waits};

/// Name of the candidate: the uid of the run that is gone.
const CANDIDATE: &str = "a-run-that-is-gone";
/// What it had generated.
const VALUE: &str = "generated-before-the-kill-0123456789";

/// Runs `words` if they are one of these steps.
pub(super) async fn run(world: &mut World, word: &str, words: &[&str]) -> Result<bool> {
    match (word, words) {
        ("when", ["an", "orchestrator", "dies", "while", "it", "generates", path]) => {
            leave(world, path).await?;
        }
        ("then", ["path", path, "has", "what", "was", "generated", "before"]) => {
            let found = value(world, path).await?;
            ensure!(found["key"] == VALUE, "another value was generated");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The candidate is persisted before the record, and the record before the write.
async fn leave(world: &mut World, path: &str) -> Result<()> {
    let api = world.api("RuntimeAuthority", None).await?;
    let authority = waits::ask(|| api.get(AUTHORITY_NAME)).await?;
    let installation = authority.data["spec"]["installation"].as_str().unwrap_or_default();
    let mut segments = path.split('/').skip(1).map(str::to_owned);
    let owner = Owner {
        installation: installation.to_owned(),
        namespace: segments.next().unwrap_or_default(),
        name: segments.next().unwrap_or_default(),
    };
    let mut record = Record::intent(path, owner, Origin::Generate, RotationPolicy::default());
    record.candidate = Some(CANDIDATE.to_owned());
    let root = root(world).await?;
    let kv = root.kv(REGENT_MOUNT);
    kv.write_json(&pending_path(CANDIDATE), &json!({ "key": VALUE }), Some(0)).await?;
    kv.write_json(&record_path(path), &record, Some(0)).await?;
    end(&root).await
}

async fn value(world: &mut World, path: &str) -> Result<Value> {
    let root = root(world).await?;
    let found = root.kv(SECRET_MOUNT).read_json::<Value>(path).await?;
    end(&root).await?;
    Ok(found.map_or(Value::Null, |(value, _)| value))
}
