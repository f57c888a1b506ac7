//! An OpenBao or Vault of the user's own: `REGENT_TEST_VAULT_ADDR`, with its CA in the file `REGENT_TEST_VAULT_CACERT`.
//! It is outside the cluster: tokens are judged by the API server's keys, and it needs no way there. Warden initializes
//! it, so that it is empty before a scenario and that scenario's own afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use regent_lab::options::External;
use regent_types::login::{Login, LoginMethod};
use regent_vault::{Client, Config};

/// Variable with its address.
pub(crate) const ADDRESS: &str = "REGENT_TEST_VAULT_ADDR";
/// Variable with the file of its CA.
const CA: &str = "REGENT_TEST_VAULT_CACERT";
/// Where components log in.
const MOUNT: &str = "regent-test";
/// Longest wait for its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Steps that do to an authority what nobody wants, or is able, to do to one that is somebody's own: how they begin.
pub(crate) const NOT_ON_NAMED: [&str; 4] = [
    "when the authority is ",
    "given no authority",
    "given the authority is ",
    "then the authority asks ",
];

/// The authority, which must be empty: nothing that is there is ever taken over.
pub(crate) async fn authority() -> Result<External> {
    let address =
        std::env::var(ADDRESS).with_context(|| format!("{ADDRESS} names no authority"))?;
    let read = |path| std::fs::read(&path).with_context(|| format!("{CA}: {path:?}"));
    let ca_pem = std::env::var_os(CA).map(read).transpose()?;
    let client = Client::new(Config {
        address: address.clone(),
        ca_pem: ca_pem.clone(),
        ca_file: None,
        deadline: ANSWER_LIMIT,
    })?;
    let health = client.health().await?;
    ensure!(
        !health.initialized,
        "the authority at {address} is initialized: expected an empty one, which warden initializes. Start one for each \
         scenario, and choose the scenario by its name"
    );
    let login = Login { mount: MOUNT.to_owned(), method: LoginMethod::Keys };
    Ok(External { address, ca_pem, pod: None, login })
}
