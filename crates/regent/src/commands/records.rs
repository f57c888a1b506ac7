//! What the authority holds, path by path, as a reader may see it.

use regent_host::failure::Failure;
use regent_protocol::{Record, Stored};
use regent_vault::Kv;

/// Most paths read; more is a defect of the tree, or another tool's mount.
const PATHS_MAX: usize = 100_000;

/// Every record in the `regent/` mount `kv`.
///
/// # Errors
/// Whatever the authority says, and a record that this release does not understand.
pub async fn records(kv: &Kv) -> anyhow::Result<Vec<Record>> {
    let mut all = Vec::new();
    for path in tree(kv, "record").await? {
        let read = kv.read_json::<Stored>(&format!("record/{path}")).await;
        match read.map_err(|e| Failure::of("reading a record", &e))? {
            Some((Stored::Record(record), _)) => all.push(*record),
            Some((Stored::NotUnderstood(why), _)) => {
                return Err(Failure::of("reading a record", &why).into());
            }
            None => {}
        }
    }
    Ok(all)
}

/// Every path below `base` in the mount `kv`, without `base`.
///
/// # Errors
/// Whatever the authority says, and more paths than 100,000.
pub async fn tree(kv: &Kv, base: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut todo = vec![String::new()];
    while let Some(folder) = todo.pop() {
        let place = format!("{base}/{folder}");
        let names = kv.list(place.trim_matches('/')).await;
        for name in names.map_err(|e| Failure::of("listing the authority", &e))? {
            if found.len() + todo.len() > PATHS_MAX {
                anyhow::bail!("more than {PATHS_MAX} paths below {place}");
            }
            let full = format!("{folder}{name}");
            if name.ends_with('/') { todo.push(full) } else { found.push(full) }
        }
    }
    Ok(found)
}
