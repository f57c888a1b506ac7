//! From a kubeconfig to clients of the API server, with limits on how long an answer may take.

use std::path::Path;
use std::time::Duration;

use kube::api::Api;
use kube::client::{Body, ClientBuilder, DynBody};
use regent_api::RuntimeAuthority;
use regent_types::Advice;
use regent_types::labels::AUTHORITY_NAME;
use tower::BoxError;
use tower::timeout::TimeoutLayer;
use tower::util::BoxService;

use crate::failure::Failure;

/// Exit code of what cannot be reached.
pub const UNREACHABLE: u8 = 3;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest wait until an answer begins; a watch is answered at once.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Longest silence on a connection. A watch is never silent for so long: the API server sends a bookmark about every
/// minute.
const SILENCE_MAX: Duration = Duration::from_secs(150);

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

/// The RuntimeAuthority of the cluster, where one is declared.
pub async fn declared(api: &kube::Client) -> Result<Option<RuntimeAuthority>, kube::Error> {
    Api::<RuntimeAuthority>::all(api.clone()).get_opt(AUTHORITY_NAME).await
}

/// Where this installation logs in to its authority.
pub async fn login_mount(api: &kube::Client) -> Result<String, kube::Error> {
    let found = declared(api).await?;
    Ok(found.map(|authority| authority.spec.login()).unwrap_or_default().mount)
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

    /// C21: a watch whose connection died without a word ends, so that it is taken up again.
    #[tokio::test(start_paused = true)]
    async fn c21_a_watch_that_says_nothing_is_given_up() {
        use futures::TryStreamExt as _;
        use k8s_openapi::api::core::v1::Namespace;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            assert_ne!(connection.read(&mut head).await.unwrap(), 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            connection.write_all(answer).await.unwrap();
            std::future::pending::<()>().await;
        });
        let client = component(kube::Config::new(address.parse().unwrap())).unwrap();
        let before = tokio::time::Instant::now();
        let namespaces = Api::<Namespace>::all(client);
        let events = namespaces.watch(&kube::api::WatchParams::default(), "0").await.unwrap();
        std::pin::pin!(events).try_next().await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), SILENCE_MAX.as_secs());
    }
}
