//! Steps about what goes wrong around components: the API server, the way to it, accounts, leases, definitions.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams};
use regent::commands::audit;
use regent_types::authority_names::REGENT_MOUNT;
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use serde_json::json;
use tokio::time::Instant;

use super::words::identity;
use crate::World;
use crate::clock;
use crate::proxy::{Proxies, Storm};
use crate::waits::{self, LIMIT};

/// First and longest pause between two looks at a log, which nothing announces.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Replicas that may run of each component.
const REPLICAS: [u8; 2] = [0, 1];

/// Runs one step; `false` where it is none of these.
pub(super) async fn run(world: &mut World, word: &str, words: &[&str], text: &str) -> Result<bool> {
    match word {
        "given" => given(world, words).await,
        "when" => Ok(around(world, words).await? || at_the_proxy(world, words).await?),
        _ => then(world, words, text).await,
    }
}

async fn given(world: &mut World, words: &[&str]) -> Result<bool> {
    match words {
        ["a", "proxy", "before", "the", "API", "server"] => {
            let real = world.lent.as_ref().context("no API server of its own")?.real()?;
            let holders = Identity::ALL.iter().flat_map(|i| REPLICAS.map(|r| holder(*i, r)));
            let proxies = Proxies::start(real, holders).await?;
            world.options.api_via = proxies.urls();
            world.proxies = Some(proxies);
        }
        ["the", "clock", "of", component, "is", minutes, "minutes", way] => {
            let off = clock::off_by(clock::seconds(minutes, way)?)?;
            world.options.variables.insert(holder(identity(component)?, 0), off);
        }
        [count, "further", "secrets"] => world.options.extra_secrets = count.parse()?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What happens to processes and objects.
async fn around(world: &mut World, words: &[&str]) -> Result<bool> {
    match words {
        ["the", "API", "server", "is", "killed"] => lent(world)?.real()?.kill_api(),
        ["the", "API", "server", "is", "started"] => lent(world)?.real()?.restart_api().await?,
        ["etcd", "stalls", "for", seconds, "seconds"] => {
            lent(world)?.real()?.stall_etcd(Duration::from_secs(seconds.parse()?)).await?;
        }
        ["every", "ServiceAccount", "is", "deleted", "and", "made", "again"] => {
            remake_accounts(world).await?;
        }
        ["new", "tokens", "are", "projected"] => world.system().await?.project_tokens().await?,
        ["the", "definitions", "are", "deleted"] => lent(world)?.undefine().await?,
        ["the", "definition", crd, "lacks", "status", field] => {
            lent(world)?.outdate(crd, field).await?;
        }
        ["the", "definition", crd, "is", "of", "this", "release"] => {
            lent(world)?.update(crd).await?;
        }
        ["the", "definitions", "are", "made", "again"] => lent(world)?.define().await?,
        ["the", "person", "points", "at", "Git", "again"] => {
            let options = world.options.clone();
            world.system().await?.point_at_git(&options).await?;
        }
        ["a", "second", component, "is", "started"] => {
            let identity = identity(component)?;
            world.system().await?.start_component(identity, 1)?;
        }
        ["the", "Lease", "of", component, "is", "stolen"] => {
            let name = identity(component)?.account();
            let stolen = json!({ "spec": { "holderIdentity": "thief" } });
            let leases = world.api("Lease", Some(SYSTEM_NAMESPACE)).await?;
            let params = PatchParams::default();
            waits::ask(async || leases.patch(&name, &params, &Patch::Merge(&stolen)).await).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What happens on the way to the API server.
async fn at_the_proxy(world: &mut World, words: &[&str]) -> Result<bool> {
    let each = |world: &World, act: &dyn Fn(&crate::proxy::Proxy)| -> Result<()> {
        let proxies = world.proxies.as_ref().context("given a proxy before the API server")?;
        proxies.all().for_each(|(_, proxy)| act(proxy));
        Ok(())
    };
    match words {
        ["one", "of", every, "requests", "is", "answered", code] => {
            let storm = Storm { code: code.parse()?, every: every.parse()? };
            each(world, &|proxy| proxy.storm(Some(storm)))?;
        }
        ["requests", "reach", "the", "API", "server", "again"] => {
            each(world, &|proxy| proxy.storm(None))?;
        }
        ["all", "watches", "are", "cut"] => each(world, &crate::proxy::Proxy::cut_watches)?,
        [component, "is", "cut", "off"] => proxies(world)?.of(&first(component)?)?.partition(),
        [component, "is", "reachable", "again"] => {
            proxies(world)?.of(&first(component)?)?.heal()?
        }
        ["requests", "are", "counted", "for", seconds, "seconds"] => {
            each(world, &|proxy| proxy.trace(|trace| trace.begin_window()))?;
            // The window is what is counted in; nothing is expected at its end.
            tokio::time::sleep(Duration::from_secs(seconds.parse()?)).await;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

async fn then(world: &mut World, words: &[&str], text: &str) -> Result<bool> {
    match words {
        ["no", "component", "asked", "more", "than", limit, "times"] => {
            asked_at_most(world, limit.parse()?)?;
        }
        ["the", "clock", "of", component, "is", minutes, "minutes", way] => {
            let log = world.system().await?.log(identity(component)?, 0);
            clock::is_off_by(&log, clock::seconds(minutes, way)?)?;
        }
        ["every", "component", "was", "answered", code] => answered(world, code.parse()?)?,
        ["at", "least", least, "components", "were", "answered", code] => {
            let (least, code): (usize, u16) = (least.parse()?, code.parse()?);
            let all = proxies(world)?.all();
            let met = all.filter(|(_, proxy)| proxy.trace(|trace| trace.answers(code)) > 0);
            let met: Vec<_> = met.map(|(holder, _)| holder.to_string()).collect();
            ensure!(met.len() >= least, "only {met:?} were answered {code}");
        }
        ["no", "component", "ended", "by", "itself"] => {
            let ended = world.system().await?.ended();
            ensure!(ended.is_empty(), "ended: {ended:?}");
        }
        ["the", "log", "of", component, "tells", ..] => {
            let (_, wanted) = text.split_once(" tells ").context("tells what")?;
            told(world, component, wanted).await?;
        }
        ["the", "ledger", "tells", "each", "handover", "once"] => each_handover(world).await?,
        [component, "led", times, "times", "and", "wrote", "only", "then"] => {
            let proxy = proxies(world)?.of(&first(component)?)?;
            let (led, stray) = proxy.trace(|trace| trace.leading());
            ensure!(led == times.parse::<usize>()?, "it led {led} times");
            ensure!(stray.is_empty(), "written without the lease: {stray:?}");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The first replica, where nothing else is said.
fn first(component: &str) -> Result<String> {
    Ok(holder(identity(component)?, 0))
}

fn holder(identity: Identity, replica: u8) -> String {
    format!("{}-{replica}", identity.name())
}

fn lent(world: &World) -> Result<&crate::worlds::Lent> {
    world.lent.as_ref().context("this world has no API server of its own")
}

fn proxies(world: &mut World) -> Result<&mut Proxies> {
    world.proxies.as_mut().context("given a proxy before the API server")
}

/// As somebody who deletes them all and applies the installation again: names stay, every token is void.
async fn remake_accounts(world: &mut World) -> Result<()> {
    let admin = world.system().await?.admin();
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, SYSTEM_NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/part-of=regent");
    let all = waits::ask(|| accounts.list(&ours)).await?.items;
    ensure!(all.len() == Identity::ALL.len(), "found {} accounts", all.len());
    for account in all {
        let name = account.metadata.name.clone().unwrap_or_default();
        let labels = account.metadata.labels.clone();
        waits::delete(&accounts, &name).await?;
        let metadata = ObjectMeta { name: Some(name), labels, ..ObjectMeta::default() };
        let again = ServiceAccount { metadata, ..ServiceAccount::default() };
        waits::create(&accounts, &again).await?;
    }
    Ok(())
}

fn asked_at_most(world: &mut World, limit: usize) -> Result<()> {
    let mut any = 0;
    for (holder, proxy) in proxies(world)?.all() {
        let (asked, told) = proxy.trace(|trace| (trace.window(), trace.told()));
        any += asked;
        ensure!(asked <= limit, "{holder} asked {asked} times: {told:#?}");
    }
    ensure!(any > 0, "nobody asked anything: the components do not pass through the proxy");
    Ok(())
}

/// The fault reached everybody: a storm that nobody met proves nothing.
fn answered(world: &mut World, code: u16) -> Result<()> {
    for (holder, proxy) in proxies(world)?.all() {
        let (asked, met) = proxy.trace(|trace| (trace.answers(200), trace.answers(code)));
        ensure!(asked == 0 || met > 0, "{holder} was never answered {code}");
    }
    Ok(())
}

/// Every RuntimeSecret that came by a handover has one event of it, and nothing else has.
async fn each_handover(world: &mut World) -> Result<()> {
    let (api, all) = (world.api("RuntimeSecret", None).await?, ListParams::default());
    let secrets = waits::ask(|| api.list(&all)).await?;
    let handed = secrets.iter().filter(|s| s.data["spec"]["introduce"].get("handover").is_some());
    let mut expected: Vec<String> =
        handed.map(|s| s.data["status"]["path"].as_str().unwrap_or_default().to_owned()).collect();
    let kv = world.reader().await?.kv(REGENT_MOUNT);
    let events = audit::trail(&kv, None).await?;
    let mut found: Vec<String> =
        events.into_iter().filter(|e| e.is("handed-over")).map(|e| e.path().to_owned()).collect();
    expected.sort();
    found.sort();
    ensure!(!expected.is_empty() && found == expected, "expected {expected:?}, found {found:?}");
    Ok(())
}

async fn told(world: &mut World, component: &str, wanted: &str) -> Result<()> {
    let log = world.system().await?.log(identity(component)?, 0);
    let deadline = Instant::now() + LIMIT;
    let mut pause = LOOK_AGAIN.0;
    loop {
        let found = std::fs::read_to_string(&log).with_context(|| log.display().to_string())?;
        if found.contains(wanted) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{wanted:?} never came");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_AGAIN.1);
    }
}
