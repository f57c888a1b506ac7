//! What the policies are told of an installation.

use regent_types::identity::Identity;
use regent_types::labels::STORE_NAME;

/// What differs from installation to installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// User names of Kubernetes' own controllers, which finish what others began: garbage collection and the end
    /// of a namespace.
    pub kubernetes: Vec<String>,
    /// User names of GitOps controllers that may write no Secret.
    pub gitops: Vec<String>,
    /// ClusterSecretStores of regent's controller class.
    pub stores: Vec<String>,
}

impl Default for Settings {
    /// Both ways to run the controller manager: with an account for each controller, and with one for all.
    fn default() -> Self {
        let kubernetes = [
            "system:serviceaccount:kube-system:namespace-controller",
            "system:serviceaccount:kube-system:generic-garbage-collector",
            "system:kube-controller-manager",
        ];
        Self {
            kubernetes: kubernetes.map(str::to_owned).into(),
            gitops: vec![Identity::Intent.user_name()],
            stores: vec![STORE_NAME.to_owned()],
        }
    }
}
