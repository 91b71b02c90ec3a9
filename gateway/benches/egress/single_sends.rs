//! The usual way to forward, to compare with: for every packet and subscriber a fresh copy, a rewritten
//! header, a seal by the same cipher library, and a `sendmsg`. It has no pacer, no congestion control and no history.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rtc_shared::marshal::Marshal;
use socket2::{Domain, MsgHdr, SockAddr, Socket, Type};

use crate::film::{Film, PAYLOAD};
use crate::processor_time::processor_time;
use crate::wire::{MID_ID, set_extension};

/// A fixed header, a mid and a transport-wide number: what the media plane writes, too.
const HEADER: usize = 24;

const TAG: usize = 16;

/// Packets at hand; no burst is longer.
const PACKETS: usize = 8;

struct Leg {
    address: SockAddr,
    key: LessSafeKey,
    salt: [u8; NONCE_LEN],
    ssrc: u32,
    timestamp_offset: u32,
    index: u64,
    transport_sequence: u16,
}

pub(crate) struct SingleSends {
    socket: Socket,
    packets: Vec<Vec<u8>>,
    legs: Vec<Leg>,
}

impl SingleSends {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port on loopback");
        let mut film = Film::new();
        let plain = |_| {
            let mut packet = film.next();
            set_extension(&mut packet, MID_ID, "0");
            let plain = packet.marshal().expect("a packet can be written").to_vec();
            assert_eq!(plain.len(), HEADER + PAYLOAD, "headers are as long as the media plane's");
            plain
        };
        Self {
            socket,
            packets: (0..PACKETS).map(plain).collect(),
            legs: addresses.into_iter().zip(1..).map(Leg::new).collect(),
        }
    }

    pub(crate) fn datagram_size(&self) -> usize {
        HEADER + PAYLOAD + TAG
    }

    /// Forwards so many packets to everybody, and gives the processor time.
    pub(crate) fn send(&mut self, burst: usize) -> Duration {
        processor_time(|| {
            for packet in &self.packets[..burst] {
                for leg in &mut self.legs {
                    let datagram = leg.seal(packet);
                    let contents = [IoSlice::new(&datagram)];
                    let message = MsgHdr::new().with_addr(&leg.address).with_buffers(&contents);
                    self.socket.sendmsg(&message, 0).expect("loopback takes a datagram");
                }
            }
        })
    }

    /// Opens a datagram of that subscriber.
    pub(crate) fn open(&self, subscriber: usize, mut datagram: Vec<u8>) {
        let leg = &self.legs[subscriber];
        let (header, sealed) = datagram.split_at_mut(HEADER);
        let index = u64::from(u16::from_be_bytes([header[2], header[3]]));
        let nonce = leg.nonce(index);
        leg.key.open_in_place(nonce, Aad::from(&*header), sealed).expect("a single send opens");
    }
}

impl Leg {
    fn new((address, number): (SocketAddr, u8)) -> Self {
        let key = UnboundKey::new(&AES_128_GCM, &[number; 16]).expect("a key of the right size");
        Self {
            address: address.into(),
            key: LessSafeKey::new(key),
            salt: [number; NONCE_LEN],
            ssrc: u32::from(number),
            timestamp_offset: 1_000 * u32::from(number),
            index: 0,
            transport_sequence: 0,
        }
    }

    fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        self.index += 1;
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let mut out = Vec::with_capacity(packet.len() + TAG);
        out.extend_from_slice(packet);
        let timestamp = u32::from_be_bytes([out[4], out[5], out[6], out[7]]);
        out[2..4].copy_from_slice(&(self.index as u16).to_be_bytes());
        out[4..8].copy_from_slice(&timestamp.wrapping_add(self.timestamp_offset).to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out[17..19].copy_from_slice(&self.transport_sequence.to_be_bytes());
        let (header, payload) = out.split_at_mut(HEADER);
        let nonce = self.nonce(self.index);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        out.extend_from_slice(tag.expect("a packet can be sealed").as_ref());
        out
    }

    /// RFC 7714 §8.1.
    fn nonce(&self, index: u64) -> Nonce {
        let [_, _, low_index @ ..] = index.to_be_bytes();
        let mut nonce = self.salt;
        for (byte, mask) in nonce[2..].iter_mut().zip(self.ssrc.to_be_bytes().into_iter().chain(low_index)) {
            *byte ^= mask;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}
