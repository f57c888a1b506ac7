//! Probes of a component: `/livez` while the process turns, `/readyz` once it works or waits while another replica
//! holds the Lease.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use regent_operator::lease::Leadership;
use regent_types::Advice;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// Where probes are answered, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(Option<SocketAddr>);

/// Reads `ADDRESS:PORT`, or `none` for no probes at all; the error says what was expected.
pub fn parse(text: &str) -> Result<Address, String> {
    if text == "none" {
        return Ok(Address(None));
    }
    text.parse().map(|a| Address(Some(a))).map_err(|_| "expected ADDRESS:PORT or none".to_owned())
}

/// The task that answers probes; it ends when it is stopped.
pub struct Probes(Option<JoinHandle<()>>);

impl Probes {
    /// Stops answering at once, in the middle of a probe if need be.
    pub async fn stop(self) {
        if let Some(task) = self.0 {
            task.abort();
            // Cancelled is what it is to be.
            let _cancelled = task.await;
        }
    }
}

/// Answers probes on `address`.
pub async fn serve(
    address: Address,
    leadership: watch::Receiver<Leadership>,
) -> Result<Probes, Failure> {
    let Some(address) = address.0 else { return Ok(Probes(None)) };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
        let found = format!("{address}: {error}");
        let advice = Advice::new("a free address", found, "name another with --health-address");
        Failure::new("CannotServe", "probes cannot be answered", advice)
    })?;
    let router = router(leadership);
    Ok(Probes(Some(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "probes are answered no more");
        }
    }))))
}

fn router(leadership: watch::Receiver<Leadership>) -> Router {
    let ready = move || {
        let leadership = *leadership.borrow();
        async move {
            match leadership {
                Leadership::Leading => (StatusCode::OK, "leading"),
                Leadership::Waiting => (StatusCode::OK, "waiting for the lease"),
                Leadership::Unknown => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "waits for the API server, for definitions or for its lease",
                ),
            }
        }
    };
    Router::new().route("/livez", get(|| async { "ok" })).route("/readyz", get(ready))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    async fn asked(router: &Router, path: &str) -> u16 {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_replica_is_ready_when_it_works_or_waits() {
        let (tell, leadership) = watch::channel(Leadership::Unknown);
        let router = router(leadership);
        assert_eq!((asked(&router, "/livez").await, asked(&router, "/readyz").await), (200, 503));
        for fine in [Leadership::Waiting, Leadership::Leading] {
            tell.send_replace(fine);
            assert_eq!(asked(&router, "/readyz").await, 200);
        }
    }

    #[test]
    fn an_address_is_read_or_refused() {
        assert_eq!(parse("none"), Ok(Address(None)));
        assert!(parse("127.0.0.1:8081").is_ok());
        assert!(parse("8081").is_err());
    }
}
