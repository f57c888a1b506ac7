//! The Kubernetes API of a run: served by this process, or a real cluster that a kubeconfig names.

use std::path::{Path, PathBuf};

use base64::Engine;
use regent_sandbox::{Sandbox, Serving};
use regent_types::Sensitive;
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;

use super::loopback::loopback;
use super::tokens::Tokens;
use regent_host::connect;
use regent_host::failure::Failure;

/// Where the objects live.
pub enum Cluster {
    /// In this process, with a loopback listener for `kubectl`.
    Sandbox {
        /// API server, controllers and objects, in memory.
        sandbox: Sandbox,
        /// The loopback listener; the cluster ends with it.
        serving: Serving,
    },
    /// Somebody's cluster, reached as the admin of a kubeconfig.
    Real {
        /// Its address, CA and the admin's credentials.
        config: Box<kube::Config>,
        /// Client with the rights of the kubeconfig's user.
        admin: kube::Client,
        /// The kubeconfig that was named.
        kubeconfig: PathBuf,
    },
}

impl Cluster {
    /// A new, empty cluster in this process; `port` 0 takes a free one.
    pub async fn sandbox(port: u16) -> Result<Self, Failure> {
        let sandbox = Sandbox::start(regent_sandbox::Options::default())
            .map_err(|e| Failure::of("starting the Kubernetes API", &e))?;
        let serving = sandbox
            .serve(loopback(port))
            .await
            .map_err(|e| Failure::of("serving the Kubernetes API (--port)", &e))?;
        Ok(Self::Sandbox { sandbox, serving })
    }

    /// The cluster that `kubeconfig` names, which must answer.
    pub async fn real(kubeconfig: &Path) -> anyhow::Result<Self> {
        let config = connect::config(Some(kubeconfig)).await?;
        // Looked at once, with short deadlines; what follows also watches.
        connect::client_of(config.clone()).await?;
        let admin = connect::component(config.clone())?;
        Ok(Self::Real { config: Box::new(config), admin, kubeconfig: kubeconfig.to_owned() })
    }

    /// Whether it outlives this run, so that what was put there must be taken away.
    pub fn outlives_run(&self) -> bool {
        matches!(self, Self::Real { .. })
    }

    /// Client that may do everything on this cluster.
    pub fn admin(&self) -> kube::Client {
        match self {
            Self::Sandbox { sandbox, .. } => sandbox.admin(),
            Self::Real { admin, .. } => admin.clone(),
        }
    }

    /// Base URL of the API server.
    pub fn url(&self) -> String {
        match self {
            Self::Sandbox { serving, .. } => format!("https://{}", serving.addr()),
            Self::Real { config, .. } => {
                config.cluster_url.to_string().trim_end_matches('/').to_owned()
            }
        }
    }

    /// Certificates that sign its serving certificate, PEM; empty where the system's own roots do.
    pub fn ca_pem(&self) -> String {
        match self {
            Self::Sandbox { sandbox, .. } => sandbox.ca_pem(),
            Self::Real { config, .. } => {
                config.root_cert.iter().flatten().map(|der| pem(der)).collect()
            }
        }
    }

    /// A client as `identity`, with the token that is projected for it.
    pub fn client(&self, identity: Identity, tokens: &Tokens) -> Result<kube::Client, Failure> {
        match self {
            Self::Sandbox { sandbox, .. } => {
                Ok(sandbox.client(tokens.api_token(identity), SYSTEM_NAMESPACE))
            }
            Self::Real { config, .. } => {
                let mut own = kube::Config::new(config.cluster_url.clone());
                own.root_cert = config.root_cert.clone();
                own.default_namespace = SYSTEM_NAMESPACE.to_owned();
                own.auth_info.token_file = Some(tokens.api_file(identity).display().to_string());
                connect::component(own)
            }
        }
    }

    /// A kubeconfig as `identity` for a process of its own that reaches the API server at `url`; it names the token's
    /// file, not the token.
    pub fn kubeconfig_of(&self, identity: Identity, url: &str, tokens: &Tokens) -> String {
        let ca = base64::engine::general_purpose::STANDARD.encode(self.ca_pem());
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: regent\nclusters:\n- name: regent\n  cluster:\n    \
             server: {}\n    certificate-authority-data: {ca}\nusers:\n- name: {account}\n  user:\n    \
             tokenFile: {}\ncontexts:\n- name: regent\n  context:\n    cluster: regent\n    user: {account}\n    \
             namespace: {SYSTEM_NAMESPACE}\n",
            url,
            tokens.api_file(identity).display(),
            account = identity.account(),
        )
    }

    /// A kubeconfig of the admin; a real cluster's is the user's own file.
    pub fn admin_kubeconfig(&self) -> std::io::Result<Sensitive<String>> {
        match self {
            Self::Sandbox { sandbox, serving } => Ok(sandbox.kubeconfig(serving.addr())),
            Self::Real { kubeconfig, .. } => {
                std::fs::read_to_string(kubeconfig).map(Sensitive::new)
            }
        }
    }

    /// Ends what this process serves.
    pub async fn stop(self) {
        if let Self::Sandbox { serving, .. } = self {
            serving.stop().await;
        }
    }
}

/// A certificate as PEM (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|l| std::str::from_utf8(l).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_survives_the_way_to_pem_and_back() {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        let der: Vec<u8> = (0..200).collect();
        let back = CertificateDer::from_pem_slice(pem(&der).as_bytes()).unwrap();
        assert_eq!(back.as_ref(), der);
    }
}
