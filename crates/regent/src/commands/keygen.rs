//! `regent keygen`: the root of trust.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use regent_manifest::keys;
use regent_types::Advice;
use serde::Serialize;

use crate::output::{Format, Out, escape};
use regent_host::failure::Failure;

/// Arguments of `regent keygen`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent keygen --out holder-alice.txt      keep the file offline; give the recipient to the platform team")]
pub struct KeygenArgs {
    /// Private file to write (mode 0600); it must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// A name for the comment in the file.
    #[arg(long, default_value = "root of trust")]
    pub name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    recipient: String,
    identity_file: String,
}

/// Writes the identity, prints the recipient.
pub fn run(args: &KeygenArgs, out: Out) -> anyhow::Result<u8> {
    let made = keys::generate();
    let text = keys::identity_file_text(&[(args.name.as_str(), &made)]);
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&args.out).map_err(|e| {
            let advice = Advice::new(
                "a new private file",
                format!("{}: {e}", escape::path(&args.out)),
                "name another file with --out: an identity is never overwritten",
            );
            Failure::new("CannotWriteIdentity", "the identity cannot be written", advice)
        })?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    if out.format == Format::Table {
        out.note(&format!(
            "identity written to {} (mode 0600): keep it offline",
            escape::path(&args.out)
        ));
        out.line(&made.recipient);
    } else {
        let identity_file = escape::path(&args.out);
        out.value(&Made { recipient: made.recipient.clone(), identity_file })?;
    }
    Ok(0)
}
