//! Rows about definitions and regent's own namespace: nobody deletes them by the way, whatever verbs they hold.

use regent_install::access::admission::{DEFINITIONS, SYSTEM};
use regent_types::labels::{CONFIRM_DELETION, SYSTEM_NAMESPACE};
use serde_json::json;

use super::fixtures::{HOME, definitions, namespace};
use super::people::Who;
use super::row::Act::{Change, Delete};
use super::row::{Row, labelled, may, may_not, noted};

/// Those whom RBAC lets delete a definition; all of them hold the break-glass verb too.
const ADMINS: [Who; 2] = [Who::ClusterAdmin, Who::Master];

pub(super) fn rows() -> Vec<Row> {
    let [ours, meant, theirs] = definitions();
    let system = || namespace(SYSTEM_NAMESPACE);
    let mut rows = Vec::new();
    for who in ADMINS {
        rows.extend([
            may_not(who, "deletes a definition of regent", Delete(ours.clone()), DEFINITIONS),
            may(who, "deletes one after saying so on it", Delete(meant.clone())),
            may(who, "deletes a neighbour's definition", Delete(theirs.clone())),
            may(
                who,
                "says that it is meant",
                Change(ours.clone(), noted(CONFIRM_DELETION, json!("true"))),
            ),
        ]);
    }
    for who in ADMINS.into_iter().chain([Who::PlatformAdmin]) {
        rows.extend([
            may_not(who, "deletes regent's namespace", Delete(system()), SYSTEM),
            may(who, "labels regent's namespace", Change(system(), labelled("team", json!("a")))),
            may(who, "deletes another namespace", Delete(namespace(HOME))),
        ]);
    }
    rows
}
