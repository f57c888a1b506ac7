//! How much of a manifest is read.

/// A manifest's text: what an EncryptedManifest may hold, and what etcd takes (1 MiB).
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Nested mappings and sequences. A Secret has three; values of a chart, custom resources and JSON in YAML have tens.
/// Each collection keeps the keys above it, so that this times [`NODES_MAX`] is what a text costs.
pub const DEPTH_MAX: usize = 128;
/// Keys, values and collections in one stream: at about 100 bytes each this is the text limit.
pub const NODES_MAX: usize = 10_000;
/// Documents in one stream.
pub const DOCUMENTS_MAX: usize = 256;
/// Bytes of one key. A Kubernetes key has at most 253.
pub const KEY_BYTES_MAX: usize = 1024;
