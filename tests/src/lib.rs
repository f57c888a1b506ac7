//! The scenario harness: a scenario is a text of given / when / then steps over a [`World`].
//!
//! ```text
//! scenario   the text: parsed into steps, each with its line number
//! world      what the steps act on: here sandbox × embedded, as `regent dev` wires it
//! steps      one function a step
//! real       a real control plane as child processes
//! binary     the real binary as a child process, for what only a process can show: kill, signals, logs
//! ```

pub mod binary;
pub mod real;
pub mod scenario;
mod steps;
pub mod world;

pub use world::World;

/// Runs a scenario text; panics with its name, the line and what was found.
///
/// # Panics
/// When a step does not hold: this is a test's assertion.
#[allow(clippy::panic, reason = "a test's assertion")]
pub fn check(name: &str, text: &str) {
    // Installing twice is an error that does not matter: some other scenario was first.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|r| {
        let done = r.block_on(scenario::run(text));
        r.shutdown_timeout(std::time::Duration::from_secs(5));
        done
    });
    if let Err(error) = done {
        panic!("{name}: {error:#}");
    }
}
