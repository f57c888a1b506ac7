//! From flags and environment to clients: the user's own rights on the API server, a reader's in the authority.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, PostParams};
use regent_host::connect::{ANSWER_MAX, UNREACHABLE, client_of, config, declared, login_mount};
use regent_host::failure::Failure;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_AUDIENCE, AUTHORITY_CA_BUNDLE, CA_KEY, SYSTEM_NAMESPACE};
use regent_types::{Advice, Sensitive};
use regent_vault::{Client, Config, Session, Token};

use crate::commands::cluster_args::ClusterArgs;

/// The API server, as the caller.
pub async fn kubernetes(args: &ClusterArgs) -> anyhow::Result<kube::Client> {
    Ok(client_of(config(args.kubeconfig.as_deref()).await?).await?)
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

/// A session with the token that was given, at the address that was given: for it no cluster is needed. `None` where one of
/// them was not.
pub fn given_session(args: &ClusterArgs) -> anyhow::Result<Option<Session>> {
    let Some(address) = args.vault_addr.clone() else { return Ok(None) };
    let ca_file = args.vault_ca_file.clone();
    if ca_file.is_none() && address.starts_with("https:") {
        return Ok(None);
    }
    let Some(token) = given_token(args)? else { return Ok(None) };
    let client = Client::new(Config { address, ca_pem: None, ca_file, deadline: ANSWER_MAX })
        .map_err(|e| Failure::of("reaching the authority", &e).code(UNREACHABLE))?;
    Ok(Some(Session::with_token(client, token)))
}

/// The token in the file that was named, else in `VAULT_TOKEN`.
fn given_token(args: &ClusterArgs) -> anyhow::Result<Option<Token>> {
    if let Some(path) = &args.vault_token_file {
        let text = std::fs::read_to_string(path)?;
        return Ok(Some(Token::new(text.trim().to_owned().into())));
    }
    let token = std::env::var("VAULT_TOKEN").unwrap_or_default();
    Ok((!token.is_empty()).then(|| Token::new(token.into())))
}

/// A session that may list, read metadata and read the ledger, and no value.
pub async fn reader(args: &ClusterArgs, api: &kube::Client) -> anyhow::Result<Session> {
    let client = authority(args, api).await?;
    if let Some(token) = given_token(args)? {
        return Ok(Session::with_token(client, token));
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
