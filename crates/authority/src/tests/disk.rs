//! A disk that is full, a log that hangs, a disk that is slow: who is served all the same, and who waits for whom.

use std::time::{Duration, Instant};

use super::App;
use crate::lifecycle::Kind;
use crate::storage::tests::Small;
use crate::{Audit, Authority};

#[tokio::test]
async fn v01_reads_go_on_while_the_disk_is_full_and_health_says_so() {
    let disk = Small::default();
    let mut app = App::on(disk.backend());
    app.init().await;
    app.unseal().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"POST secret/data/a {"data": {"k": "1"}}"#, r#"200 {"data": {"version": 1}}"#),
        ("GET sys/health", r#"200 {"storage": "ok", "audit": "ok"}"#),
    ])
    .await;
    disk.fill(true);
    for _ in 0..5 {
        app.script(&[
            (r#"POST secret/data/a {"data": {"k": "2"}}"#, r#"500 {"errors": ["~disk"]}"#),
            ("GET secret/data/a", r#"200 {"data": {"data": {"k": "1"}}}"#),
            ("GET sys/health", r#"200 {"storage": "~read-only", "audit": "ok"}"#),
        ])
        .await;
    }
    disk.fill(false);
    let healed = async {
        while app.ask(r#"POST secret/data/a {"data": {"k": "3"}}"#).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), healed).await.unwrap();
    app.script(&[
        ("GET secret/data/a", r#"200 {"data": {"data": {"k": "3"}}}"#),
        ("GET sys/health", r#"200 {"storage": "ok"}"#),
    ])
    .await;
}

/// A pipe that nobody reads takes 64 KiB and then nothing more.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v12_requests_fail_closed_while_the_audit_log_hangs_and_health_and_stop_do_not() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("audit.log");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut app = App::with(|mut options| {
        options.audit = Audit::File(pipe.clone());
        Authority::open(options).unwrap()
    });
    app.init().await;
    app.unseal().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    let mut refused = false;
    for _ in 0..1000 {
        let began = Instant::now();
        let answer = app.ask("GET secret/data/a").await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        refused = answer.status == 500;
        if refused {
            break;
        }
        assert_eq!(answer.status, 404);
    }
    assert!(refused, "a full pipe takes nothing");
    for _ in 0..3 {
        let began = Instant::now();
        let told = r#"500 {"errors": ["~the audit log takes no entry"]}"#;
        app.check(r#"POST secret/data/a {"data": {"k": "1"}}"#, told).await;
        app.check("GET sys/health", r#"200 {"sealed": false, "audit": "~refusing"}"#).await;
        app.check("GET sys/seal-status", r#"200 {"sealed": false}"#).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let began = Instant::now();
    app.authority.close().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn v15_health_waits_for_no_turn_no_transition_and_no_disk() {
    let app = App::ready().await;
    let core = &app.authority.core;
    let mut turns = Vec::new();
    while let Some(turn) = futures::FutureExt::now_or_never(core.turns.turn(Kind::Call)) {
        turns.push(turn.unwrap());
    }
    core.store.close().await;
    let health = app.check("GET sys/health", r#"200 {"sealed": false, "cluster_id": "*"}"#);
    tokio::time::timeout(Duration::from_secs(1), health).await.unwrap();
}

/// V18: nothing of a read waits for another thread: its first poll is its last.
#[tokio::test]
async fn v18_a_read_hops_to_no_other_thread() {
    let mut app = App::ready().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"POST secret/data/a {"data": {"k": "1"}}"#, "200 {}"),
        (
            r#"PUT sys/policies/acl/p {"policy": "path \"secret/data/*\" {policy = \"read\"}"}"#,
            "204",
        ),
    ])
    .await;
    let reader = app.token_of(&["p"]).await;
    for token in [app.token.clone(), reader] {
        app.with_token(&token, async |app| {
            let answer = futures::FutureExt::now_or_never(app.ask("GET secret/data/a"));
            let answer = answer.expect("a read is answered by who asks");
            assert_eq!((answer.status, &answer.body["data"]["data"]["k"]), (200, &"1".into()));
            let answer = futures::FutureExt::now_or_never(app.ask("GET sys/health"));
            assert_eq!(answer.unwrap().status, 200);
        })
        .await;
    }
}

/// V14: children of one parent share the disk's syncs.
#[tokio::test]
async fn v14_tokens_of_one_parent_are_made_side_by_side() {
    let disk = Small::default();
    let mut app = App::on(disk.backend());
    app.init().await;
    app.unseal().await;
    let before = disk.syncs();
    disk.hold(true);
    let create = || app.ask(r#"POST auth/token/create {"policies": ["default"]}"#);
    let mut made: Vec<_> = (0..64).map(|_| Box::pin(create())).collect();
    // All of them go as far as they can while the first one's sync is under way: on this one thread
    // that is all that each turn of the scheduler does.
    for _ in 0..100 {
        for one in &mut made {
            assert!(futures::poll!(one).is_pending());
        }
        tokio::task::yield_now().await;
    }
    disk.hold(false);
    for answer in futures::future::join_all(made).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let syncs = disk.syncs() - before;
    assert!(syncs <= 8, "64 tokens took {syncs} syncs");
}
