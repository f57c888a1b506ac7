//! The binary as a library: argument parsing and wiring, nothing else.
//!
//! ```text
//! cli       the commands and their arguments     commands/  one file a command
//! connect   kubeconfig and VAULT_ADDR → clients  output/    table, json, yaml, progress
//! failure   errors as a person reads them        dev/       the whole system on this machine
//! component one component with its arguments     health, signals  what a process of its own needs
//! hosted    the embedded authority as a server
//! ```

pub mod cli;
pub mod commands;
pub mod component;
pub mod connect;
pub mod dev;
pub mod failure;
pub mod health;
pub mod hosted;
pub mod output;
pub mod signals;
