//! The worlds that a scenario runs in: a Kubernetes API × an authority. Where worlds disagree, the real one is right.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{Condition, conditions};
use regent_types::labels;
use serde_json::{Value, json};

use crate::named;
use crate::openbao;
use crate::real::{self, Options, Real};
use crate::used;
use crate::waits;

/// The Kubernetes API that a scenario runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// The one in this process; components are tasks.
    Sandbox,
    /// kube-apiserver, etcd and kube-controller-manager; components are processes.
    Real,
    /// The user's own, named by KUBECONFIG.
    Own,
}

/// The runtime authority that a scenario runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The one in this process.
    Embedded,
    /// A real OpenBao, which warden initializes and unseals.
    OpenBao,
    /// The user's own OpenBao or Vault, named by REGENT_TEST_VAULT_ADDR.
    Named,
}

/// A world to run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldKind {
    /// The Kubernetes API that it has.
    pub api: Api,
    /// The runtime authority that it has.
    pub authority: Authority,
}

impl fmt::Display for WorldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let api = match self.api {
            Api::Sandbox => "sandbox",
            Api::Real => "real",
            Api::Own => "own",
        };
        let authority = match self.authority {
            Authority::Embedded => "embedded",
            Authority::OpenBao => "openbao",
            Authority::Named => "named",
        };
        write!(f, "{api}_{authority}")
    }
}

/// Worlds that this run is to have, and worlds that it goes without, each with the reason.
pub struct Choice {
    /// Worlds to run in, in this order.
    pub wanted: Vec<WorldKind>,
    /// Worlds that are left out, each with the reason.
    pub skipped: Vec<(WorldKind, String)>,
}

/// What `REGENT_WORLDS` asks for: `sandbox` alone; `own` for a cluster that KUBECONFIG names, with the authority that
/// REGENT_TEST_VAULT_ADDR names if it does; otherwise every world, and with `all` a world that cannot be had is a failure of its scenarios.
pub fn chosen() -> Choice {
    let wanted = std::env::var("REGENT_WORLDS").unwrap_or_default();
    let kind = |api, authority| WorldKind { api, authority };
    let sandbox = kind(Api::Sandbox, Authority::Embedded);
    let reals = [
        kind(Api::Sandbox, Authority::OpenBao),
        kind(Api::Real, Authority::Embedded),
        kind(Api::Real, Authority::OpenBao),
    ];
    let skip = |why: &str| reals.iter().map(|k| (*k, why.to_owned())).collect();
    let absent = real::Tools::find().map(drop).map_err(|e| e.to_string());
    let absent = absent.and(openbao::binary().map(drop).map_err(|e| e.to_string()));
    match wanted.as_str() {
        "sandbox" => Choice { wanted: vec![sandbox], skipped: skip("REGENT_WORLDS=sandbox") },
        "own" => {
            let authority = match std::env::var_os(named::ADDRESS) {
                Some(_) => Authority::Named,
                None => Authority::Embedded,
            };
            Choice { wanted: vec![kind(Api::Own, authority)], skipped: Vec::new() }
        }
        _ => match absent {
            Err(error) if !real::all_worlds_wanted() => {
                Choice { wanted: vec![sandbox], skipped: skip(&error) }
            }
            // Absent under `all`: the scenarios start and fail with that error.
            _ => {
                let wanted = std::iter::once(sandbox).chain(reals).collect();
                Choice { wanted, skipped: Vec::new() }
            }
        },
    }
}

/// Real control planes at once, each of 400 MB or more. Scenarios wait more than they work: for a namespace to go the
/// API server alone takes five seconds.
const POOL_MAX: usize = 8;

/// A control plane, and how far its audit log was heard.
struct Plane {
    real: Real,
    heard: u64,
}

/// Control planes that scenarios take turns in; each starts at the first need and ends with this process.
static POOL: Pool =
    Pool { state: Mutex::new(State { idle: Vec::new(), lent: 0 }), freed: Condvar::new() };

struct Pool {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Plane>,
    lent: usize,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle one, or leave to start one.
    fn take(&self) -> Option<Plane> {
        let mut state = self.state();
        while state.lent == POOL_MAX {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lent += 1;
        state.idle.pop()
    }

    fn give_back(&self, plane: Option<Plane>) {
        let mut state = self.state();
        state.lent -= 1;
        state.idle.extend(plane);
        self.freed.notify_one();
    }
}

/// A cluster lent to one scenario.
pub struct Lent {
    plane: Option<Plane>,
    clean: bool,
}

impl Lent {
    /// Waits for one that is free, or starts it.
    pub async fn take() -> Result<Self> {
        // The pool hands out leave in turn; waiting blocks this thread, which has nothing else to do.
        match tokio::task::block_in_place(|| POOL.take()) {
            Some(plane) => Ok(Self { plane: Some(plane), clean: false }),
            None => match Real::start(Options::default()).await {
                Ok(real) => {
                    let plane = Plane { real, heard: 0 };
                    let lent = Self { plane: Some(plane), clean: false };
                    lent.define().await?;
                    Ok(lent)
                }
                Err(error) => {
                    POOL.give_back(None);
                    Err(error.into())
                }
            },
        }
    }

    /// CRDs stay for all scenarios: right after one is defined, the API server answers 429 for a while.
    pub(crate) async fn define(&self) -> Result<()> {
        let crds: kube::Api<CustomResourceDefinition> = kube::Api::all(self.real()?.admin()?);
        for crd in regent_api::all_crds() {
            let name = crd.metadata.name.clone().unwrap_or_default();
            waits::create(&crds, &crd).await?;
            established(&crds, &name).await?;
            let version = &crd.spec.versions[0].name;
            self.served(&crd.spec.group, version, &crd.spec.names.kind).await?;
        }
        Ok(())
    }

    /// Deletes them, and with them every object of theirs, as somebody who says on each that it is meant.
    pub(crate) async fn undefine(&self) -> Result<()> {
        let crds: kube::Api<CustomResourceDefinition> = kube::Api::all(self.real()?.admin()?);
        let meant = json!({ "metadata": { "annotations": { labels::CONFIRM_DELETION: "true" } } });
        for crd in regent_api::all_crds() {
            let name = crd.metadata.name.unwrap_or_default();
            crds.patch(&name, &PatchParams::default(), &Patch::Merge(&meant)).await?;
            waits::delete(&crds, &name).await?;
            let gone = |crd: Option<&CustomResourceDefinition>| match crd {
                None => Ok(()),
                Some(_) => Err("it is still there".to_owned()),
            };
            waits::object(crds.clone(), &name, gone).await?;
        }
        Ok(())
    }

    /// Takes a field of the status out of a kind's definition, as an earlier release had none.
    pub(crate) async fn outdate(&self, crd: &str, field: &str) -> Result<()> {
        let mut spec = spec_of(crd)?;
        let at = "/versions/0/schema/openAPIV3Schema/properties/status/properties";
        let fields = spec.pointer_mut(at).and_then(Value::as_object_mut);
        let taken = fields.and_then(|fields| fields.remove(field));
        ensure!(taken.is_some(), "{crd} has no status.{field}");
        self.define_as(crd, spec).await
    }

    /// Brings a kind's definition to this release again.
    pub(crate) async fn update(&self, crd: &str) -> Result<()> {
        self.define_as(crd, spec_of(crd)?).await
    }

    async fn define_as(&self, crd: &str, spec: Value) -> Result<()> {
        let crds: kube::Api<CustomResourceDefinition> = kube::Api::all(self.real()?.admin()?);
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({ "spec": spec })));
        waits::ask(|| crds.patch(crd, &params, &patch)).await?;
        Ok(())
    }

    /// Waits until objects of a kind can be listed.
    async fn served(&self, group: &str, version: &str, kind: &str) -> Result<()> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: kube::Api<DynamicObject> = kube::Api::all_with(self.real()?.admin()?, &resource);
        waits::listed(api).await
    }

    /// The control plane that was lent; an error once it was given back.
    pub fn real(&self) -> Result<&Real> {
        let plane = self.plane.as_ref().context("the control plane was given back")?;
        Ok(&plane.real)
    }

    /// Takes in what components asked since it was last heard; returns what RBAC refused them.
    pub fn hear(&mut self) -> Result<Vec<String>> {
        let plane = self.plane.as_mut().context("the control plane was given back")?;
        let (heard, refused) = used::hear_api(&plane.real.audit_log(), plane.heard)?;
        plane.heard = heard;
        Ok(refused)
    }

    /// Gives it back as clean as it was; one that is only dropped ends.
    pub fn give_back(mut self) {
        self.clean = true;
    }

    /// Ends it and starts another one, with other CA and keys.
    pub async fn lose(&mut self) -> Result<()> {
        drop(self.plane.take());
        let real = Real::start(Options::default()).await?;
        self.plane = Some(Plane { real, heard: 0 });
        self.define().await
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let plane = self.plane.take();
        POOL.give_back(plane.filter(|_| self.clean));
    }
}

/// Waits until a definition is in force.
pub(crate) async fn established(
    crds: &kube::Api<CustomResourceDefinition>,
    name: &str,
) -> Result<()> {
    let fine = |crd: Option<&CustomResourceDefinition>| match conditions::is_crd_established()
        .matches_object(crd)
    {
        true => Ok(()),
        false => Err("it is not established".to_owned()),
    };
    waits::object(crds.clone(), name, fine).await
}

/// What this release defines.
fn spec_of(crd: &str) -> Result<Value> {
    let all = regent_api::all_crds();
    let named = all.into_iter().find(|c| c.metadata.name.as_deref() == Some(crd));
    let named = named.with_context(|| format!("regent defines no {crd}"))?;
    Ok(serde_json::to_value(named.spec)?)
}

/// The kubeconfig of the user's own cluster.
pub fn own_kubeconfig() -> Result<PathBuf> {
    let path = std::env::var_os("KUBECONFIG").context("REGENT_WORLDS=own needs KUBECONFIG")?;
    Ok(PathBuf::from(path))
}
