//! `regent authority restore`: a new data file from a snapshot, offline and without any key.

use std::path::PathBuf;

use clap::Args;
use regent_host::failure::Failure;
use serde::Serialize;

use crate::output::{Format, Out};

/// Arguments of `regent authority restore`.
#[derive(Debug, Args)]
#[command(after_help = "Example, after the storage was lost:
  regent authority restore /snapshots/regent-0a1b2c3d-20270115T080000.000Z.snapshot --data-file data/authority.redb
  regent authority serve --data-dir data
  regent authority recover --identity holders.txt

The folder of the data file is made if it is not there. Nothing is written over: the data file must not be there. It is whole or is not made. All in it stays sealed, so that no
key is needed here; what was written after the snapshot is not in it.")]
pub struct RestoreArgs {
    /// File of the snapshot, as `regent authority snapshot` names it.
    pub file: PathBuf,
    /// Where the new data file is to be: authority.redb in the folder that `regent authority serve` is given.
    #[arg(long)]
    pub data_file: PathBuf,
}

/// What is printed: its JSON fields are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Restored {
    data_file: String,
    cluster: String,
    taken: String,
    keys: u64,
    epoch: u64,
}

pub(super) async fn run(args: &RestoreArgs, out: Out) -> anyhow::Result<u8> {
    let (from, to) = (args.file.clone(), args.data_file.clone());
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let now = jiff::Timestamp::now();
    let restoring = move || regent_authority::restore(&from, &to, now);
    let found = tokio::task::spawn_blocking(restoring).await?;
    let found = found.map_err(|error| Failure::of("restoring a snapshot", &error))?;
    let data_file = args.data_file.display().to_string();
    if out.format != Format::Table {
        let regent_authority::RestoredFile { cluster, taken, keys, epoch } = found;
        out.value(&Restored { data_file, cluster, taken: taken.to_string(), keys, epoch })?;
        return Ok(0);
    }
    out.line(&format!(
        "{data_file}: {} records of authority {} as of {}; start it with `regent authority serve`, then open its seal",
        found.keys, found.cluster, found.taken
    ));
    Ok(0)
}
