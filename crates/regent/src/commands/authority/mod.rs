//! `regent authority`: serving the embedded authority, and what a person does to any.
//!
//! ```text
//!   serve     hosts the embedded authority as a process of its own
//!   shares    prints the sealed shares, to be kept beside the root of trust
//!   unseal    opens the seal, and repairs the login where warden cannot
//!   recover   the one human act after cluster loss
//!   snapshot  one now, beside those of the schedule
//!   restore   a new data file from one
//!   accept_restore  what a restore left counts from now on
//!   join      the one human act for a second cluster on the same authority
//! ```
//!
//! `command` picks one of them; what those that a person does have in common is here.

mod accept_restore;
mod command;
mod join;
mod recover;
mod restore;
mod serve;
mod shares;
mod snapshot;
mod unseal;

use std::path::{Path, PathBuf};

use kube::Api;
use regent_api::RuntimeAuthority;
use regent_control::warden::{Person, RecoverError};
use regent_manifest::keys::Identities;
use regent_types::labels::AUTHORITY_NAME;
use regent_types::seal::SealedShares;

pub use command::{AuthorityCommand, run};

use super::identities;
use super::text_file::read_text;
use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use crate::output::{Out, escape};
use regent_host::failure::Failure;

/// Who holds shares, and which cluster and authority.
#[derive(Debug, clap::Args)]
pub struct HolderArgs {
    /// File with enough holders' identities to reach the threshold.
    #[arg(short, long)]
    pub identity: PathBuf,
    /// Copy of the sealed shares of an external authority, as `regent authority shares` printed it; by default what
    /// the cluster keeps.
    #[arg(long)]
    pub shares: Option<PathBuf>,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl HolderArgs {
    fn identities(&self, out: Out) -> Result<Identities, Failure> {
        identities::read(Some(&self.identity), out)
    }

    async fn person<'a>(&self, identities: &'a Identities) -> anyhow::Result<Person<'a>> {
        let saved = self.shares.as_deref().map(read_shares).transpose()?;
        let api = connect::kubernetes(&self.cluster).await?;
        let vault = connect::authority(&self.cluster, &api).await?;
        Ok(Person { api, vault, identities, saved })
    }
}

fn read_shares(path: &Path) -> Result<SealedShares, Failure> {
    let text = read_text(path)?;
    serde_saphyr::from_str(text.expose()).map_err(|error| {
        let advice = regent_types::Advice::new(
            "sealed shares as `regent authority shares` prints them",
            error.to_string(),
            "name that file with --shares",
        );
        Failure::new("NotSealedShares", format!("{} holds no shares", escape::path(path)), advice)
    })
}

fn failed(doing: &str) -> impl FnOnce(RecoverError) -> Failure {
    move |error| Failure::of(doing, &error)
}

fn authorities(person: &Person<'_>) -> (Api<RuntimeAuthority>, &'static str) {
    (Api::all(person.api.clone()), AUTHORITY_NAME)
}
