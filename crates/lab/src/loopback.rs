//! Where what a run serves is reached: on this machine alone.

use std::net::{Ipv4Addr, SocketAddr};

/// The address of `port` on this machine; 0 takes a free one.
pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
