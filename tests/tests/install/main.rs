//! `regent install` and the Helm chart: the same objects, accepted by a real API server, gone without a trace that
//! matters, and no neighbour's.
//!
//! ```text
//! tools      running regent, helm and kubectl         printed    what `regent install` prints; needs nothing
//! chart      the chart is the same; needs Helm        cluster    install, upgrade, uninstall for real
//! neighbour  beside External Secrets Operator         docs       docs/install.md, as written
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

mod chart;
mod cluster;
mod docs;
mod neighbour;
mod printed;
mod tools;
