//! Where the binaries of a real control plane are, or that they are not.

use std::path::{Path, PathBuf};

use super::Error;

/// Folder of the binaries, instead of the one that `cargo xtask tools` fills.
const FOLDER: &str = "REGENT_TOOLS_BIN";
/// With the value `all`, a world that cannot be had is a failure and not skipped.
const WORLDS: &str = "REGENT_WORLDS";
/// What a control plane needs, and what a person types at it.
const NEEDED: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Folder with the binaries of a control plane and with `kubectl`.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Looks for the binaries in the folder that the environment names; the error says what is missing.
    pub fn find() -> Result<Self, Error> {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
        let folder = std::env::var_os(FOLDER).map_or(built, PathBuf::from);
        let tools = Self { folder };
        match NEEDED.iter().map(|tool| tools.path(tool)).find(|path| !path.is_file()) {
            Some(path) => Err(Error::Absent { path }),
            None => Ok(tools),
        }
    }

    /// The path of one.
    pub fn path(&self, tool: &str) -> PathBuf {
        self.folder.join(tool)
    }
}

/// Whether a world that cannot be had is a failure: what CI asks for.
pub fn all_worlds_wanted() -> bool {
    std::env::var_os(WORLDS).is_some_and(|wanted| wanted == "all")
}
