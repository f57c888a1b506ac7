//! The binary as a library: argument parsing and wiring, nothing else.
//!
//! ```text
//! cli       the commands and their arguments     commands/  one file a command
//! connect   kubeconfig and VAULT_ADDR → clients  output/    table, json, yaml, progress
//! ```

pub mod cli;
pub mod commands;
pub mod connect;
#[cfg(test)]
mod named_commands;
pub mod output;
