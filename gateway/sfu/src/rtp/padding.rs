//! RTP padding (RFC 3550 §5.1): a byte to make neighbours in a burst equal, or a packet of nothing else to probe.

/// The most that one packet can be padded by.
pub(crate) const MAX_PADDING: u8 = u8::MAX;

/// Pads the packet that starts at `start` and ends the buffer by `count` bytes. It must not be padded yet.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize, count: u8) {
    if count == 0 {
        return;
    }
    if let Some(first) = out.get_mut(start) {
        debug_assert!(*first & 0x20 == 0, "the packet is padded already");
        *first |= 0x20;
        out.resize(out.len() + usize::from(count) - 1, 0);
        out.push(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::header::RtpHeader;

    #[test]
    fn padding_is_seen_as_padding() {
        for count in [1, 2, 200, MAX_PADDING] {
            let mut out = vec![0xEE; 3];
            out.extend([0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, b'x']);
            pad(&mut out, 3, count);
            let header = RtpHeader::parse(&out[3..]).expect("well formed");
            assert_eq!((header.payload(), out.len()), (&b"x"[..], 3 + 13 + usize::from(count)));
        }
    }

    #[test]
    fn no_padding_changes_nothing() {
        let mut out = vec![0x80, 96];
        pad(&mut out, 0, 0);
        assert_eq!(out, [0x80, 96]);
    }
}
