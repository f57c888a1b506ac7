//! `regent release`: a path whose RuntimeSecret is gone goes to the one that declares it now.

use clap::Args;
use kube::{Api, ResourceExt};
use regent_api::RuntimeSecret;
use regent_api::workflow::Uses;
use regent_host::failure::Failure;
use regent_types::Advice;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::object_name::ObjectName;
use crate::commands::person_run::{Asked, RunArgs, ask, tell};
use crate::connect;
use crate::output::Out;

/// Arguments of `regent release`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent release runtime/payments/db                          to the RuntimeSecret that declares it
  regent release runtime/payments/db --to payments/new-db     where several do")]
pub struct ReleaseArgs {
    /// Path in the secret/ mount.
    pub path: String,
    /// The RuntimeSecret that it goes to, as NAMESPACE/NAME.
    #[arg(long)]
    pub to: Option<ObjectName>,
    /// How the run is made and waited for.
    #[command(flatten)]
    pub run: RunArgs,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Has the path released; the exit code of the process.
pub async fn run(args: &ReleaseArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let all: Api<RuntimeSecret> = Api::all(api.clone());
    let found = all.list(&Default::default()).await?.items;
    let claimants: Vec<ObjectName> = claimants(&found, &args.path);
    let to = match (&args.to, claimants.as_slice()) {
        (Some(to), all) if all.contains(to) => to,
        (None, [only]) => only,
        (_, all) => {
            let found = match all {
                [] => "none".to_owned(),
                all => all.iter().map(ObjectName::to_string).collect::<Vec<_>>().join(", "),
            };
            let advice = Advice::new(
                format!("one RuntimeSecret that declares {}", args.path),
                found,
                "declare the RuntimeSecret that the path is to belong to, and name it with --to where there are several",
            );
            return Err(Failure::new("NoClaimant", "nobody to release the path to", advice).into());
        }
    };
    let asked = Asked::step(&to.namespace, &to.name, Uses::Release);
    tell(&[ask(&api, asked, &args.run, out).await?], out)
}

/// The RuntimeSecrets that declare `path`.
pub fn claimants(all: &[RuntimeSecret], path: &str) -> Vec<ObjectName> {
    let declares = |s: &&RuntimeSecret| s.secret_path().is_ok_and(|p| p.as_str() == path);
    let name = |s: &RuntimeSecret| ObjectName {
        namespace: s.namespace().unwrap_or_default(),
        name: s.name_any(),
    };
    all.iter().filter(declares).map(name).collect()
}
