//! A login that is shared by every clone and renewed by logging in again: at two thirds of its
//! lease, and once after a 403 (the token may have been revoked, or its role changed).

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{Client, Error, JwtSource, Token};

/// A client with a token.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    source: TokenSource,
    current: RwLock<Option<Arc<Live>>>,
    /// Held while logging in, so that one login serves all who wait for it. Holds the last failure.
    login: Mutex<Option<Error>>,
    /// Logins tried so far: who waited while one failed shares its failure and tries none of his
    /// own.
    tried: AtomicU64,
}

enum TokenSource {
    /// A token from outside; there is no other one to be had.
    Given,
    Kubernetes {
        mount: String,
        role: String,
        jwt: Arc<dyn JwtSource>,
    },
}

struct Live {
    token: Token,
    renew_at: Option<Instant>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("client", &self.shared.client).finish_non_exhaustive()
    }
}

impl Session {
    /// A session with a token that somebody else obtained.
    pub fn with_token(client: Client, token: Token) -> Self {
        let live = Live { token, renew_at: None };
        Self::new(client, TokenSource::Given, Some(Arc::new(live)))
    }

    /// A session of kubernetes auth role `role`; logs in at the first request.
    pub fn kubernetes(client: Client, mount: &str, role: &str, jwt: Arc<dyn JwtSource>) -> Self {
        let source =
            TokenSource::Kubernetes { mount: mount.to_owned(), role: role.to_owned(), jwt };
        Self::new(client, source, None)
    }

    fn new(client: Client, source: TokenSource, live: Option<Arc<Live>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                source,
                current: RwLock::new(live),
                login: Mutex::new(None),
                tried: AtomicU64::new(0),
            }),
        }
    }

    /// The client that the session sends through; it adds no token by itself.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// [`Client::request`] with this session's token.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Error> {
        self.run(|live| {
            let method = method.clone();
            async move { self.client().request(&live.0.token, method, path, body).await }
        })
        .await
    }

    /// Revokes this session's token, if it has one, and forgets it.
    pub async fn revoke(&self) -> Result<(), Error> {
        let live = self.read().clone();
        let Some(live) = live else { return Ok(()) };
        let path = "auth/token/revoke-self";
        self.client().request(&live.token, Method::POST, path, None).await?;
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Runs `call` with the token, and once more with a new one if it was denied.
    pub(crate) async fn run<T, F, R>(&self, call: F) -> Result<T, Error>
    where
        F: Fn(HeldToken) -> R,
        R: Future<Output = Result<T, Error>>,
    {
        let held = self.hold(None).await?;
        match call(held.clone()).await {
            Err(Error::Denied { .. }) if self.can_log_in() => {
                let again = self.hold(Some(&held)).await?;
                call(again).await
            }
            other => other,
        }
    }

    fn can_log_in(&self) -> bool {
        matches!(self.shared.source, TokenSource::Kubernetes { .. })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Option<Arc<Live>>> {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that is valid by the clock and is not `refused`.
    async fn hold(&self, refused: Option<&HeldToken>) -> Result<HeldToken, Error> {
        let usable = || {
            let live = self.read().clone()?;
            let fresh = live.renew_at.is_none_or(|at| Instant::now() < at);
            let other = refused.is_none_or(|r| !Arc::ptr_eq(&r.0, &live));
            (fresh && other).then_some(HeldToken(live))
        };
        if let Some(held) = usable() {
            return Ok(held);
        }
        let before = self.shared.tried.load(Ordering::Acquire);
        let mut failed = self.shared.login.lock().await;
        if let Some(held) = usable() {
            return Ok(held);
        }
        if self.shared.tried.load(Ordering::Acquire) != before
            && let Some(error) = failed.as_ref()
        {
            return Err(error.clone());
        }
        let result = self.log_in().await;
        self.shared.tried.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok(live) => {
                *failed = None;
                let live = Arc::new(live);
                let mut current =
                    self.shared.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Some(Arc::clone(&live));
                Ok(HeldToken(live))
            }
            Err(error) => {
                *failed = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn log_in(&self) -> Result<Live, Error> {
        let TokenSource::Kubernetes { mount, role, jwt } = &self.shared.source else {
            return Err(Error::Denied {
                path: "auth/token/lookup-self".to_owned(),
                messages: vec!["the token of this session was revoked".to_owned()],
            });
        };
        let login = self.client().login_kubernetes(mount, role, &jwt.jwt()?).await?;
        tracing::debug!(role, accessor = %login.accessor, "logged in to the authority");
        let lease = Duration::from_secs(login.lease_duration_s);
        let renew_at = (!lease.is_zero()).then(|| Instant::now() + lease * 2 / 3);
        Ok(Live { token: login.token, renew_at })
    }
}

/// A token in use.
#[derive(Clone)]
pub(crate) struct HeldToken(Arc<Live>);

impl HeldToken {
    pub(crate) fn token(&self) -> &Token {
        &self.0.token
    }
}
