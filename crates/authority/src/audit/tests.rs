//! Claims about devices that hang, fail and move.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::device::{DEADLINE, Device, DeviceError};
use super::sink::Sink;
use crate::options::Audit;

/// Takes nothing until it is let.
struct Hanging(Receiver<()>);

impl Write for Hanging {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.recv().map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hanging() -> (Device, Sender<()>) {
    let (let_it, wait) = channel();
    (Device::new(Sink::Custom(Box::new(Hanging(wait)))).unwrap(), let_it)
}

#[tokio::test]
async fn v12_lines_that_a_hanging_device_does_not_take_are_refused_in_time_and_taken_afterwards() {
    let (device, let_it) = hanging();
    let began = Instant::now();
    assert!(matches!(device.append(b"one\n".to_vec()).await, Err(DeviceError::Hangs)));
    assert!(began.elapsed() < 10 * DEADLINE, "{:?}", began.elapsed());
    // The write itself began a little later: this one may still wait.
    assert!(matches!(device.append(b"late\n".to_vec()).await, Err(DeviceError::Hangs)));
    let again = Instant::now();
    assert!(matches!(device.append(b"two\n".to_vec()).await, Err(DeviceError::Hangs)));
    assert!(again.elapsed() < DEADLINE / 2, "who comes later is refused at once");
    for _ in 0..10 {
        let_it.send(()).unwrap();
    }
    // It waits for what was queued before it.
    device.reopen().await.unwrap();
    device.append(b"three\n".to_vec()).await.unwrap();
}

#[tokio::test]
async fn v12_what_waits_is_bounded() {
    let (device, _hold) = hanging();
    let mut many: Vec<_> = (0..3000).map(|_| Box::pin(device.append(b"line\n".to_vec()))).collect();
    let (mut waiting, mut refused) = (0, 0);
    for one in &mut many {
        match futures::poll!(one) {
            std::task::Poll::Pending => waiting += 1,
            std::task::Poll::Ready(result) => refused += usize::from(result.is_err()),
        }
    }
    // The queue, and what its thread has taken out of it.
    assert!(waiting <= 1024 + 64 && waiting + refused == 3000, "{waiting} wait, {refused} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v13_a_log_that_was_moved_away_goes_on_in_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (log, moved) = (folder.path().join("audit.log"), folder.path().join("audit.log.1"));
    let device = Device::new(Sink::open(&Audit::File(log.clone())).unwrap()).unwrap();
    device.append(b"one\n".to_vec()).await.unwrap();
    std::fs::rename(&log, &moved).unwrap();
    device.append(b"two\n".to_vec()).await.unwrap();
    device.reopen().await.unwrap();
    device.append(b"three\n".to_vec()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "three\n");
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(device.reopen().await.is_err(), "nowhere to make it");
    device.append(b"four\n".to_vec()).await.unwrap();
}

/// Blocks that a file holds, in bytes.
#[cfg(unix)]
fn held(path: &std::path::Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path).unwrap()) * 512
}

/// V1: what fills the disk does not keep requests from being noted for a while.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn v01_a_log_has_disk_space_of_its_own_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let device = Device::new(Sink::open(&Audit::File(log.clone())).unwrap()).unwrap();
    device.append(b"one\n".to_vec()).await.unwrap();
    assert!(held(&log) >= 8 << 20, "{} bytes are set aside", held(&log));
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 4);
    let moved = folder.path().join("audit.log.1");
    std::fs::rename(&log, &moved).unwrap();
    device.reopen().await.unwrap();
    assert!(held(&moved) < 1 << 20, "{} bytes are still set aside", held(&moved));
    assert!(held(&log) >= 8 << 20);
}
