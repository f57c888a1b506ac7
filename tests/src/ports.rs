//! Ports for servers whose address is told before they listen. Between the choice and the server's own bind anybody
//! may take one, above all the kernel: for outgoing connections and for `bind` to port 0. These are from below the
//! range that it takes from (`ip_local_port_range`, 32768 and up unless somebody changed it), and each is chosen once
//! in a process. It is only bound meanwhile, not listened on: a child that another thread starts at this instant holds
//! a copy until it runs its program, and a copy that listens would keep the port from its server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpSocket;

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// How many were looked at.
static LOOKED_AT: AtomicU32 = AtomicU32::new(0);

/// A loopback port that nobody listens on.
pub(crate) fn free() -> std::io::Result<u16> {
    // Processes that run side by side begin at different places.
    let own = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + own.wrapping_add(step) % COUNT;
        let Ok(port) = u16::try_from(port) else { continue };
        match bind(port) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::ErrorKind::AddrInUse.into())
}

/// An error where somebody listens on it.
fn bind(port: u16) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_chosen_once_and_never_one_that_is_listened_on() {
        let first = free().unwrap();
        let second = free().unwrap();
        assert_ne!(first, second);
        let _copy = bind(first).unwrap();
        let taken = TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert_eq!(bind(first).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        drop(taken);
    }
}
