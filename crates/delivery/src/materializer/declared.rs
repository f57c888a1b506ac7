//! What an ExternalSecret asks for, of which store, and whether it may have that: decided before the authority is asked
//! anything.

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::reflector::ObjectRef;
use regent_api::ExternalSecret;
use regent_types::{SecretPath, VersionPair};

use super::allow::Judgement;
use super::index::Key;
use super::request::{self, Request, StoreName};
use super::worker::{self, Worker};
use crate::not_ready::NotReady;
use crate::store::{self, Purpose, Resolution, Served};

/// Versions that RuntimeSecrets tell, path by path.
pub(crate) type ExpectedVersions = BTreeMap<SecretPath, VersionPair>;

/// What `es` asks for, of which store. `None`: not regent's.
pub(crate) fn declared(
    worker: &Worker,
    es: &ExternalSecret,
    key: &Key,
) -> Result<Option<(Served, Request)>, NotReady> {
    let mut served: Option<(StoreName, Served)> = None;
    for name in request::stores(&es.spec) {
        let Some(found) = served_by(worker, &name, &key.0)? else { return Ok(None) };
        match &served {
            Some((first, other)) if *other != found => {
                let both = format!(
                    "{} {} beside {} {}, which leads to another authority,",
                    name.kind(),
                    name.name,
                    first.kind(),
                    first.name
                );
                return Err(NotReady::unsupported(&both));
            }
            _ => served = Some((name, found)),
        }
    }
    let Some((_, store)) = served else { return Ok(None) };
    let request = Request::parse(&key.1, &es.spec)?;
    Ok(Some((store, request)))
}

/// Whether it may have that now, and the versions that are told of it.
pub(crate) fn judged(
    worker: &Worker,
    key: &Key,
    request: &Request,
) -> Result<ExpectedVersions, NotReady> {
    let paths: BTreeSet<SecretPath> =
        request.entries.iter().map(|entry| entry.place().path.clone()).collect();
    // Before judging, so that a change after it is not lost.
    worker.tables().asks(key, paths.clone(), &request.target);
    let mut expected_versions = ExpectedVersions::new();
    for path in paths {
        match worker.judge(&key.0, &path) {
            Judgement::Serve(version) => {
                expected_versions.extend(version.map(|version| (path, version)))
            }
            Judgement::Refuse(not_ready) => return Err(not_ready),
        }
    }
    Ok(expected_versions)
}

/// What the condition says of a store that does not exist.
pub(crate) fn absent(name: &StoreName) -> NotReady {
    let message = format!("{} {} is not there", name.kind(), name.name);
    NotReady::until_change("StoreNotReady", message)
}

/// The store of this name, if it is regent's.
fn served_by(
    worker: &Worker,
    name: &StoreName,
    namespace: &str,
) -> Result<Option<Served>, NotReady> {
    let home = worker.home();
    let resolution = if name.is_cluster {
        let found = worker.cluster_stores.get(&ObjectRef::new(&name.name));
        let found = found.ok_or_else(|| absent(name))?;
        let resolution =
            store::resolve(&found.spec.controller, &found.spec.provider, Purpose::Read, &home);
        let labels = worker::labels_of(&worker.namespaces, namespace);
        let ours = matches!(resolution, Resolution::Ours(_));
        if ours && !store::usable_in(&found.spec.conditions, namespace, &labels)? {
            let message =
                format!("{} {} may not be used in namespace {namespace}", name.kind(), name.name);
            return Err(NotReady::until_change("StoreNotReady", message));
        }
        resolution
    } else {
        let wanted = ObjectRef::new(&name.name).within(namespace);
        let found = worker.stores.get(&wanted).ok_or_else(|| absent(name))?;
        store::resolve_namespaced(&found.spec.controller, &found.spec.provider, &home)
    };
    match resolution {
        Resolution::Ours(served) => Ok(Some(served)),
        Resolution::NotOurs => Ok(None),
        Resolution::Refused(not_ready) => Err(not_ready),
    }
}
