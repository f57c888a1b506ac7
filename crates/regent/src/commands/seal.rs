//! `regent seal`: a Secret manifest, encrypted in SOPS format.

use std::path::PathBuf;

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use regent_manifest::secret::PlainSecret;
use regent_manifest::sops::{self, SealOptions};
use regent_types::Sensitive;

use super::open::{read_text, write_private};
use crate::output::Out;
use regent_host::failure::Failure;

/// Arguments of `regent seal`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent seal --recipient age1… secret.yaml > payments/ledger-db.enc.yaml
  kubectl create secret generic db --dry-run=client -o yaml --from-file=… | regent seal --recipient age1… -")]
pub struct SealArgs {
    /// Who may open it: age recipients; at least the cluster's and one kept offline.
    #[arg(short, long = "recipient", required = true)]
    pub recipients: Vec<String>,
    /// A v1 Secret with namespace and name; `-` reads standard input.
    pub file: PathBuf,
    /// Where to write; standard output by default.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Seals the file for the recipients and writes it; returns the exit code of the process.
pub fn run(args: &SealArgs, out: Out) -> anyhow::Result<u8> {
    let plain = read_text(&args.file)?;
    let shown = args.file.display();
    PlainSecret::parse(&plain).map_err(|e| Failure::of(&format!("reading {shown}"), &e))?;
    let options = SealOptions::new(args.recipients.clone(), Timestamp::now());
    let sealed = sops::seal(plain.expose(), &options)
        .map_err(|e| Failure::of(&format!("sealing {shown}"), &e))?;
    match &args.out {
        Some(path) => write_private(path, &Sensitive::new(sealed))?,
        None => out.text(&sealed),
    }
    Ok(0)
}
