//! The modules of a crate: what each is ([`module`]), which file is which ([`build`]), and where a path that is written
//! in one of them leads ([`resolve`]).

mod build;
mod module;
mod resolve;

pub(super) use build::of_every_crate;
pub(super) use module::Modules;
pub(super) use resolve::references;
