//! SIGTERM and Ctrl-C: the first asks for a stop, the second ends the process at once. SIGHUP: look again.

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

/// SIGHUP, which asks a server to look at its files again.
pub struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over from its default, which is to end the process; the error is the system's.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Returns when it has come since the last time.
    pub async fn given(&mut self) {
        if self.0.recv().await.is_none() {
            // The system sends no more: that is no signal.
            std::future::pending::<()>().await;
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
