//! A power cut at one of warden's writes to Kubernetes: it is carried out or not, and never answered.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

#[derive(Default)]
struct State {
    /// Which write, and whether it is carried out.
    at: Option<(usize, bool)>,
    /// Each write so far.
    writes: Vec<String>,
    reached: Option<String>,
}

/// Counts writes; cuts at one of them.
#[derive(Clone, Default)]
pub(crate) struct Cut {
    state: Arc<Mutex<State>>,
    told: Arc<Notify>,
}

impl Cut {
    pub(crate) fn never() -> Self {
        Self::default()
    }

    /// Cuts at write number `write`, counted from 0.
    pub(crate) fn at(write: usize, carried_out: bool) -> Self {
        let cut = Self::default();
        cut.state.lock().unwrap().at = Some((write, carried_out));
        cut
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }

    /// Waits for the cut and says at which request it was.
    pub(crate) async fn reached(&self) -> String {
        loop {
            let told = self.told.notified();
            if let Some(at) = self.state.lock().unwrap().reached.clone() {
                return at;
            }
            told.await;
        }
    }

    /// Carries a request, or not.
    pub(crate) async fn carry<T>(
        &self,
        method: &http::Method,
        path: &str,
        answer: impl Future<Output = T>,
    ) -> T {
        let met = {
            let mut state = self.state.lock().unwrap();
            let number = state.writes.len();
            if method != http::Method::GET {
                state.writes.push(format!("{method} {path}"));
            }
            let is_write = method != http::Method::GET;
            state.at.filter(|(write, _)| is_write && *write == number)
        };
        let Some((_, carried_out)) = met else { return answer.await };
        if carried_out {
            drop(answer.await);
        }
        self.state.lock().unwrap().reached = Some(format!("{method} {path}"));
        self.told.notify_one();
        pending().await
    }
}
