//! Which protocol a datagram speaks, by its first byte (RFC 7983 §7), and RTCP among RTP (RFC 5761 §4).

/// A protocol that shares the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Protocol {
    /// The protocol of a datagram; `None` for an empty one and for what the gateway does not speak.
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        match *datagram.first()? {
            0..=3 => Some(Self::Stun),
            20..=63 => Some(Self::Dtls),
            128..=191 => match *datagram.get(1)? {
                192..=223 => Some(Self::Rtcp),
                _ => Some(Self::Rtp),
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (datagram, protocol) in [
            (&[][..], None),
            (&[0, 1], Some(Protocol::Stun)),
            (&[4], None),
            (&[22, 254], Some(Protocol::Dtls)),
            (&[64], None),
            (&[128], None),
            (&[0x90, 96], Some(Protocol::Rtp)),
            (&[0x80, 200], Some(Protocol::Rtcp)),
            (&[0x80, 0x80 | 96], Some(Protocol::Rtp)),
            (&[192, 1], None),
        ] {
            assert_eq!(Protocol::of(datagram), protocol, "{datagram:?}");
        }
    }
}
