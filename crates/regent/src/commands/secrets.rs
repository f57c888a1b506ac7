//! `regent secrets`: every secret, by class (S5.1-1): bootstrap, runtime, derived, and the internal ones that
//! cross namespaces.

use clap::{Args, ValueEnum};
use kube::Api;
use regent_api::condition;
use regent_api::{PushSecret, RuntimeSecret};
use regent_types::lifecycle::{Classification, Stage};
use serde::Serialize;

use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use crate::output::{Out, Row};

/// Arguments of `regent secrets`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent secrets                       all
  regent secrets --class internal-secret -o json")]
pub struct SecretsArgs {
    /// Only secrets of this class.
    #[arg(long, value_enum)]
    pub class: Option<Class>,
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Classes of secrets (REQUIREMENTS: vocabulary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Still in Git's power.
    Bootstrap,
    /// Owned by the authority.
    Runtime,
    /// Published by a controller, declared as a RuntimeSecret.
    Derived,
    /// Operator-generated and published for other namespaces.
    InternalSecret,
    /// Non-sensitive endpoint data published for other namespaces.
    InternalConfiguration,
}

/// One secret; its fields are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRow {
    class: Class,
    namespace: String,
    name: String,
    path: String,
    owner: String,
    purpose: String,
    stage: String,
    version: i64,
    consumers: Vec<String>,
    ready: bool,
    reason: String,
}

impl Row for SecretRow {
    const COLUMNS: &'static [&'static str] =
        &["CLASS", "NAMESPACE", "NAME", "PATH", "STAGE", "VERSION", "CONSUMERS", "OWNER", "REASON"];
    fn cells(&self) -> Vec<String> {
        let class = self.class.to_possible_value().map(|v| v.get_name().to_owned());
        vec![
            class.unwrap_or_default(),
            self.namespace.clone(),
            self.name.clone(),
            self.path.clone(),
            self.stage.clone(),
            self.version.to_string(),
            self.consumers.join(","),
            self.owner.clone(),
            self.reason.clone(),
        ]
    }
}

/// Prints the inventory of RuntimeSecrets; returns the exit code of the process.
pub async fn run(args: &SecretsArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let params = kube::api::ListParams::default();
    let secrets = Api::<RuntimeSecret>::all(api.clone()).list(&params).await?;
    let pushes = Api::<PushSecret>::all(api).list(&params).await?;
    let mut rows: Vec<SecretRow> = secrets.iter().map(of_runtime).collect();
    rows.extend(pushes.iter().flat_map(of_push));
    rows.retain(|row| args.class.is_none_or(|class| row.class == class));
    rows.sort_by(|a, b| (a.class, &a.namespace, &a.path).cmp(&(b.class, &b.namespace, &b.path)));
    out.list(&rows)?;
    Ok(0)
}

fn of_runtime(secret: &RuntimeSecret) -> SecretRow {
    let status = secret.status.clone().unwrap_or_default();
    let ready = condition::get(&status.conditions, condition::READY);
    let class = match status.classification {
        Some(Classification::Runtime) => Class::Runtime,
        Some(Classification::Derived) => Class::Derived,
        _ if secret.spec.introduce.derived.is_some() => Class::Derived,
        _ => Class::Bootstrap,
    };
    SecretRow {
        class,
        namespace: secret.metadata.namespace.clone().unwrap_or_default(),
        name: secret.metadata.name.clone().unwrap_or_default(),
        path: secret.secret_path().map(|p| p.to_string()).unwrap_or_default(),
        owner: secret.spec.owner.clone(),
        purpose: secret.spec.purpose.clone(),
        stage: format!("{:?}", status.stage.unwrap_or(Stage::Declared)),
        version: status.version.map_or(0, |v| v.number),
        consumers: status.consumers_observed,
        ready: ready.is_some_and(|c| c.status == "True"),
        reason: ready.map(|c| c.reason.clone()).unwrap_or_default(),
    }
}

/// One row a published path.
fn of_push(push: &PushSecret) -> Vec<SecretRow> {
    let status = push.status.clone().unwrap_or_default();
    let ready = condition::get(&status.conditions, condition::READY);
    let mut paths: Vec<&str> =
        push.spec.data.iter().map(|d| d.mapping.remote_ref.remote_key.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let row = |path: &str| SecretRow {
        class: if path.starts_with("platform-config/") {
            Class::InternalConfiguration
        } else {
            Class::InternalSecret
        },
        namespace: push.metadata.namespace.clone().unwrap_or_default(),
        name: push.metadata.name.clone().unwrap_or_default(),
        path: path.to_owned(),
        owner: push.metadata.namespace.clone().unwrap_or_default(),
        purpose: String::new(),
        stage: "Published".into(),
        version: 0,
        consumers: Vec::new(),
        ready: ready.is_some_and(|c| c.status == "True"),
        reason: ready.map(|c| c.reason.clone()).unwrap_or_default(),
    };
    paths.into_iter().map(row).collect()
}
