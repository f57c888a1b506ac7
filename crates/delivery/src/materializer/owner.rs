//! The ExternalSecret that a Secret belongs to: as a pass works for it, and as the Secret names it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use regent_types::labels;

/// The ExternalSecret that the Secret belongs to.
#[derive(Clone)]
pub(crate) struct Owner<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    /// Its labels and annotations, copied where there is no template.
    pub(crate) meta: &'a ObjectMeta,
    /// Whether another ExternalSecret of the namespace is there and targets the same Secret.
    pub(crate) lives: &'a (dyn Fn(&str) -> bool + Sync),
}

/// The ExternalSecret that `secret` names as its owner.
pub(crate) fn owner(secret: &impl ResourceExt) -> Option<&str> {
    let materialized =
        secret.labels().get(labels::CLASS).map(String::as_str) == Some(labels::CLASS_MATERIALIZED);
    secret.annotations().get(labels::OWNED_BY).filter(|_| materialized).map(String::as_str)
}
