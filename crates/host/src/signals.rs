//! SIGTERM and Ctrl-C: the first asks for a stop, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code after a second signal: 128 + SIGINT, as a shell has it.
const AT_ONCE: i32 = 130;

/// SIGINT and SIGTERM, both of which ask for an orderly stop.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Takes the signals over from their default, which is to end at once; the error is the system's.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Returns when either of them has come.
    pub async fn given(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Sends `true` on `stop` at the first signal.
pub fn stop_with(stop: watch::Sender<bool>) -> std::io::Result<()> {
    let mut signals = Stop::listen()?;
    tokio::spawn(async move {
        signals.given().await;
        stop.send_replace(true);
        signals.given().await;
        std::process::exit(AT_ONCE);
    });
    Ok(())
}
