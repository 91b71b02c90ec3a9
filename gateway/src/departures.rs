//! Datagrams for many destinations in one system call (`sendmmsg`): what is left to save where a packet goes to
//! everybody at once, and nobody gets two of them.

use std::io;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, sendmmsg,
};

/// Datagrams of one call: beyond that the call itself is a small part of the cost.
pub(crate) const MOST_AT_ONCE: usize = 64;

/// A datagram that leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure<'a> {
    pub(crate) destination: SocketAddr,
    pub(crate) contents: &'a [u8],
}

/// Memory that the calls of one thread use again and again.
pub(crate) struct Departures {
    v4: Headers<SockaddrIn>,
    v6: Headers<SockaddrIn6>,
}

struct Headers<S> {
    plain: MultiHeaders<S>,
    /// For datagrams that leave from an address of choice.
    sourced: MultiHeaders<S>,
}

impl Departures {
    pub(crate) fn new() -> Self {
        Self {
            v4: Headers {
                plain: MultiHeaders::preallocate(MOST_AT_ONCE, None),
                sourced: MultiHeaders::preallocate(MOST_AT_ONCE, Some(cmsg_space!(in_pktinfo))),
            },
            v6: Headers {
                plain: MultiHeaders::preallocate(MOST_AT_ONCE, None),
                sourced: MultiHeaders::preallocate(MOST_AT_ONCE, Some(cmsg_space!(in6_pktinfo))),
            },
        }
    }

    /// Sends up to [`MOST_AT_ONCE`] datagrams of one address family from one address; how many of them the kernel took.
    ///
    /// # Errors
    ///
    /// Why it took not even the first.
    pub(crate) fn send(
        &mut self,
        socket: RawFd,
        source: Option<IpAddr>,
        datagrams: &[Departure<'_>],
    ) -> io::Result<usize> {
        match (datagrams.first().map(|first| first.destination), source) {
            (None, _) => Ok(0),
            (Some(SocketAddr::V4(_)), Some(IpAddr::V4(address))) => {
                let from = in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
                    ipi_addr: in_addr { s_addr: 0 },
                };
                let from = [ControlMessage::Ipv4PacketInfo(&from)];
                transmit(socket, &mut self.v4.sourced, datagrams, to_v4, &from)
            }
            (Some(SocketAddr::V4(_)), _) => transmit(socket, &mut self.v4.plain, datagrams, to_v4, &[]),
            (Some(SocketAddr::V6(_)), Some(IpAddr::V6(address))) => {
                let from = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: 0 };
                let from = [ControlMessage::Ipv6PacketInfo(&from)];
                transmit(socket, &mut self.v6.sourced, datagrams, to_v6, &from)
            }
            (Some(SocketAddr::V6(_)), _) => transmit(socket, &mut self.v6.plain, datagrams, to_v6, &[]),
        }
    }
}

fn transmit<S: SockaddrLike + Copy>(
    socket: RawFd,
    headers: &mut MultiHeaders<S>,
    datagrams: &[Departure<'_>],
    address: fn(SocketAddr) -> Option<S>,
    control: &[ControlMessage<'_>],
) -> io::Result<usize> {
    let at = |place: usize| datagrams.get(place);
    let contents: [[IoSlice<'_>; 1]; MOST_AT_ONCE] =
        std::array::from_fn(|place| [IoSlice::new(at(place).map_or(&[], |datagram| datagram.contents))]);
    let addresses: [Option<S>; MOST_AT_ONCE] =
        std::array::from_fn(|place| at(place).and_then(|datagram| address(datagram.destination)));
    let count = datagrams.len().min(MOST_AT_ONCE);
    let sent =
        sendmmsg(socket, headers, &contents[..count], &addresses[..count], control, MsgFlags::MSG_DONTWAIT)?;
    Ok(sent.count())
}

fn to_v4(address: SocketAddr) -> Option<SockaddrIn> {
    match address {
        SocketAddr::V4(address) => Some(SockaddrIn::from(SocketAddrV4::new(*address.ip(), address.port()))),
        SocketAddr::V6(_) => None,
    }
}

fn to_v6(address: SocketAddr) -> Option<SockaddrIn6> {
    match address {
        SocketAddr::V6(address) => {
            let (port, flow, scope) = (address.port(), address.flowinfo(), address.scope_id());
            Some(SockaddrIn6::from(SocketAddrV6::new(*address.ip(), port, flow, scope)))
        }
        SocketAddr::V4(_) => None,
    }
}
