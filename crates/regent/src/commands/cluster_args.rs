//! The flags by which a command finds its cluster and authority.

use std::path::PathBuf;

use clap::Args;

/// Which cluster and authority a command looks at.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// Kubeconfig; the usual places by default.
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Address of the authority; by default what RuntimeAuthority says.
    #[arg(long, env = "VAULT_ADDR")]
    pub vault_addr: Option<String>,
    /// File of CA certificates to trust the authority by; by default ConfigMap regent-system/regent-authority-ca.
    #[arg(long, env = "VAULT_CACERT")]
    pub vault_ca_file: Option<PathBuf>,
    /// File with a reader token; by default VAULT_TOKEN, else a login as regent-reader.
    #[arg(long)]
    pub vault_token_file: Option<PathBuf>,
}
