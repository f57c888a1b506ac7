//! `regent secrets`: every secret, by class (S5.1-1): bootstrap, runtime, derived, and the internal ones that
//! cross namespaces.

use clap::{Args, ValueEnum};
use kube::Api;
use regent_api::condition;
use regent_api::{PushSecret, RuntimeSecret};
use regent_host::connect::declared;
use regent_protocol::Record;
use regent_protocol::record::Origin;
use regent_types::authority_names::REGENT_MOUNT;
use regent_types::lifecycle::{Classification, Stage};
use serde::Serialize;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::records::records;
use crate::connect;
use crate::output::{Out, Row};

/// Arguments of `regent secrets`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent secrets                       all
  regent secrets --class internal-secret -o json
  regent secrets --orphaned            those too whose RuntimeSecret is gone; regent release gives their path away")]
pub struct SecretsArgs {
    /// Only secrets of this class.
    #[arg(long, value_enum)]
    pub class: Option<Class>,
    /// Also what the authority still holds of RuntimeSecrets that are gone; it is asked with a reader's rights.
    #[arg(long)]
    pub orphaned: bool,
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
    let pushes = Api::<PushSecret>::all(api.clone()).list(&params).await?;
    let mut rows: Vec<SecretRow> = secrets.iter().map(of_runtime).collect();
    if args.orphaned {
        let installation = declared(&api).await?.map(|a| a.spec.installation);
        let kv = connect::reader(&args.cluster, &api).await?.kv(REGENT_MOUNT);
        let gone = |record: &&Record| is_orphaned(record, installation.as_deref(), &secrets.items);
        rows.extend(records(&kv).await?.iter().filter(gone).map(of_record));
    }
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

/// Whether the RuntimeSecret that a record of this installation names is not among `all`.
fn is_orphaned(record: &Record, installation: Option<&str>, all: &[RuntimeSecret]) -> bool {
    let owner = &record.owner;
    let is_its = |s: &RuntimeSecret| {
        s.metadata.namespace.as_ref() == Some(&owner.namespace)
            && s.metadata.name.as_ref() == Some(&owner.name)
    };
    installation == Some(owner.installation.as_str()) && !all.iter().any(is_its)
}

fn of_record(record: &Record) -> SecretRow {
    let class = match (record.origin, record.is_runtime()) {
        (Origin::Derived, _) => Class::Derived,
        (_, true) => Class::Runtime,
        (_, false) => Class::Bootstrap,
    };
    SecretRow {
        class,
        namespace: record.owner.namespace.clone(),
        name: record.owner.name.clone(),
        path: record.path.clone(),
        owner: String::new(),
        purpose: String::new(),
        stage: "Orphaned".into(),
        version: record.current.as_ref().map_or(0, |v| v.number),
        consumers: Vec::new(),
        ready: false,
        reason: "RuntimeSecretMissing".into(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use regent_protocol::record::Owner;
    use serde_json::json;

    /// H23: what a RuntimeSecret that is gone left behind is shown; what others own is not.
    #[test]
    fn h23_a_record_without_its_runtime_secret_is_orphaned() {
        let owner = |installation: &str, name: &str| Owner {
            installation: installation.into(),
            namespace: "payments".into(),
            name: name.into(),
        };
        let record = |owner: Owner| {
            Record::intent("runtime/payments/db", owner, Origin::Handover, Default::default())
        };
        let there: RuntimeSecret = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": { "namespace": "payments", "name": "db" },
            "spec": { "owner": "o", "purpose": "p", "introduce": { "adopt": {} } },
        }))
        .unwrap();
        let judged =
            |owner: Owner| is_orphaned(&record(owner), Some("lab"), std::slice::from_ref(&there));
        assert!(judged(owner("lab", "renamed-since")));
        assert!(!judged(owner("lab", "db")) && !judged(owner("elsewhere", "renamed-since")));
        assert_eq!(of_record(&record(owner("lab", "x"))).stage, "Orphaned");
    }
}
