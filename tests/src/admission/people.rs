//! Who tries.

use anyhow::Result;
use http::{HeaderValue, Request};
use kube::client::Body;
use regent_types::identity::Identity;

/// An account whose requests admission judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The ServiceAccount of a component of this installation.
    Component(Identity),
    /// May do everything with Secrets and declarations in the namespace.
    NamespaceAdmin,
    /// The same in every namespace, and RBAC too; no `*` in group regent.dev.
    PlatformAdmin,
    /// A namespace's admin who holds the break-glass verb there.
    Holder,
    /// Bound to `cluster-admin`: every verb, and so break-glass.
    ClusterAdmin,
    /// Of `system:masters`: every check passes.
    Master,
    /// One of Kubernetes' own controllers.
    Kubernetes(&'static str),
}

impl Who {
    /// Everybody to whom the namespace's writer role is bound.
    pub(super) fn writers() -> Vec<Self> {
        let kubernetes = [NAMESPACES, GARBAGE, MANAGER].map(Self::Kubernetes);
        let mut all: Vec<Self> = Identity::ALL.into_iter().map(Self::Component).collect();
        all.extend([Self::NamespaceAdmin, Self::Holder]);
        all.extend(kubernetes);
        all
    }

    pub(super) fn user(self) -> String {
        match self {
            Self::Component(identity) => identity.user_name(),
            Self::NamespaceAdmin => "namespace-admin".into(),
            Self::PlatformAdmin => "platform-admin".into(),
            Self::Holder => "break-glass-holder".into(),
            Self::ClusterAdmin => "bound-to-cluster-admin".into(),
            Self::Master => "master".into(),
            Self::Kubernetes(name) => name.into(),
        }
    }
}

/// The end of a namespace.
pub(super) const NAMESPACES: &str = "system:serviceaccount:kube-system:namespace-controller";
pub(super) const GARBAGE: &str = "system:serviceaccount:kube-system:generic-garbage-collector";
pub(super) const MANAGER: &str = "system:kube-controller-manager";

/// `admin` acting as `who`, by impersonation.
pub fn client(admin: &kube::Client, who: Who) -> Result<kube::Client> {
    let user = HeaderValue::from_str(&who.user())?;
    let group = (who == Who::Master).then(|| HeaderValue::from_static("system:masters"));
    let inner = admin.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let inner = inner.clone();
        request.headers_mut().insert("impersonate-user", user.clone());
        if let Some(group) = &group {
            request.headers_mut().insert("impersonate-group", group.clone());
        }
        async move { inner.send(request).await }
    });
    Ok(kube::Client::new(service, "default"))
}
