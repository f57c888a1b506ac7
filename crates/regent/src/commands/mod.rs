//! One file a command: arguments, fetch, print. The work is elsewhere. `cluster_args` are flags that most of
//! them share; `identities` and `text_file` are what several of them read,
//! `person_run` is how those ask that have something done.

pub mod adopt;
pub mod audit;
pub mod authority;
pub(crate) mod cluster_args;
#[cfg(feature = "dev")]
pub mod dev;
pub mod handover;
pub(crate) mod identities;
pub mod install;
pub mod keygen;
pub mod lint;
pub mod object_name;
pub mod open;
pub mod person_run;
pub mod records;
pub mod release;
pub mod run;
pub mod runs;
pub mod seal;
pub mod secrets;
pub mod status;
pub(crate) mod text_file;
pub mod verify;
