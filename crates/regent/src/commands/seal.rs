//! `regent seal`: a Secret manifest, encrypted in SOPS format.

use std::path::PathBuf;

use clap::Args;
use k8s_openapi::jiff::Timestamp;
use regent_manifest::keys::Identities;
use regent_manifest::secret::PlainSecret;
use regent_manifest::sops::{self, SealOptions};
use regent_types::{Advice, Sensitive};

use super::identities::{Found, Places};
use super::text_file::{read_text, write_private};
use crate::output::{Out, escape};
use regent_host::failure::Failure;

/// Arguments of `regent seal`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent seal --recipient age1… secret.yaml > payments/ledger-db.enc.yaml
  kubectl create secret generic db --dry-run=client -o yaml --from-file=… | regent seal --recipient age1… -")]
pub struct SealArgs {
    /// Who may open it: age recipients; at least the cluster's and one kept offline.
    #[arg(short, long = "recipient", env = "SOPS_AGE_RECIPIENTS", value_delimiter = ',')]
    pub recipients: Vec<String>,
    /// A v1 Secret with namespace and name; `-` reads standard input.
    pub file: PathBuf,
    /// Where to write; standard output by default.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Seals the file for the recipients and writes it; returns the exit code of the process.
pub fn run(args: &SealArgs, out: Out) -> anyhow::Result<u8> {
    // An empty variable is as good as none.
    let recipients: Vec<&str> =
        args.recipients.iter().map(|r| r.trim()).filter(|r| !r.is_empty()).collect();
    if recipients.is_empty() {
        return Err(no_recipients(&Places::of_process().look()).into());
    }
    let plain = read_text(&args.file)?;
    let shown = escape::path(&args.file);
    sops::refuse_sealed(plain.expose())
        .and_then(|()| PlainSecret::parse(&plain))
        .map_err(|e| Failure::of(&format!("reading {shown}"), &e))?;
    let options = SealOptions::new(recipients, Timestamp::now());
    let sealed = sops::seal(plain.expose(), &options)
        .map_err(|e| Failure::of(&format!("sealing {shown}"), &e))?;
    match &args.out {
        Some(path) => write_private(path, &Sensitive::new(sealed))?,
        None => out.text(&sealed),
    }
    Ok(0)
}

/// Whom to seal to is never guessed; the recipients of the identities at hand are named, as the likeliest.
fn no_recipients(at_hand: &Found) -> Failure {
    let own = at_hand.identities.as_ref().map(Identities::recipients).unwrap_or_default();
    let found = match own.as_slice() {
        [] => "none".to_owned(),
        own => format!("none; the identities at hand are of {}", own.join(", ")),
    };
    let advice = Advice::new(
        "age recipients with --recipient or in SOPS_AGE_RECIPIENTS",
        found,
        "name the cluster's recipient and one whose identity is kept offline",
    );
    Failure::new("NoRecipients", "nobody is named who may open it", advice).code(2)
}
