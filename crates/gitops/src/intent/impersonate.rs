//! A client that acts as the account which a GitSource names, with that account's rights and no
//! others.

use http::HeaderValue;
use kube::client::Body;
use regent_types::identity::Identity;

use super::IntentError;

/// Header of Kubernetes user impersonation.
const IMPERSONATE: &str = "impersonate-user";

/// `client` acting as ServiceAccount `account` of `namespace`. Regent's own accounts are refused:
/// what Git says must never reach their rights.
pub(super) fn client(
    client: &kube::Client,
    namespace: &str,
    account: &str,
) -> Result<kube::Client, IntentError> {
    let own = || IntentError::OwnAccount { account: account.to_owned() };
    if Identity::ALL.iter().any(|identity| identity.account() == account) {
        return Err(own());
    }
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let user = HeaderValue::from_str(&user).map_err(|_| own())?;
    let inner = client.clone();
    let service = tower::service_fn(move |mut request: http::Request<Body>| {
        let inner = inner.clone();
        request.headers_mut().insert(IMPERSONATE, user.clone());
        async move { inner.send(request).await }
    });
    Ok(kube::Client::new(service, namespace))
}
