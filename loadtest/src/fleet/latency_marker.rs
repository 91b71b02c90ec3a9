//! The mark in a payload that says when its packet left. It is looked for, not expected at a place: a server may
//! rewrite the payload descriptor in front of it.

use super::clock::Moment;

/// What no picture says by accident.
const MAGIC: [u8; 8] = *b"sent-at:";

/// Length of a mark.
pub(crate) const LENGTH: usize = MAGIC.len() + size_of::<u64>();

/// How far into a packet a mark may begin: header with extensions, payload descriptor, and the header of a key frame.
const REACH: usize = 256;

/// The mark of a packet that leaves now.
pub(crate) fn mark(now: Moment) -> [u8; LENGTH] {
    let mut mark = [0; LENGTH];
    mark[..MAGIC.len()].copy_from_slice(&MAGIC);
    mark[MAGIC.len()..].copy_from_slice(&now.nanos.to_be_bytes());
    mark
}

/// How many microseconds a packet in the clear was on its way; `None` where it bears no mark.
pub(crate) fn latency_us(packet: &[u8], now: Moment) -> Option<u64> {
    let near = packet.get(..packet.len().min(REACH))?;
    let at = near.windows(MAGIC.len()).position(|window| window == MAGIC)?;
    let sent: [u8; 8] = *packet.get(at + MAGIC.len()..)?.first_chunk()?;
    Some(now.nanos.saturating_sub(u64::from_be_bytes(sent)) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::super::clock::fake::Clock;
    use super::*;

    #[test]
    fn a_mark_is_found_behind_any_header() {
        let clock = Clock::new();
        for header in [0, 12, 40, 200] {
            let mut packet = vec![1; header];
            packet.extend(mark(clock.after(5)));
            packet.extend([0; 900]);
            assert_eq!(latency_us(&packet, clock.after(12)), Some(7_000), "{header}");
        }
    }

    #[test]
    fn what_bears_no_mark_tells_nothing() {
        let now = Clock::new().after(1);
        let mut cut = MAGIC.to_vec();
        cut.extend([0; 7]);
        for packet in [&[][..], &[0; 1_200], &cut] {
            assert_eq!(latency_us(packet, now), None);
        }
        assert_eq!(latency_us(&mark(Clock::new().after(9)), now), Some(0), "a clock that went back");
    }
}
