//! `regent install`: what an installation consists of, printed for `kubectl apply`.
//!
//! ```text
//! args      flags and the values file → values      shared     which shared definitions may be placed
//! ```
//!
//! The objects themselves are `regent_install`, from which the Helm chart is made as well.

mod args;
mod shared;

use regent_install::definitions;
use serde_json::{Value, json};

pub use args::{InstallArgs, values_file};

use crate::output::{Format, Out};
use regent_host::failure::Failure;

/// Prints the objects in the order in which they are applied.
pub async fn run(args: InstallArgs, out: Out) -> anyhow::Result<u8> {
    let values = args.values()?;
    let look = shared::look(values.external_secrets_crds, args.removable, &args.cluster()).await?;
    if let Some(note) = &look.note {
        out.note(note);
    }
    let mut objects = regent_install::objects(&values, &look.placeable)
        .map_err(|e| Failure::of("preparing the installation", &e))?;
    if args.removable {
        objects.retain(|object| !definitions::is_kept(object));
    }
    print(&objects, out)?;
    Ok(0)
}

fn print(objects: &[Value], out: Out) -> anyhow::Result<()> {
    if out.format == Format::Json {
        return out.value(&json!({ "apiVersion": "v1", "kind": "List", "items": objects }));
    }
    for object in objects {
        out.text("---\n");
        out.value(object)?;
    }
    Ok(())
}
