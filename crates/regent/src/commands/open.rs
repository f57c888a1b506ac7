//! `regent open`: the holder of an offline identity knowingly opens a file (S5.2-2).

use std::path::PathBuf;

use clap::Args;
use regent_manifest::sops;

use super::identities;
use super::text_file::{read_text, write_private};
use crate::output::{Out, escape};
use regent_host::failure::Failure;

/// Arguments of `regent open`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent open --identity holder-alice.txt payments/ledger-db.enc.yaml
  SOPS_AGE_KEY_FILE=holder-alice.txt regent open payments/ledger-db.enc.yaml")]
pub struct OpenArgs {
    /// File with the age identities to try; without it those that `sops` would use: SOPS_AGE_KEY, the file that
    /// SOPS_AGE_KEY_FILE names, and sops/age/keys.txt in ~/.config.
    #[arg(short, long)]
    pub identity: Option<PathBuf>,
    /// A SOPS document; `-` reads standard input.
    pub file: PathBuf,
    /// Private file to write (mode 0600); standard output by default.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Opens, checks the MAC, writes the plaintext.
pub fn run(args: &OpenArgs, out: Out) -> anyhow::Result<u8> {
    let identities = identities::read(args.identity.as_deref(), out)?;
    let sealed = read_text(&args.file)?;
    let opened = sops::open(sealed.expose(), &identities)
        .map_err(|e| Failure::of(&format!("opening {}", escape::path(&args.file)), &e))?;
    match &args.out {
        Some(path) => write_private(path, &opened.plaintext)?,
        None => out.text(opened.plaintext.expose()),
    }
    Ok(0)
}
