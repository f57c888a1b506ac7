//! The scenario harness: a scenario is a text of given / when / then steps over a [`World`].
//!
//! ```text
//! scenario   a text in a world of its own
//! step       the text: parsed into steps, each with its line number
//! world      what the steps act on, as `regent dev` wires it
//! leases     what components do with their Leases, made to happen
//! beside     a second cluster on the authority of the first; second is what the world holds of it
//! worlds     which there are: a Kubernetes API × an authority
//! waits      the one way in which the harness waits for a cluster and asks it for something
//! pace       how many scenarios run at once
//! times      where the time of a scenario goes, step by step
//! steps      one function a step; steps/faults what goes wrong around components
//! used/      which cells of the access table a run used, from the audit logs: least privilege as claims
//! transport  the steps about TLS and login tokens
//! proxy/     what stands between a component and the API server, and makes faults
//! real       a real control plane as child processes
//! named      an authority of the user's own
//! clock      a process whose clock is wrong
//! ports      where servers listen that are told their address before
//! openbao    a real OpenBao as a child process
//! git        a Git server that keeps count of what is asked of it
//! admission/ who may write what, as a table that runs on any API server
//! conformance  what a Kubernetes API does, as text, for the sandbox and a real one
//! binary     the real binary as a child process, for what only a process can show: kill, signals, logs
//! ```

pub mod admission;
pub mod api_audit;
mod beside;
pub mod binary;
mod clock;
pub mod conformance;
pub mod git;
mod leases;
mod named;
pub mod openbao;
pub mod pace;
mod ports;
mod proxy;
pub mod real;
pub mod scenario;
mod second;
mod step;
mod steps;
mod times;
mod transport;
pub mod used;
pub mod waits;
pub mod world;
pub mod worlds;

pub use world::World;

/// Runs a scenario text in a world of `kind`.
///
/// # Errors
/// The line that did not hold, what was found, and the state of the world.
pub fn check(text: &str, kind: worlds::WorldKind) -> anyhow::Result<()> {
    // Installing twice is an error that does not matter: some other scenario was first.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(scenario::run(text, kind));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    done
}
