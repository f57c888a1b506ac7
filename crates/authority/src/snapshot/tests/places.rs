//! Places that hang, are full, take away or do not keep what was given.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::{Rig, told};
use crate::snapshot::place::{Place, Placed, Upload};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// Uploads, or reads, or all of it, block until they are let go.
    WriteHangs,
    ReadHangs,
    ListHangs,
    /// After so many bytes there is no room.
    Full(usize),
    /// What is written is acknowledged and cut to so many bytes.
    Truncates(usize),
    Denied,
}

/// A directory in front of which things go wrong.
struct Faulty {
    inner: Arc<dyn Place>,
    fault: Mutex<Fault>,
    let_go: Arc<(Mutex<bool>, Condvar)>,
    hanging: Arc<AtomicUsize>,
}

impl Faulty {
    fn before(inner: Arc<dyn Place>, fault: Fault) -> Arc<Self> {
        let (let_go, hanging) = (Arc::default(), Arc::default());
        Arc::new(Self { inner, fault: Mutex::new(fault), let_go, hanging })
    }

    fn now(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn hang(&self) {
        hang(&self.let_go, &self.hanging);
    }

    fn let_go(&self) {
        *self.let_go.0.lock().unwrap() = true;
        self.let_go.1.notify_all();
    }
}

fn hang(gate: &(Mutex<bool>, Condvar), hanging: &AtomicUsize) {
    hanging.fetch_add(1, Ordering::SeqCst);
    let mut open = gate.0.lock().unwrap();
    while !*open {
        open = gate.1.wait(open).unwrap();
    }
    hanging.fetch_sub(1, Ordering::SeqCst);
}

impl Place for Faulty {
    fn list(&self, prefix: &str) -> io::Result<Vec<Placed>> {
        match self.now() {
            Fault::ListHangs => self.hang(),
            Fault::Denied => return Err(io::ErrorKind::PermissionDenied.into()),
            _ => {}
        }
        self.inner.list(prefix)
    }

    fn upload(&self, name: &str) -> io::Result<Box<dyn Upload>> {
        let room = match self.now() {
            Fault::WriteHangs => {
                self.hang();
                usize::MAX
            }
            Fault::Full(room) => room,
            _ => usize::MAX,
        };
        let keeps = match self.now() {
            Fault::Truncates(bytes) => bytes,
            _ => usize::MAX,
        };
        Ok(Box::new(FaultyUpload { inner: self.inner.upload(name)?, room, keeps }))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        if self.now() == Fault::ReadHangs {
            self.hang();
        }
        self.inner.read(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn describe(&self) -> String {
        "a place of the test".to_owned()
    }
}

struct FaultyUpload {
    inner: Box<dyn Upload>,
    room: usize,
    keeps: usize,
}

impl Write for FaultyUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= bytes.len();
        let kept = bytes.len().min(self.keeps);
        self.keeps -= kept;
        self.inner.write_all(&bytes[..kept])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Upload for FaultyUpload {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.inner.finish()
    }
}

#[tokio::test]
async fn c20_a_full_a_refusing_and_a_truncating_place_are_red_at_once_and_green_after_the_next() {
    for (fault, said) in [
        (Fault::Full(5_000), "no storage space"),
        (Fault::Denied, "permission denied"),
        (Fault::Truncates(5_000), "truncated"),
    ] {
        let rig = Rig::new().await;
        let place = Faulty::before(rig.place(), Fault::None);
        let snapshots = rig.snapshots(place.clone(), 3);
        snapshots.look().await.unwrap();
        assert_eq!(told(&snapshots).await["standing"], "current", "{fault:?}");
        let good = rig.names();
        place.set(fault);
        rig.advance(3_600);
        snapshots.look().await.unwrap();
        let red = told(&snapshots).await;
        assert_eq!(red["standing"], "failing", "{fault:?}: {red}");
        assert!(red["message"].as_str().unwrap().contains(said), "{fault:?}: {red}");
        assert_eq!(red["last_good"]["name"].as_str().unwrap(), good[0], "{fault:?}");
        assert!(rig.names().iter().all(|name| !name.ends_with(".partial")), "{fault:?}");
        place.set(Fault::None);
        rig.advance(300);
        snapshots.look().await.unwrap();
        let green = told(&snapshots).await;
        assert_eq!(green["standing"], "current", "{fault:?}: {green}");
    }
}

#[tokio::test]
async fn c20_a_place_that_hangs_is_given_up_and_red_and_the_next_one_runs() {
    for (fault, doing) in [
        (Fault::WriteHangs, "writing it took longer than 3 s"),
        (Fault::ReadHangs, "restoring it on trial took longer than 3 s"),
        (Fault::ListHangs, "listing it took longer than 3 s"),
    ] {
        let rig = Rig::new().await;
        let place = Faulty::before(rig.place(), fault);
        let snapshots = rig.snapshots(place.clone(), 3);
        snapshots.look().await.unwrap();
        let red = told(&snapshots).await;
        assert_eq!(red["standing"], "failing", "{fault:?}");
        assert!(red["message"].as_str().unwrap().contains(doing), "{fault:?}: {red}");
        // Who serves is not held up: the data file takes writes, is sealed and closes at once.
        let began = Instant::now();
        snapshots.save().await.unwrap();
        place.set(Fault::None);
        rig.advance(300);
        snapshots.look().await.unwrap();
        let green = told(&snapshots).await;
        assert_eq!(green["standing"], "current", "{fault:?}: {green}");
        rig.barrier.replace(None);
        rig.store.close().await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(place.hanging.load(Ordering::SeqCst), 1, "{fault:?}: it hangs to this moment");
        place.let_go();
    }
}

#[tokio::test]
async fn c20_however_often_a_place_hangs_few_threads_do() {
    let rig = Rig::new().await;
    let place = Faulty::before(rig.place(), Fault::ListHangs);
    let mut snapshots = rig.snapshots(place.clone(), 3);
    Arc::get_mut(&mut snapshots).unwrap().look_limit = Duration::from_millis(200);
    for _ in 0..8 {
        snapshots.look().await.unwrap();
        rig.advance(3_600);
    }
    assert_eq!(place.hanging.load(Ordering::SeqCst), 4);
    let red = told(&snapshots).await;
    assert!(red["message"].as_str().unwrap().contains("still hang"), "{red}");
    place.let_go();
}

/// Dropping the round gives up what it was writing.
#[tokio::test]
async fn a_stop_waits_for_no_place() {
    let rig = Rig::new().await;
    let place = Faulty::before(rig.place(), Fault::WriteHangs);
    let snapshots = rig.snapshots(place.clone(), 3);
    let keeping = tokio::spawn(snapshots.clone().keep());
    while place.hanging.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    keeping.abort();
    assert!(keeping.await.unwrap_err().is_cancelled());
    rig.store.close().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    place.let_go();
}
