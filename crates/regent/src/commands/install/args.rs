//! Flags and the values file → values. A flag wins over the file.

use std::path::{Path, PathBuf};

use clap::Args;
use regent_install::values::{ExternalSecretsCrds, Image};
use regent_install::{COMPONENTS, Values};
use regent_types::Advice;
use regent_types::identity::Identity;

use crate::commands::cluster_args::ClusterArgs;
use crate::commands::text_file::read_text;
use crate::output::escape;
use regent_host::failure::Failure;

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Arguments of `regent install`.
#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:
  regent install --namespace payments | kubectl apply --server-side -f -
  regent install --values values.yaml --without intent      beside Flux or Argo CD
  regent install --removable | kubectl delete -f -          leaves definitions, the namespace and the volume

Every value has its word in charts/regent/values.yaml; --values takes the same file as `helm install`.")]
pub struct InstallArgs {
    /// File with values, the same as for the Helm chart; `-` for standard input.
    #[arg(long)]
    pub values: Option<PathBuf>,
    /// Image of all workloads: REPOSITORY:TAG or REPOSITORY:TAG@DIGEST.
    #[arg(long)]
    pub image: Option<String>,
    /// Namespace in which regent may read and write Secrets; may be repeated.
    #[arg(short, long = "namespace", value_name = "NAMESPACE")]
    pub namespaces: Vec<String>,
    /// Component to leave out; may be repeated.
    #[arg(long, value_parser = component, value_name = "COMPONENT")]
    pub without: Vec<Identity>,
    /// Pods of each component.
    #[arg(long)]
    pub replicas: Option<u32>,
    /// Leaves out the embedded authority: RuntimeAuthority names an external one.
    #[arg(long)]
    pub external_authority: bool,
    /// Size of the authority's volume.
    #[arg(long)]
    pub storage_size: Option<String>,
    /// Storage class of the authority's volume.
    #[arg(long)]
    pub storage_class: Option<String>,
    /// Leaves out network policies.
    #[arg(long)]
    pub without_network_policies: bool,
    /// Definitions of External Secrets kinds: `auto` looks at the cluster and leaves a neighbour's as they are,
    /// `always` prints them without looking, `never`.
    #[arg(long, value_parser = placing, value_name = "auto|always|never")]
    pub external_secrets_crds: Option<ExternalSecretsCrds>,
    /// Prints only what an uninstall deletes: no definition, no namespace; nothing names the authority's volume.
    #[arg(long)]
    pub removable: bool,
    /// Kubeconfig of the cluster to look at; the usual places by default.
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
}

fn component(text: &str) -> Result<Identity, String> {
    COMPONENTS.into_iter().find(|identity| identity.name() == text).ok_or_else(|| {
        let names = COMPONENTS.map(Identity::name).join(", ");
        format!("expected one of {names}")
    })
}

fn placing(text: &str) -> Result<ExternalSecretsCrds, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected auto, always or never".to_owned())
}

impl InstallArgs {
    /// The values that they stand for.
    pub fn values(&self) -> Result<Values, Failure> {
        let mut values = match &self.values {
            Some(path) => values_file(path)?,
            None => Values::default(),
        };
        if let Some(image) = &self.image {
            let (repository, tag) = image_of(image)?;
            values.image = Image { repository, tag, ..values.image };
        }
        values.namespaces.extend(self.namespaces.iter().cloned());
        for identity in COMPONENTS {
            let Some(component) = values.components.of(identity) else { continue };
            component.enabled &= !self.without.contains(&identity);
            component.replicas = self.replicas.unwrap_or(component.replicas);
        }
        values.authority.embedded &= !self.external_authority;
        values.network_policies.enabled &= !self.without_network_policies;
        set(&mut values.authority.storage.size, self.storage_size.as_ref());
        set(&mut values.authority.storage.class_name, self.storage_class.as_ref());
        set(&mut values.external_secrets_crds, self.external_secrets_crds.as_ref());
        values.check().map_err(|e| Failure::of("reading the values", &e).code(USAGE))?;
        Ok(values)
    }

    /// The cluster to look at.
    pub fn cluster(&self) -> ClusterArgs {
        ClusterArgs { kubeconfig: self.kubeconfig.clone(), ..ClusterArgs::default() }
    }
}

/// The values in a file as for the Helm chart, over the defaults; `-` is standard input.
pub fn values_file(path: &Path) -> Result<Values, Failure> {
    let text = read_text(path)?;
    let unfit = |found: String| {
        let found = format!("{}: {found}", escape::path(path));
        let advice = Advice::new(
            "values with the fields of charts/regent/values.yaml",
            found,
            "correct the file",
        );
        Failure::new("InvalidValues", "the values cannot be read", advice).code(USAGE)
    };
    let given = serde_saphyr::from_str(text.expose()).map_err(|e| unfit(e.to_string()))?;
    Values::over_defaults(&given).map_err(|e| unfit(e.to_string()))
}

fn set<T: Clone>(value: &mut T, flag: Option<&T>) {
    if let Some(flag) = flag {
        value.clone_from(flag);
    }
}

/// `REPOSITORY:TAG[@DIGEST]`; a colon before the last slash is a port.
fn image_of(text: &str) -> Result<(String, String), Failure> {
    let name = text.split('@').next().unwrap_or(text);
    let from = name.rfind('/').unwrap_or(0);
    match name[from..].find(':') {
        Some(colon) => Ok((text[..from + colon].to_owned(), text[from + colon + 1..].to_owned())),
        None => {
            let advice = Advice::new("--image REPOSITORY:TAG", text, "name the tag");
            Err(Failure::new("InvalidImage", "the image has no tag", advice).code(USAGE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_split_at_its_tag() {
        let split = |text: &str| image_of(text).map(|(r, t)| format!("{r} {t}")).ok();
        assert_eq!(split("regent:1"), Some("regent 1".into()));
        assert_eq!(
            split("host:5000/a/regent:1@sha256:ab"),
            Some("host:5000/a/regent 1@sha256:ab".into())
        );
        assert_eq!(split("host:5000/regent"), None);
        assert_eq!(split("regent@sha256:ab"), None);
    }

    /// Every flag changes the value that it is named after.
    #[test]
    fn flags_win_over_defaults() {
        let args = InstallArgs {
            image: Some("host/regent:2".into()),
            namespaces: vec!["payments".into()],
            without: vec![Identity::Intent],
            replicas: Some(2),
            external_authority: true,
            storage_size: Some("1Gi".into()),
            storage_class: Some("fast".into()),
            without_network_policies: true,
            external_secrets_crds: Some(ExternalSecretsCrds::Never),
            ..InstallArgs::default()
        };
        let values = args.values().unwrap();
        assert_eq!(
            (values.image.repository.as_str(), values.image.tag.as_str()),
            ("host/regent", "2")
        );
        assert_eq!(values.namespaces, ["payments"]);
        assert!(!values.components.intent.enabled && values.components.warden.enabled);
        assert_eq!(values.components.warden.replicas, 2);
        assert!(!values.authority.embedded && !values.network_policies.enabled);
        assert_eq!(values.authority.storage.size, "1Gi");
        assert_eq!(values.authority.storage.class_name, "fast");
        assert_eq!(values.external_secrets_crds, ExternalSecretsCrds::Never);
    }

    #[test]
    fn what_cannot_be_is_refused_with_advice() {
        let args = InstallArgs { namespaces: vec!["Payments".into()], ..InstallArgs::default() };
        let failure = args.values().unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.code), ("InvalidValue", USAGE));
        assert!(failure.to_string().contains("namespaces: names of namespaces"), "{failure}");
        assert!(component("kubelet").is_err() && component("intent").is_ok());
        assert!(placing("sometimes").is_err() && placing("never").is_ok());
    }
}
