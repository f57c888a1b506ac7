//! The limits that both the check of values and the chart's schema state.

/// Namespaces: one RoleBinding each for four components, well below what a Helm release can hold (1 MiB).
pub(super) const NAMESPACES_MAX: usize = 500;
/// Entries of any other list.
pub(super) const LIST_LEN_MAX: usize = 64;
/// Pods of one component: one works, more than this wait for nothing.
pub(super) const REPLICAS_MAX: u32 = 5;
/// A Kubernetes name (RFC 1123 label).
pub(super) const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A user name as Kubernetes makes them, or the name of an object.
pub(super) const USER_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9:._@/-]*$";
pub(super) const REPOSITORY_PATTERN: &str = "^[a-z0-9][a-zA-Z0-9._:/-]*$";
pub(super) const TAG_PATTERN: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]*(@sha256:[0-9a-f]{64})?$";
pub(super) const SIZE_PATTERN: &str = "^[1-9][0-9]*(Mi|Gi|Ti)$";
/// The name of an object, or nothing.
pub(super) const CLAIM_PATTERN: &str = "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$";
/// A time such as `15m`.
pub(super) const INTERVAL_PATTERN: &str = "^[1-9][0-9]{0,3}[mh]$";
/// Good snapshots that may be kept: each is looked at in turn, one an interval.
pub(super) const SNAPSHOTS_MAX: u32 = 1_000;
