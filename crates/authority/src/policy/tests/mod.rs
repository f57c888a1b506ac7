//! Claims about policies, as tables: `operation path [json] = allow | deny`.

mod lookup;
mod text;

use std::sync::Arc;

use regent_types::Json;

use super::{Acl, parse};
use crate::request::Operation;

/// The merged rules of `texts`.
fn acl(texts: &[&str]) -> Acl {
    let policies: Vec<_> = texts
        .iter()
        .map(|text| Arc::new(parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))))
        .collect();
    Acl::new(&policies)
}

/// Checks each line of `table`; `sudo` as the expectation means allowed with sudo.
fn check(texts: &[&str], table: &str) {
    let acl = acl(texts);
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (request, expected) = line.rsplit_once(" = ").unwrap();
        let mut parts = request.splitn(3, ' ');
        let op = operation(parts.next().unwrap());
        let path = parts.next().unwrap();
        let Ok(Json::Object(data)) = Json::parse(parts.next().unwrap_or("{}").as_bytes()) else {
            panic!("{line}")
        };
        let decision = acl.allows(op, path, &data, 0);
        let found = match (decision.allowed, decision.sudo) {
            (true, true) => "sudo",
            (true, false) => "allow",
            (false, _) => "deny",
        };
        assert_eq!(found, expected.trim(), "{line}\n{}", texts.join("\n"));
    }
}

fn operation(name: &str) -> Operation {
    use Operation::{Create, Delete, List, Patch, Read, Update};
    let all = [Create, Read, Update, Patch, Delete, List];
    all.into_iter().find(|op| op.name() == name).unwrap()
}
