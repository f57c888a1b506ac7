//! Initialization against power cuts: at every moment the file is either empty or a whole authority
//! whose sealed shares can be fetched and open it (PROTOCOLS.md §3).

use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use regent_manifest::keys::generate;
use serde_json::json;

use super::App;
use super::recover::opened;
use crate::storage::{Backend, OpenWith};

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Len(u64),
    Sync,
}

/// A file in memory that remembers what was done to it.
#[derive(Clone, Debug, Default)]
struct Recorder {
    bytes: Arc<Mutex<Vec<u8>>>,
    ops: Arc<Mutex<Vec<Op>>>,
}

impl Recorder {
    fn apply(bytes: &mut Vec<u8>, op: &Op) {
        match op {
            Op::Write(offset, data) => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                bytes.resize(bytes.len().max(end), 0);
                bytes[start..end].copy_from_slice(data);
            }
            Op::Len(len) => bytes.resize(*len as usize, 0),
            Op::Sync => {}
        }
    }

    fn backend(&self) -> Backend {
        let disk = self.clone();
        Backend::Custom(OpenWith {
            open: Box::new(move |builder| builder.create_with_backend(disk.clone())),
            has_room: Box::new(|| true),
        })
    }

    fn record(&self, op: Op) {
        Self::apply(&mut self.bytes.lock().unwrap(), &op);
        self.ops.lock().unwrap().push(op);
    }
}

impl StorageBackend for Recorder {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let from = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.record(Op::Len(len));
        Ok(())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.record(Op::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.record(Op::Write(offset, data.to_vec()));
        Ok(())
    }
}

/// The file after a power cut before operation `cut`: what was synced is there; of the rest, each
/// operation for which `kept` says so.
fn image(ops: &[Op], cut: usize, kept: fn(usize) -> bool) -> Vec<u8> {
    let synced = ops[..cut].iter().rposition(|op| matches!(op, Op::Sync)).map_or(0, |at| at + 1);
    let mut bytes = Vec::new();
    for (at, op) in ops[..cut].iter().enumerate() {
        if at < synced || matches!(op, Op::Len(_)) || kept(at) {
            Recorder::apply(&mut bytes, op);
        }
    }
    bytes
}

#[tokio::test]
async fn a_power_cut_during_initialization_leaves_nothing_or_a_whole_authority() {
    let disk = Recorder::default();
    let app = App::on(disk.backend());
    let opened_at = disk.ops.lock().unwrap().len();
    let (holder, unseal) = (generate(), generate());
    let body = json!({
        "holders": [{"name": "ana", "recipient": holder.recipient}],
        "threshold": 1,
        "unseal_recipient": unseal.recipient,
    });
    let answer = app.ask(&format!("PUT sys/regent/init {body}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ops = disk.ops.lock().unwrap().clone();

    let (mut empty, mut whole) = (0, 0);
    let losses: [fn(usize) -> bool; 4] = [|_| true, |_| false, |at| at % 2 == 0, |at| at % 2 == 1];
    for cut in opened_at..=ops.len() {
        for kept in losses {
            let disk = Recorder::default();
            *disk.bytes.lock().unwrap() = image(&ops, cut, kept);
            let again = App::on(disk.backend());
            let state = again.ask("GET sys/init").await.body;
            let shares = again.ask("GET sys/regent/sealed-shares").await;
            if state["initialized"] == false {
                assert_eq!(shares.status, 404);
                empty += 1;
                continue;
            }
            let share = opened(&shares.body, &unseal).remove(0);
            let request = format!(r#"PUT sys/unseal {{"key": "{share}"}}"#);
            again.check(&request, r#"200 {"sealed": false}"#).await;
            whole += 1;
        }
    }
    assert!(empty > 0 && whole > 0, "both sides of the commit were tried: {empty}, {whole}");
    let last = Recorder::default();
    *last.bytes.lock().unwrap() = image(&ops, ops.len(), |_| false);
    let last = App::on(last.backend());
    last.check("GET sys/init", r#"200 {"initialized": true}"#).await;
}
