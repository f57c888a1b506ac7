//! What a process of regent's needs beside its component: one component with its arguments, the embedded authority as a
//! server, clients of the API server, probes, signals, and errors as a person reads them.
//!
//! ```text
//! component  one component with its arguments           hosted/  the embedded authority as a server
//! connect    kubeconfig → clients                       health   probes        signals  when to stop
//! view       what keeps an installation from steady state; facts, settled: one object, triggers (pure)
//! failure    an error with a reason, advice and an exit code
//! ```
//!
//! The binary's commands and the laboratory both stand on it, and it knows neither.

pub mod component;
pub mod connect;
mod facts;
pub mod failure;
pub mod health;
pub mod hosted;
mod settled;
pub mod signals;
pub mod view;
