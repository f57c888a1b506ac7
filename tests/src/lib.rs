//! The scenario harness: a scenario is a text of given / when / then steps over a [`World`].
//!
//! ```text
//! scenario   the text: parsed into steps, each with its line number
//! world      what the steps act on, as `regent dev` wires it
//! worlds     which there are: a Kubernetes API × an authority
//! steps      one function a step
//! audit      what the API server's audit log says of components
//! real       a real control plane as child processes
//! openbao    a real OpenBao as a child process
//! admission/ who may write what, as a table that runs on any API server
//! conformance  what a Kubernetes API does, as text, for the sandbox and a real one
//! binary     the real binary as a child process, for what only a process can show: kill, signals, logs
//! ```

pub mod admission;
mod audit;
pub mod binary;
pub mod conformance;
pub mod openbao;
pub mod real;
pub mod scenario;
mod steps;
pub mod world;
pub mod worlds;

pub use world::World;

/// Runs a scenario text in a world of `kind`.
///
/// # Errors
/// The line that did not hold, what was found, and the state of the world.
pub fn check(text: &str, kind: worlds::Kind) -> anyhow::Result<()> {
    // Installing twice is an error that does not matter: some other scenario was first.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(scenario::run(text, kind));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    done
}
