//! Which fields requests to a KV mount have.

use crate::request::Operation;
use crate::request::schema::Schema;

/// Of the checks on metadata that OpenBao has beside those on values.
const METADATA_CAS: &str = "metadata is not versioned: values are, under options.cas";

const SETTINGS: Schema = Schema {
    acts: &["max_versions", "cas_required", "delete_version_after"],
    refused: &[("metadata_cas_required", METADATA_CAS)],
};

const METADATA: Schema = Schema {
    acts: &["max_versions", "cas_required", "delete_version_after", "custom_metadata"],
    refused: &[("metadata_cas_required", METADATA_CAS), ("metadata_cas", METADATA_CAS)],
};

/// The fields of requests at `path` below the mount.
pub(super) fn of(path: &str, op: Operation) -> Schema {
    use Operation::{Create, List, Patch, Read, Update};
    let area = path.split_once('/').map_or(path, |(area, _)| area);
    match (area, op) {
        ("config", Create | Update) => SETTINGS,
        ("data", Read) => Schema::of(&["version"]),
        ("data", Create | Update | Patch) => Schema::of(&["data", "options.cas"]),
        ("subkeys", Read) => Schema::of(&["version", "depth"]),
        ("delete" | "undelete" | "destroy", Create | Update) => Schema::of(&["versions"]),
        ("metadata", Create | Update | Patch) => METADATA,
        ("metadata", List) => Schema::of(&["after", "limit"]),
        _ => Schema::NONE,
    }
}
