//! How a control plane is set up.

/// Who the controllers are to the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Controllers {
    /// Each its own ServiceAccount in `kube-system` (`--use-service-account-credentials`).
    #[default]
    OwnAccounts,
    /// All of them `system:kube-controller-manager`.
    OneIdentity,
}

/// How a control plane is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Issuer of ServiceAccount tokens.
    pub issuer: String,
    /// Audiences of tokens for the API server itself.
    pub audiences: Vec<String>,
    /// Who the controllers are.
    pub controllers: Controllers,
}

impl Default for Options {
    fn default() -> Self {
        let issuer = "https://kubernetes.default.svc".to_owned();
        Self { audiences: vec![issuer.clone()], issuer, controllers: Controllers::default() }
    }
}
