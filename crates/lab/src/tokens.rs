//! Plays the kubelet: projects each identity's two tokens, one for the API server and one for the authority's
//! audience, and renews them before they expire.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_AUDIENCE, SYSTEM_NAMESPACE};

/// Lifetime asked for, in seconds: the shortest a real API server grants.
const TTL_S: i64 = 600;
/// Renewed at half their life, so that one failed renewal does no harm.
const RENEW: Duration = Duration::from_secs(300);

/// The projected tokens of all identities.
#[derive(Clone)]
pub struct Tokens {
    admin: kube::Client,
    folder: PathBuf,
    /// Where an authority outside this process finds its own token.
    pod: Option<PathBuf>,
    api: Arc<RwLock<BTreeMap<Identity, String>>>,
}

impl Tokens {
    /// Projects every identity's tokens, which `admin` asks for, under `folder`, and what a pod of the authority finds
    /// into `pod`: its token and `ca_pem`, which signs the API server's certificate.
    pub async fn project(
        admin: kube::Client,
        ca_pem: &str,
        folder: &Path,
        pod: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        if let Some(pod) = &pod {
            replace(&pod.join("ca.crt"), ca_pem)?;
        }
        let tokens = Self { admin, folder: folder.to_owned(), pod, api: Arc::default() };
        tokens.renew().await?;
        Ok(tokens)
    }

    /// Renews the files before they expire, for as long as it is polled.
    pub async fn keep(self) {
        let mut tick = tokio::time::interval(RENEW);
        tick.tick().await;
        loop {
            tick.tick().await;
            if let Err(error) = self.renew().await {
                tracing::warn!(error = %error, "token renewal failed");
            }
        }
    }

    /// What gives `identity`'s current API token.
    pub fn api_token(&self, identity: Identity) -> Arc<dyn Fn() -> String + Send + Sync> {
        let api = Arc::clone(&self.api);
        Arc::new(move || {
            let all = api.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.get(&identity).cloned().unwrap_or_default()
        })
    }

    /// File with `identity`'s token for the API server.
    pub fn api_file(&self, identity: Identity) -> PathBuf {
        self.folder.join(identity.name()).join("token")
    }

    /// File with `identity`'s token for the authority.
    pub fn authority_file(&self, identity: Identity) -> PathBuf {
        self.folder.join(identity.name()).join("authority-token")
    }

    /// Asks for new ones and puts them in place.
    pub async fn renew(&self) -> anyhow::Result<()> {
        for identity in Identity::ALL {
            let folder = self.folder.join(identity.name());
            std::fs::create_dir_all(&folder)?;
            let api = self.request(identity, None).await?;
            let authority = self.request(identity, Some(AUTHORITY_AUDIENCE)).await?;
            replace(&self.api_file(identity), &api)?;
            if let Some(pod) = self.pod.as_ref().filter(|_| identity == Identity::Authority) {
                replace(&pod.join("token"), &api)?;
            }
            replace(&self.authority_file(identity), &authority)?;
            let mut all = self.api.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.insert(identity, api);
        }
        Ok(())
    }

    async fn request(&self, identity: Identity, audience: Option<&str>) -> anyhow::Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), SYSTEM_NAMESPACE);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audience.map(str::to_owned).into_iter().collect(),
                expiration_seconds: Some(TTL_S),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let name = identity.account();
        let answer = accounts.create_token_request(&name, &PostParams::default(), &request).await?;
        Ok(answer.status.map(|s| s.token).unwrap_or_default())
    }
}

/// Writes a private file so that a reader sees the old or the new token, never half of one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&new, path)
}
