//! Steps about how the authority is reached: TLS with warden's certificates, and tokens with the right audience.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use kube::api::DeleteParams;
use regent_host::connect;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, AUTHORITY_TLS_SECRET, CA_KEY, SYSTEM_NAMESPACE};
use regent_vault::{Client, Config, Error};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::World;
use crate::world::LIMIT;

/// Between two looks at what the server presents, which nothing announces.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Longest for one connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Takes the serving certificate away, so that warden makes another one; returns once the authority presents it.
/// Every request meanwhile is answered, by connections from before as by new ones.
pub(crate) async fn renew(world: &mut World) -> Result<()> {
    let before = presented(world).await?;
    ensure!(before == declared(world).await?, "the authority presents another certificate");
    let secrets = world.api("Secret", Some(SYSTEM_NAMESPACE)).await?;
    secrets.delete(AUTHORITY_TLS_SECRET, &DeleteParams::default()).await?;
    let open = world.system().await?.vault()?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        open.health().await.context("a request over an open connection")?;
        world.system().await?.vault()?.health().await.context("a request over a new one")?;
        let now = presented(world).await?;
        if now != before {
            ensure!(now == declared(world).await?, "it presents neither the old nor the new one");
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("the authority still presents the old certificate after {LIMIT:?}");
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The first certificate of the Secret that warden keeps.
async fn declared(world: &mut World) -> Result<Vec<u8>> {
    let secrets = world.api("Secret", Some(SYSTEM_NAMESPACE)).await?;
    let secret = secrets.get(AUTHORITY_TLS_SECRET).await?;
    let text = secret.data["data"]["tls.crt"].as_str().context("no tls.crt")?;
    let pem = base64::engine::general_purpose::STANDARD.decode(text)?;
    Ok(CertificateDer::from_pem_slice(&pem)?.to_vec())
}

/// The certificate that the authority presents to who trusts the published CA, and nothing else.
async fn presented(world: &mut World) -> Result<Vec<u8>> {
    let maps = world.api("ConfigMap", Some(SYSTEM_NAMESPACE)).await?;
    let bundle = maps.get(AUTHORITY_CA_BUNDLE).await?;
    let pem = bundle.data["data"][CA_KEY].as_str().context("no CA is published")?.to_owned();
    let address = world.system().await?.vault_addr();
    let address = address.strip_prefix("https://").context("not served over TLS")?.to_owned();
    tokio::task::spawn_blocking(move || handshake(&pem, &address)).await?
}

fn handshake(ca_pem: &str, address: &str) -> Result<Vec<u8>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots);
    let config = Arc::new(config.with_no_client_auth());
    let mut socket = TcpStream::connect_timeout(&address.parse()?, CONNECT_MAX)?;
    socket.set_read_timeout(Some(CONNECT_MAX))?;
    let mut client = rustls::ClientConnection::new(config, ServerName::try_from("127.0.0.1")?)?;
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    let chain = client.peer_certificates().context("no certificate")?;
    Ok(chain.first().context("an empty chain")?.to_vec())
}

/// C7-3: who expects another CA talks to nobody.
pub(crate) async fn refuses_another_ca(world: &mut World) -> Result<()> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let address = world.system().await?.vault_addr();
    let ca_pem = Some(params.self_signed(&key)?.pem().into_bytes());
    let client = Client::new(Config { address, ca_pem, ca_file: None, deadline: CONNECT_MAX })?;
    match client.health().await {
        Err(Error::Unreachable { .. }) => Ok(()),
        other => bail!("expected no connection, found {other:?}"),
    }
}

/// C7-3: a login takes a token for the authority's audience; the one for the API server is of no use there.
pub(crate) async fn refuses_api_tokens(world: &mut World) -> Result<()> {
    let system = world.system().await?;
    let vault = system.vault()?;
    let mount = connect::login_mount(&system.admin()).await?;
    for identity in [Identity::Reader, Identity::Orchestrator, Identity::Warden] {
        let role = identity.account();
        let right = system.token(identity)?;
        vault.login_kubernetes(&mount, &role, &right).await?;
        let wrong = system.api_token(identity)?;
        match vault.login_kubernetes(&mount, &role, &wrong).await {
            Err(Error::Denied { .. } | Error::BadRequest { .. }) => {}
            Err(other) => bail!("{role}: expected a refusal, found {other:?}"),
            Ok(_) => bail!("{role}: a token for the API server logs in"),
        }
    }
    Ok(())
}
