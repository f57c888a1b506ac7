//! `regent install` and the Helm chart: the same objects, accepted by a real API server, gone without a trace that
//! matters, and no neighbour's.
//!
//! ```text
//! tools      running regent, helm and kubectl         printed    what `regent install` prints; needs nothing
//! chart      the chart is the same; needs Helm        cluster    install, upgrade, uninstall for real
//! neighbour  beside External Secrets Operator         docs       docs/install.md, as written
//! sources    every file with objects in it            applied    each of them, by the real kubectl
//! words      no name that YAML 1.1 reads otherwise
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

mod applied;
mod chart;
mod cluster;
mod docs;
mod neighbour;
mod printed;
mod sources;
mod tools;
mod words;
