//! The one way in which the harness waits for what a cluster shows and asks it for something. It survives what components
//! survive: an API server that throttles, restarts or makes its storage anew, and a watch that breaks. Each is taken up
//! again after a growing pause, within one limit against hanging.

use std::cell::Cell;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use regent_types::Sensitive;
use regent_vault::{Client, Session};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest wait for anything in a scenario: a limit against hanging, never a measure.
pub const LIMIT: Duration = Duration::from_secs(180);

/// Longest wait for a login: one that is denied for good is said within half a minute.
const LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// First and longest pause: 100 ms doubling to 2 s. One wait is one watch, so that no crowd comes back at once.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Growing pauses of one row of failures.
#[derive(Debug, Default)]
struct Pauses(u32);

impl Pauses {
    fn next(&mut self) -> Duration {
        let pause = PAUSE.0.saturating_mul(1 << self.0.min(8));
        self.0 = self.0.saturating_add(1);
        pause.min(PAUSE.1)
    }

    async fn take(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

/// Waits until the object `name` of `api`, or its absence (`None`), satisfies `fine`, which says what is missing.
///
/// # Errors
/// What was missing last, after [`LIMIT`].
pub async fn object<K>(
    api: Api<K>,
    name: &str,
    fine: impl Fn(Option<&K>) -> Result<(), String>,
) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = Box::pin(watcher(api, config));
    let (mut pauses, mut listing) = (Pauses::default(), None);
    let mut last = "it was never seen".to_owned();
    let waited = tokio::time::timeout(LIMIT, async {
        loop {
            let event = events.next().await.context("the watch ended")?;
            let found = match event {
                Err(error) => {
                    last = error.to_string();
                    pauses.take().await;
                    continue;
                }
                // Every try begins with one, also in vain: it ends no row of failures.
                Ok(Event::Init) => {
                    listing = None;
                    continue;
                }
                Ok(Event::InitApply(object)) => {
                    listing = Some(object);
                    continue;
                }
                Ok(Event::InitDone) => listing.take(),
                Ok(Event::Apply(object)) => Some(object),
                Ok(Event::Delete(_)) => None,
            };
            pauses = Pauses::default();
            match fine(found.as_ref()) {
                Ok(()) => return anyhow::Ok(()),
                Err(why) => last = why,
            }
        }
    });
    match waited.await {
        Ok(done) => done,
        Err(_) => bail!("{name}: after {} s: {last}", LIMIT.as_secs()),
    }
}

/// Waits until objects of a kind can be listed.
///
/// # Errors
/// The last refusal, after [`LIMIT`].
pub async fn listed<K>(api: Api<K>) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = Box::pin(watcher(api, watcher::Config::default()));
    let mut pauses = Pauses::default();
    let mut last = "no answer".to_owned();
    let waited = tokio::time::timeout(LIMIT, async {
        loop {
            match events.next().await.context("the watch ended")? {
                Ok(Event::InitDone) => return anyhow::Ok(()),
                Ok(_) => {}
                Err(error) => {
                    last = error.to_string();
                    pauses.take().await;
                }
            }
        }
    });
    match waited.await {
        Ok(done) => done,
        Err(_) => bail!("objects could not be listed: {last}"),
    }
}

/// Asks until the API server has answered: what it throttles, and what breaks on the way, is asked again. A refusal is an
/// answer. Fit for what may be done twice; else see [`create`] and [`delete`].
///
/// # Errors
/// The refusal, or after [`LIMIT`] the last failure.
pub async fn ask<T>(call: impl AsyncFn() -> kube::Result<T>) -> kube::Result<T> {
    repeat(call, is_transient).await
}

/// Logs in to the authority as components do: an authority that judges tokens by a review of the API server denies a
/// login as well where that review does not come back, so that a denied one is tried again, with the token that is
/// projected by then.
///
/// # Errors
/// No token, or what the authority answered last, after half a minute.
pub async fn login(
    vault: &Client,
    mount: &str,
    role: &str,
    jwt: impl Fn() -> Result<Sensitive<String>>,
) -> Result<Session> {
    let (began, mut pauses) = (Instant::now(), Pauses::default());
    loop {
        let error = match vault.login_kubernetes(mount, role, &jwt()?).await {
            Ok(login) => return Ok(Session::with_token(vault.clone(), login.token)),
            Err(error) => error,
        };
        let passing = error.is_denied() || error.is_transient();
        if !passing || began.elapsed() > LOGIN_LIMIT {
            return Err(error.into());
        }
        pauses.take().await;
    }
}

/// Creates `object`, or finds that an earlier try has done so and its answer was lost.
///
/// # Errors
/// As [`ask`].
pub async fn create<K>(api: &Api<K>, object: &K) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug,
{
    let (params, tries) = (PostParams::default(), Cell::new(0));
    let made = ask(|| {
        tries.set(tries.get() + 1);
        api.create(&params, object)
    });
    match made.await {
        Err(kube::Error::Api(status)) if status.is_already_exists() && tries.get() > 1 => {
            let name = object.meta().name.clone().unwrap_or_default();
            ask(|| api.get(&name)).await
        }
        made => made,
    }
}

/// Deletes the object `name`, or finds that an earlier try has done so and its answer was lost.
///
/// # Errors
/// As [`ask`].
pub async fn delete<K>(api: &Api<K>, name: &str) -> kube::Result<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    let (params, tries) = (DeleteParams::default(), Cell::new(0));
    let deleted = ask(|| {
        tries.set(tries.get() + 1);
        api.delete(name, &params)
    });
    match deleted.await {
        Err(kube::Error::Api(status)) if status.is_not_found() && tries.get() > 1 => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// The same as [`ask`] of what asks more than once and says what went wrong in an error of its own.
///
/// # Errors
/// As the call; after [`LIMIT`] the last failure.
pub async fn ask_all<T>(call: impl AsyncFn() -> Result<T>) -> Result<T> {
    let transient = |error: &anyhow::Error| {
        error.chain().filter_map(|cause| cause.downcast_ref::<kube::Error>()).any(is_transient)
    };
    repeat(call, transient).await
}

/// What `call` says once it says anything, whatever fails before.
///
/// # Errors
/// After [`LIMIT`] the last failure.
pub async fn eventually<T>(call: impl AsyncFn() -> Result<T>) -> Result<T> {
    repeat(call, |_: &anyhow::Error| true).await
}

async fn repeat<T, E>(
    call: impl AsyncFn() -> Result<T, E>,
    again: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    let mut pauses = Pauses::default();
    loop {
        match call().await {
            Err(error) if again(&error) && tokio::time::Instant::now() < deadline => {
                pauses.take().await;
            }
            done => return done,
        }
    }
}

/// Whether asking again may help: throttled, not ready, timed out, or no answer at all.
fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 503 | 504),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;

    /// Answers in turn; says what it was asked.
    fn server(answers: &[(u16, String)]) -> (Api<ConfigMap>, Arc<Mutex<Vec<String>>>) {
        let left: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.iter().cloned().collect()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let uri = request.uri().to_string();
            let watches = uri.contains("watch=true");
            noted.lock().unwrap().push(if watches { "watch" } else { "read" }.to_owned());
            let (code, body) = left.lock().unwrap().pop_front().expect("asked too often");
            let answer = Response::builder().status(code).body(Body::from(body.into_bytes()));
            async move { answer }
        });
        (Api::namespaced(kube::Client::new(service, "a"), "a"), asked)
    }

    const THROTTLED: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","metadata":{},"message":"storage is (re)initializing","reason":"TooManyRequests","code":429}"#;

    fn list(items: &str) -> String {
        format!(
            r#"{{"kind":"ConfigMapList","apiVersion":"v1","metadata":{{"resourceVersion":"1"}},"items":[{items}]}}"#
        )
    }

    const OBJECT: &str =
        r#"{"metadata":{"name":"m","namespace":"a","resourceVersion":"2"},"data":{"k":"v"}}"#;

    /// C4-3: what the API server answers while it makes its storage anew ends neither a list nor a watch.
    #[tokio::test(start_paused = true)]
    async fn a_wait_survives_a_storage_that_is_made_anew() {
        let throttled = (429, THROTTLED.to_owned());
        let event = |kind: &str, object: &str| {
            (200, format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
        };
        let (api, asked) = server(&[
            throttled.clone(),
            throttled.clone(),
            (200, list("")),
            throttled.clone(),
            event("ERROR", THROTTLED),
            event("ADDED", OBJECT),
        ]);
        let there = |object: Option<&ConfigMap>| match object.and_then(|o| o.data.as_ref()) {
            Some(data) if data.contains_key("k") => Ok(()),
            _ => Err("no key".to_owned()),
        };
        object(api, "m", there).await.unwrap();
        assert_eq!(*asked.lock().unwrap(), ["read", "read", "read", "watch", "watch", "watch"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_last_is_said_at_the_limit() {
        let answers = vec![(429, THROTTLED.to_owned()); 2_000];
        let (api, asked) = server(&answers);
        let error = object(api, "m", |_| Ok(())).await.unwrap_err().to_string();
        assert!(error.contains("storage is (re)initializing") && error.len() < 3_000, "{error}");
        // Pauses of two seconds at most, and none shorter than it has to be.
        let asked = asked.lock().unwrap().len();
        assert!((90..120).contains(&asked), "asked {asked} times");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_asked_again_where_that_may_help_and_a_refusal_is_an_answer() {
        let forbidden = THROTTLED.replace("429", "403").replace("TooManyRequests", "Forbidden");
        let cases = [
            (vec![(429, THROTTLED.to_owned()), (200, OBJECT.to_owned())], true, 2),
            (vec![(403, forbidden)], false, 1),
        ];
        for (answers, fine, times) in cases {
            let (api, asked) = server(&answers);
            assert_eq!(ask(|| api.get("m")).await.is_ok(), fine);
            assert_eq!(asked.lock().unwrap().len(), times);
            let (api, asked) = server(&answers);
            let all = ask_all(|| async { api.get("m").await.context("of a step") }).await;
            assert_eq!((all.is_ok(), asked.lock().unwrap().len()), (fine, times));
        }
    }

    /// Whoever waits in another way dies of what this one survives.
    #[test]
    fn nobody_else_in_the_harness_watches() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut todo = vec![root.join("src"), root.join("tests")];
        let mut looked = 0;
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    todo.push(path);
                } else if path.extension().is_some_and(|e| e == "rs")
                    && !path.ends_with("src/waits.rs")
                {
                    looked += 1;
                    let text = std::fs::read_to_string(&path).unwrap();
                    for own in ["await_condition", "watch_object", "watcher("] {
                        assert!(!text.contains(own), "{} has {own}: use waits", path.display());
                    }
                }
            }
        }
        assert!(looked > 50, "looked at {looked} files");
    }
}
