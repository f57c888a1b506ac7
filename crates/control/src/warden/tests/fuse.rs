//! A power cut at one request: it is carried out or not, and is never answered.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Response;
use tokio::sync::Notify;

/// Where the power is cut.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Which effect, counted from 0.
    pub(super) effect: usize,
    /// Whether it is carried out before.
    pub(super) carried_out: bool,
}

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    /// Effects so far: everything but reads, health and logins.
    effects: Vec<String>,
    blown: Option<String>,
}

/// Stands before the API server and the authority alike.
#[derive(Clone, Default)]
pub(super) struct Fuse {
    state: Arc<Mutex<State>>,
    told: Arc<Notify>,
}

impl Fuse {
    pub(super) fn arm(&self, cut: Cut) {
        self.state.lock().unwrap().cut = Some(cut);
    }

    /// Effects so far, as `METHOD path`.
    pub(super) fn effects(&self) -> Vec<String> {
        self.state.lock().unwrap().effects.clone()
    }

    /// Waits until the cut was reached, and says at which request.
    pub(super) async fn blown(&self) -> String {
        loop {
            let told = self.told.notified();
            if let Some(at) = self.state.lock().unwrap().blown.take() {
                return at;
            }
            told.await;
        }
    }

    pub(super) async fn carry(
        &self,
        name: &str,
        answer: impl Future<Output = Response<Body>>,
    ) -> Response<Body> {
        match self.meets(name) {
            None => answer.await,
            Some(carried_out) => {
                if carried_out {
                    drop(answer.await);
                }
                self.state.lock().unwrap().blown = Some(name.to_owned());
                self.told.notify_one();
                pending().await
            }
        }
    }

    /// Counts an effect; at the cut, whether it is to be carried out.
    fn meets(&self, name: &str) -> Option<bool> {
        if name.starts_with("GET ") || name.ends_with("/login") {
            return None;
        }
        let mut state = self.state.lock().unwrap();
        let effect = state.effects.len();
        state.effects.push(name.to_owned());
        let cut = state.cut.take_if(|cut| cut.effect == effect)?;
        Some(cut.carried_out)
    }
}
