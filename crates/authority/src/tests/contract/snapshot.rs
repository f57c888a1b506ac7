//! One request sees one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tests::App;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn v04_a_read_of_a_live_key_while_it_is_written_never_fails() {
    let app = Arc::new(App::ready().await);
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    app.check(r#"POST secret/config {"max_versions": 1}"#, "204").await;
    app.check(r#"PUT secret/data/a {"data": {"v": "0"}}"#, "200 {}").await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = ["GET secret/data/a", "GET secret/subkeys/a", "GET secret/data/a"]
        .into_iter()
        .map(|request| {
            let (app, done) = (app.clone(), done.clone());
            tokio::spawn(async move {
                let (mut reads, mut failed) = (0, Vec::new());
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    let answer = app.ask(request).await;
                    reads += 1;
                    if answer.status != 200 {
                        failed.push((answer.status, answer.text));
                    }
                }
                (reads, failed)
            })
        })
        .collect();
    for turn in 1..=400 {
        let request = format!("PUT secret/data/a {{\"data\": {{\"v\": \"{turn}\"}}}}");
        app.check(&request, "200 {}").await;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        let (reads, failed) = reader.await.unwrap();
        assert!(failed.is_empty(), "{} of {reads}, first {:?}", failed.len(), failed[0]);
    }
}
