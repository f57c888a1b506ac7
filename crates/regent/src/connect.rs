//! From flags and environment to clients: the user's own rights on the API server, a reader's in the authority.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::client::{Body, ClientBuilder, DynBody};
use regent_types::access::identity::Identity;
use regent_types::labels::{
    AUTHORITY_AUDIENCE, AUTHORITY_CA_BUNDLE, AUTHORITY_NAME, CA_KEY, SYSTEM_NAMESPACE,
};
use regent_types::resources::RuntimeAuthority;
use regent_types::{Advice, Sensitive};
use regent_vault::{Client, Config, Session, Token};
use tower::BoxError;
use tower::timeout::TimeoutLayer;
use tower::util::BoxService;

use crate::cli::ClusterArgs;
use crate::failure::Failure;

/// Exit code of what cannot be reached.
const UNREACHABLE: u8 = 3;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest wait until an answer begins; a watch is answered at once.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Longest silence on a connection. A watch is never silent for so long: the API server sends a bookmark about every
/// minute.
const SILENCE_MAX: Duration = Duration::from_secs(150);

/// The API server, as the caller.
pub async fn kubernetes(args: &ClusterArgs) -> anyhow::Result<kube::Client> {
    Ok(client_of(config(args.kubeconfig.as_deref()).await?).await?)
}

/// Where the API server is and who calls: a kubeconfig, or the usual places.
pub async fn config(kubeconfig: Option<&Path>) -> Result<kube::Config, Failure> {
    let Some(path) = kubeconfig else {
        return kube::Config::infer().await.map_err(|e| no_cluster(e.to_string()));
    };
    let fail = |e: kube::config::KubeconfigError| no_cluster(format!("{}: {e}", path.display()));
    let read = kube::config::Kubeconfig::read_from(path).map_err(fail)?;
    let options = kube::config::KubeConfigOptions::default();
    kube::Config::from_custom_kubeconfig(read, &options).await.map_err(fail)
}

/// A client for a command: it answers soon or not at all.
pub async fn client_of(mut config: kube::Config) -> Result<kube::Client, Failure> {
    config.connect_timeout = Some(CONNECT_MAX);
    config.read_timeout = Some(ANSWER_MAX);
    config.default_retry = false;
    let client = kube::Client::try_from(config).map_err(|e| no_cluster(e.to_string()))?;
    client.apiserver_version().await.map_err(|e| no_cluster(e.to_string()))?;
    Ok(client)
}

/// A client for a component: its watches stay open, and what fails is tried again by the component itself, with a
/// condition that says so. An API server that takes a request and never answers, or a connection that died without a
/// word, fails too: nothing waits for ever.
pub fn component(mut config: kube::Config) -> Result<kube::Client, Failure> {
    config.connect_timeout = Some(CONNECT_MAX);
    config.read_timeout = Some(SILENCE_MAX);
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(|e| no_cluster(e.to_string()))?;
    Ok(limited(builder))
}

/// What kube builds from a configuration.
type Transport = BoxService<http::Request<Body>, http::Response<Box<DynBody>>, BoxError>;

/// A client that gives up what is not answered.
fn limited(builder: ClientBuilder<Transport>) -> kube::Client {
    builder.with_layer(&TimeoutLayer::new(ANSWER_MAX)).build()
}

fn no_cluster(found: String) -> Failure {
    let advice = Advice::new(
        "a reachable Kubernetes API",
        found,
        "name its kubeconfig with --kubeconfig or KUBECONFIG; `regent dev` prints a line that sets it",
    );
    Failure::new("Unreachable", "the cluster cannot be reached", advice).code(UNREACHABLE)
}

/// The authority that the RuntimeAuthority or `--vault-addr` names, without a login.
pub async fn authority(args: &ClusterArgs, api: &kube::Client) -> anyhow::Result<Client> {
    let address = match &args.vault_addr {
        Some(address) => address.clone(),
        None => {
            let found = declared(api).await?;
            found.and_then(|a| a.status).and_then(|s| s.address).ok_or_else(|| {
                let advice = Advice::new(
                    "the address of the authority",
                    "neither --vault-addr, nor VAULT_ADDR, nor RuntimeAuthority.status.address",
                    "set VAULT_ADDR",
                );
                Failure::new("NoAuthority", "the authority is not known", advice).code(UNREACHABLE)
            })?
        }
    };
    let mut config =
        Config { address, ca_pem: None, ca_file: args.vault_ca_file.clone(), deadline: ANSWER_MAX };
    if config.ca_file.is_none() && config.address.starts_with("https:") {
        config.ca_pem = Some(published_ca(api).await?);
    }
    Ok(Client::new(config)
        .map_err(|e| Failure::of("reaching the authority", &e).code(UNREACHABLE))?)
}

async fn declared(api: &kube::Client) -> Result<Option<RuntimeAuthority>, kube::Error> {
    Api::<RuntimeAuthority>::all(api.clone()).get_opt(AUTHORITY_NAME).await
}

/// Where this installation logs in to its authority.
pub async fn login_mount(api: &kube::Client) -> Result<String, kube::Error> {
    let found = declared(api).await?;
    Ok(found.map(|authority| authority.spec.login()).unwrap_or_default().mount)
}

/// The CA that the installation publishes, read with the caller's own rights.
async fn published_ca(api: &kube::Client) -> Result<Vec<u8>, Failure> {
    let maps: Api<ConfigMap> = Api::namespaced(api.clone(), SYSTEM_NAMESPACE);
    let found = match maps.get_opt(AUTHORITY_CA_BUNDLE).await {
        Ok(Some(map)) => match map.data.and_then(|mut data| data.remove(CA_KEY)) {
            Some(pem) => return Ok(pem.into_bytes()),
            None => format!("no key {CA_KEY} in it"),
        },
        Ok(None) => "no such ConfigMap".to_owned(),
        Err(error) => error.to_string(),
    };
    let advice = Advice::new(
        format!("the authority's CA in ConfigMap {SYSTEM_NAMESPACE}/{AUTHORITY_CA_BUNDLE}"),
        found,
        "name a file of certificates with --vault-ca-file or VAULT_CACERT",
    );
    Err(Failure::new("NoCa", "it is not known how to trust the authority", advice)
        .code(UNREACHABLE))
}

/// A session that may list, read metadata and read the ledger, and no value.
pub async fn reader(args: &ClusterArgs, api: &kube::Client) -> anyhow::Result<Session> {
    let client = authority(args, api).await?;
    if let Some(path) = &args.vault_token_file {
        let text = std::fs::read_to_string(path)?;
        return Ok(Session::with_token(client, Token::new(text.trim().to_owned().into())));
    }
    if let Ok(token) = std::env::var("VAULT_TOKEN")
        && !token.is_empty()
    {
        return Ok(Session::with_token(client, Token::new(token.into())));
    }
    let (mount, jwt) = (login_mount(api).await?, reader_jwt(api).await?);
    let login = client
        .login_kubernetes(&mount, &Identity::Reader.account(), &jwt)
        .await
        .map_err(|e| Failure::of("logging in as regent-reader", &e).code(UNREACHABLE))?;
    Ok(Session::with_token(client, login.token))
}

/// A token of the reader's account for the authority's audience, asked for with the caller's own rights.
async fn reader_jwt(api: &kube::Client) -> anyhow::Result<Sensitive<String>> {
    let accounts: Api<ServiceAccount> = Api::namespaced(api.clone(), SYSTEM_NAMESPACE);
    let spec = TokenRequestSpec {
        audiences: vec![AUTHORITY_AUDIENCE.to_owned()],
        expiration_seconds: Some(600),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let name = Identity::Reader.account();
    let answer = accounts.create_token_request(&name, &PostParams::default(), &request).await?;
    Ok(Sensitive::new(answer.status.map(|s| s.token).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C4-3: an API server that takes a request and says nothing does not hold a component up for ever.
    #[tokio::test(start_paused = true)]
    async fn a_silent_api_server_is_given_up() {
        let silent = tower::service_fn(|_: http::Request<Body>| {
            std::future::pending::<Result<http::Response<Box<DynBody>>, BoxError>>()
        });
        let before = tokio::time::Instant::now();
        let client = limited(ClientBuilder::new(BoxService::new(silent), "default"));
        client.apiserver_version().await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), ANSWER_MAX.as_secs());
    }
}
