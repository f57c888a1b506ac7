//! `regent adopt`: takes over a secret that already lives in the authority, without reading or writing its value.

use clap::Args;
use kube::Api;
use regent_api::RuntimeSecret;
use regent_api::runtime_secret::{Adopt, Introduce, RuntimeSecretSpec};
use regent_api::workflow::Uses;
use regent_host::failure::Failure;
use regent_types::Advice;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::object_name::ObjectName;
use crate::commands::person_run::{Asked, RunArgs, ask, manager, tell, user_name};
use crate::connect;
use crate::output::Out;

/// Arguments of `regent adopt`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent adopt payments/legacy-db --path apps/legacy/db     declares it, and takes it over
  regent adopt payments/legacy-db                           it is declared in Git with introduce.adopt

A path outside runtime/NAMESPACE/ has to be granted to the namespace by RuntimeAuthority.")]
pub struct AdoptArgs {
    /// The RuntimeSecret, as NAMESPACE/NAME.
    pub name: ObjectName,
    /// Path in the secret/ mount; runtime/NAMESPACE/NAME where it is absent.
    #[arg(long)]
    pub path: Option<String>,
    /// Who answers for it; your user name by default.
    #[arg(long)]
    pub owner: Option<String>,
    /// What it is for.
    #[arg(long, default_value = "adopted from the authority")]
    pub purpose: String,
    /// How the run is made and waited for.
    #[command(flatten)]
    pub run: RunArgs,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Declares the RuntimeSecret where it is not, and has it adopted; the exit code of the process.
pub async fn run(args: &AdoptArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let secrets: Api<RuntimeSecret> = Api::namespaced(api.clone(), &args.name.namespace);
    match secrets.get_opt(&args.name.name).await? {
        Some(found) => judge(args, &found)?,
        None => {
            let owner = match &args.owner {
                Some(owner) => owner.clone(),
                None => user_name(&api).await?,
            };
            let declared = secrets.create(&manager().post(), &declaration(args, owner)).await?;
            let path = declared.secret_path().map(|p| p.to_string()).unwrap_or_default();
            out.note(&format!(
                "RuntimeSecret {} declares {path}; put it into Git as well",
                args.name
            ));
        }
    }
    let asked = Asked::step(&args.name.namespace, &args.name.name, Uses::Adopt);
    tell(&[ask(&api, asked, &args.run, out).await?], out)
}

/// Whether what is declared is what is asked for.
fn judge(args: &AdoptArgs, found: &RuntimeSecret) -> anyhow::Result<()> {
    let path = found.secret_path().map(|p| p.to_string()).unwrap_or_default();
    let other = args.path.as_ref().is_some_and(|asked| *asked != path);
    if found.spec.introduce.adopt.is_some() && !other {
        return Ok(());
    }
    let advice = Advice::new(
        format!(
            "RuntimeSecret {} with introduce.adopt at {}",
            args.name,
            args.path.as_deref().unwrap_or(&path)
        ),
        format!("one that is introduced in another way, or at {path}"),
        "declare another RuntimeSecret; where its handover stands still, regent handover resolve decides",
    );
    Err(Failure::new("DeclaredOtherwise", "it is declared already", advice).into())
}

fn declaration(args: &AdoptArgs, owner: String) -> RuntimeSecret {
    let introduce =
        Introduce { handover: None, generate: None, derived: None, adopt: Some(Adopt {}) };
    let spec = RuntimeSecretSpec {
        path: args.path.clone(),
        owner,
        purpose: args.purpose.clone(),
        introduce,
        consumers: Vec::new(),
        rotation_policy: None,
        deletion_policy: Default::default(),
    };
    RuntimeSecret::new(&args.name.name, spec)
}
