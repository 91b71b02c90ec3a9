//! `loadtest forwarder`: the least that takes a picture by WHIP and gives it to viewers by WHEP. What a server costs
//! beyond it is what its control plane, its feedback and its care for bad networks cost.

mod inbound;
mod outbound;
mod reception;
mod salted_key;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::aead::Aad;
use bytes::Bytes;
use nix::sys::socket::{SockaddrIn, setsockopt, sockopt};
use rtc::dtls::config::HandshakeConfig;
use rtc::stun::attributes::ATTR_USERNAME;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::BINDING_REQUEST;

use self::inbound::Inbound;
use self::outbound::Outbound;
use self::reception::{Command, KINDS, Purpose, Reception};
use self::salted_key::SaltedKey;
use crate::fleet::handshake::{End, Handshake, Identity, MasterKeys, Seals};
use crate::fleet::ice::{parse, response};
use crate::fleet::rtcp::picture_loss;
use crate::fleet::rtp_header::RtpHeader;

/// Datagrams of one call to the kernel, in and out.
const BATCH: usize = 64;

/// Wanted socket buffers, as a gateway would have them.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// What is not driven by packets can wait this long.
const TICK: Duration = Duration::from_millis(100);

/// Between two requests for a key frame.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);

/// A session without checks for so long has ended (RFC 7675 §5.1).
const CONSENT_LIFETIME: Duration = Duration::from_secs(30);

/// Sessions that wait to be let in, which takes no longer than a tick.
const MAX_WAITING: usize = 4_096;

/// Forwards from one publisher to many viewers, and does nothing else: the floor that a server is held against.
///
/// Publish to /whip/N and play from /whep/N, where N is the number of a room. One thread, one port; a packet is opened
/// once and sealed for every viewer (AEAD_AES_128_GCM). No congestion control, no pacing, no packet sent again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A floor for two hundred viewers:
  loadtest forwarder --listen 127.0.0.1:7001 &
  loadtest fleet --whip http://127.0.0.1:7001/whip/{} --whep http://127.0.0.1:7001/whep/{} --viewers 200 --server-pid $!
The other floor, where the kernel cuts the packets of a frame apart:
  loadtest forwarder --listen 127.0.0.1:7002 --gso")]
pub struct Args {
    /// Address and port for HTTP; port 0 lets the system choose. Media take a UDP port of the same address.
    #[arg(long, default_value = "127.0.0.1:7001")]
    listen: SocketAddrV4,
    /// Hand packets of equal length that go to one viewer to the kernel as one (UDP_SEGMENT).
    #[arg(long)]
    gso: bool,
}

/// Runs the command; it ends with an error only.
///
/// # Errors
/// Where a socket cannot be made, or breaks.
#[expect(clippy::print_stdout, reason = "who starts it needs to know the port")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(!args.listen.ip().is_unspecified(), "--listen names an address of this machine");
    let socket = media_socket(*args.listen.ip()).context("make a socket for media")?;
    let identity = Arc::new(Identity::new()?);
    let (commands, inbox) = sync_channel(MAX_WAITING);
    let reception = Reception::new(commands, identity.fingerprint(), socket.local_addr()?);
    let listener = TcpListener::bind(args.listen).with_context(|| format!("listen on {}", args.listen))?;
    println!("listening on http://{}", listener.local_addr()?);
    std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        if let Err(error) = reception.serve(listener) {
            tracing::error!(%error, "no more sessions");
        }
    })?;
    Forwarder::new(socket, identity, inbox, args.gso)?.run()
}

fn media_socket(ip: Ipv4Addr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0))?;
    if setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER);
    }
    if setsockopt(&socket, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER);
    }
    socket.set_read_timeout(Some(TICK))?;
    Ok(socket)
}

/// One end of a session.
struct Peer {
    room: u32,
    purpose: Purpose,
    payload_types: [Option<u8>; KINDS],
    password: String,
    heard: Instant,
    /// Until there are keys.
    handshake: Option<Box<Handshake>>,
}

/// Who publishes in a room.
struct Publisher {
    number: usize,
    address: SocketAddrV4,
    payload_types: [Option<u8>; KINDS],
    opener: SaltedKey,
    seals: Seals,
    /// The newest index (RFC 3711 §3.3.1) and the SSRC, of each kind.
    newest: [Option<(u64, u32)>; KINDS],
    next_key_frame: Instant,
    is_key_frame_wanted: bool,
}

/// Who plays in a room; all that one turn of the loop needs, side by side.
struct Viewer {
    number: usize,
    address: SockaddrIn,
    payload_types: [Option<u8>; KINDS],
    sealer: SaltedKey,
    /// Of the publisher's index when it came, whole cycles: its own begins in the first one.
    before: [u64; KINDS],
}

#[derive(Default)]
struct Room {
    publisher: Option<Publisher>,
    viewers: Vec<Viewer>,
}

/// A packet in the clear, where it was received.
#[derive(Clone, Copy)]
struct Opened {
    room: u32,
    place: usize,
    length: usize,
    header_length: usize,
    kind: usize,
    index: u64,
    ssrc: u32,
}

/// The thread of the media.
struct Forwarder {
    identity: Arc<Identity>,
    config: Arc<HandshakeConfig>,
    commands: Receiver<Command>,
    peers: HashMap<usize, Peer>,
    numbers_by_address: HashMap<SocketAddrV4, usize>,
    rooms: HashMap<u32, Room>,
    inbound: Inbound,
    outbound: Outbound,
    opened: Vec<Opened>,
    replies: Vec<Bytes>,
    next_tick: Instant,
}

impl Forwarder {
    fn new(
        socket: UdpSocket,
        identity: Arc<Identity>,
        commands: Receiver<Command>,
        gso: bool,
    ) -> anyhow::Result<Self> {
        let socket = Arc::new(socket);
        Ok(Self {
            config: identity.for_server()?,
            identity,
            commands,
            peers: HashMap::new(),
            numbers_by_address: HashMap::new(),
            rooms: HashMap::new(),
            inbound: Inbound::new(Arc::clone(&socket)),
            outbound: Outbound::new(socket, gso),
            opened: Vec::with_capacity(BATCH),
            replies: Vec::new(),
            next_tick: Instant::now(),
        })
    }

    fn run(mut self) -> anyhow::Result<()> {
        loop {
            let received = self.inbound.receive()?;
            let now = Instant::now();
            self.take_commands(now)?;
            for place in 0..received {
                self.handle_datagram(now, place);
            }
            self.forward();
            if now >= self.next_tick {
                self.next_tick = now + TICK;
                self.tick(now);
            }
        }
    }

    fn take_commands(&mut self, now: Instant) -> anyhow::Result<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Admit { number, room, purpose, password, payload_types }) => {
                    let handshake = Some(Box::new(Handshake::await_client(Arc::clone(&self.config))));
                    let peer = Peer { room, purpose, payload_types, password, heard: now, handshake };
                    self.peers.insert(number, peer);
                }
                Ok(Command::Remove(number)) => self.remove(number),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => bail!("the thread for HTTP has ended"),
            }
        }
    }

    fn remove(&mut self, number: usize) {
        let Some(peer) = self.peers.remove(&number) else { return };
        self.numbers_by_address.retain(|_, other| *other != number);
        let Some(room) = self.rooms.get_mut(&peer.room) else { return };
        room.viewers.retain(|viewer| viewer.number != number);
        room.publisher.take_if(|publisher| publisher.number == number);
        if room.viewers.is_empty() && room.publisher.is_none() {
            self.rooms.remove(&peer.room);
        }
    }

    /// RFC 7983. What viewers report is left alone.
    fn handle_datagram(&mut self, now: Instant, place: usize) {
        let Some((datagram, from)) = self.inbound.datagram(place) else { return };
        match *datagram {
            [128..=191, kind, ..] if !(192..=223).contains(&kind) => {
                let Some(number) = self.numbers_by_address.get(&from) else { return };
                let Some(peer) = self.peers.get(number) else { return };
                let publisher = self.rooms.get_mut(&peer.room).and_then(|room| room.publisher.as_mut());
                let Some(publisher) = publisher.filter(|publisher| publisher.number == *number) else {
                    return;
                };
                self.opened.extend(publisher.open(datagram, peer.room, place));
            }
            [0..=3, ..] => self.handle_check(now, place),
            [20..=63, ..] => self.handle_dtls(now, place),
            _ => {}
        }
    }

    fn handle_check(&mut self, now: Instant, place: usize) {
        let Some((datagram, from)) = self.inbound.datagram(place) else { return };
        let Some(mut message) = parse(datagram).filter(|message| message.typ == BINDING_REQUEST) else {
            return;
        };
        let username = message.get(ATTR_USERNAME).unwrap_or_default();
        let local = username.split(|byte| *byte == b':').next().and_then(|name| name.strip_prefix(b"peer"));
        let number: Option<usize> = local.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        let Some((number, peer)) = number.and_then(|number| Some((number, self.peers.get_mut(&number)?)))
        else {
            return;
        };
        let crypto = self.identity.crypto();
        if MessageIntegrity::check(&mut message, peer.password.as_bytes(), crypto).is_err() {
            return;
        }
        peer.heard = now;
        self.numbers_by_address.insert(from, number);
        if let Some(answer) = response(message.transaction_id, from.into(), &peer.password, crypto) {
            self.outbound.send_one(&answer, from);
        }
    }

    fn handle_dtls(&mut self, now: Instant, place: usize) {
        let Some((datagram, from)) = self.inbound.datagram(place) else { return };
        let Some(&number) = self.numbers_by_address.get(&from) else { return };
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let Some(handshake) = &mut peer.handshake else { return };
        // One that fails is repeated by the client, or given up.
        let keys = handshake.handle_datagram(now, datagram, &mut self.replies).ok().flatten();
        for reply in self.replies.drain(..) {
            self.outbound.send_one(&reply, from);
        }
        if let Some(keys) = keys {
            peer.handshake = None;
            if let Err(error) = self.open(now, number, from, &keys) {
                tracing::warn!(%error, "a session has no keys");
            }
        }
    }

    /// The path of a peer is open.
    fn open(
        &mut self,
        now: Instant,
        number: usize,
        address: SocketAddrV4,
        keys: &MasterKeys,
    ) -> anyhow::Result<()> {
        let peer = self.peers.get(&number).context("it has just ended")?;
        let (room, payload_types) = (self.rooms.entry(peer.room).or_default(), peer.payload_types);
        if peer.purpose == Purpose::Play {
            let before = room.publisher.as_mut().map_or([0; KINDS], |publisher| {
                publisher.is_key_frame_wanted = true;
                publisher.newest.map(|newest| newest.map_or(0, |(index, _)| index & !0xFFFF))
            });
            let sealer = SaltedKey::derive(&keys.server)?;
            room.viewers.push(Viewer { number, address: address.into(), payload_types, sealer, before });
            return Ok(());
        }
        room.viewers.iter_mut().for_each(|viewer| viewer.before = [0; KINDS]);
        room.publisher = Some(Publisher {
            number,
            address,
            payload_types,
            opener: SaltedKey::derive(&keys.client)?,
            seals: keys.seals(End::Server, self.identity.crypto())?,
            newest: [None; KINDS],
            next_key_frame: now,
            is_key_frame_wanted: false,
        });
        Ok(())
    }

    /// Seals what was opened for every viewer of its room: packets of one room and one length, one viewer after another.
    fn forward(&mut self) {
        self.opened.sort_unstable_by_key(|packet| (packet.room, packet.place));
        for run in self.opened.chunk_by(|a, b| (a.room, a.length) == (b.room, b.length)) {
            let Some(room) = run.first().and_then(|packet| self.rooms.get(&packet.room)) else { continue };
            for viewer in &room.viewers {
                for packet in run {
                    let plain = self.inbound.plain(packet);
                    self.outbound.seal(plain, packet, viewer);
                }
            }
        }
        self.opened.clear();
        self.outbound.flush();
    }

    /// Repeats flights, asks for key frames, and forgets who has gone.
    fn tick(&mut self, now: Instant) {
        for (address, number) in &self.numbers_by_address {
            let handshake = self.peers.get_mut(number).and_then(|peer| peer.handshake.as_mut());
            if handshake.is_some_and(|handshake| handshake.handle_timeout(now, &mut self.replies).is_ok()) {
                self.replies.drain(..).for_each(|reply| self.outbound.send_one(&reply, *address));
            }
        }
        for publisher in self.rooms.values_mut().filter_map(|room| room.publisher.as_mut()) {
            if let Some(request) = publisher.key_frame_request(now) {
                self.outbound.send_one(&request, publisher.address);
            }
        }
        let is_gone = |peer: &Peer| now.saturating_duration_since(peer.heard) > CONSENT_LIFETIME;
        let gone: Vec<_> = self.peers.iter().filter(|(_, peer)| is_gone(peer)).map(|(at, _)| *at).collect();
        gone.into_iter().for_each(|number| self.remove(number));
    }
}

impl Publisher {
    /// Opens a packet where it lies.
    fn open(&mut self, datagram: &mut [u8], room: u32, place: usize) -> Option<Opened> {
        let RtpHeader { payload_type, sequence, ssrc, .. } = RtpHeader::parse(datagram)?;
        let kind = self.payload_types.iter().position(|known| *known == Some(payload_type))?;
        let header_length = header_length(datagram)?;
        let newest = self.newest[kind].filter(|(_, of)| *of == ssrc).map(|(index, _)| index);
        let index = newest.map_or(Some(u64::from(sequence)), |newest| {
            let ahead = sequence.wrapping_sub(newest as u16) as i16;
            newest.checked_add_signed(i64::from(ahead))
        })?;
        let (header, sealed) = datagram.split_at_mut_checked(header_length)?;
        let nonce = self.opener.nonce(ssrc, index);
        let plain = self.opener.key.open_in_place(nonce, Aad::from(&*header), sealed).ok()?;
        let length = header_length + plain.len();
        self.newest[kind] = Some((newest.unwrap_or(0).max(index), ssrc));
        Some(Opened { room, place, length, header_length, kind, index, ssrc })
    }

    fn key_frame_request(&mut self, now: Instant) -> Option<Bytes> {
        let (_, ssrc) = self.newest[0].filter(|_| self.is_key_frame_wanted && now >= self.next_key_frame)?;
        self.next_key_frame = now + KEY_FRAME_INTERVAL;
        self.is_key_frame_wanted = false;
        self.seals.sealer.encrypt_rtcp(&picture_loss(1, ssrc)).ok().map(|sealed| sealed.freeze())
    }
}

/// With contributing sources and extensions (RFC 3550 §5.1, §5.3.1).
fn header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let fixed = 12 + 4 * usize::from(first & 0x0F);
    if first & 0x10 == 0 {
        return Some(fixed);
    }
    let words = *packet.get(fixed + 2..)?.first_chunk()?;
    Some(fixed + 4 + 4 * usize::from(u16::from_be_bytes(words)))
}
