//! A rate limit per address: per IPv4 address or IPv6 /64, which is what one customer gets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use crate::limits::MAX_LIMITED_ADDRESSES;
use crate::token_bucket::{Rate, TokenBucket};

/// A rate limit per address, in a bounded table.
#[derive(Debug)]
pub(crate) struct AddressLimiter {
    rate: Rate,
    capacity: usize,
    bucket_by_address: HashMap<IpAddr, TokenBucket>,
}

impl AddressLimiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, capacity: MAX_LIMITED_ADDRESSES, bucket_by_address: HashMap::new() }
    }

    /// Whether the address may do it once more.
    pub(crate) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = limited_address(address);
        if !self.bucket_by_address.contains_key(&address) && self.bucket_by_address.len() >= self.capacity {
            self.make_room(now);
        }
        let rate = self.rate;
        self.bucket_by_address.entry(address).or_insert_with(|| TokenBucket::full(rate, now)).take(rate, now)
    }

    fn make_room(&mut self, now: Instant) {
        let rate = self.rate;
        self.bucket_by_address.retain(|_, bucket| !bucket.is_full(rate, now));
        // A tenth at once, so that a flood of addresses does not pay for a walk each.
        let excess = (self.bucket_by_address.len() + self.capacity / 10).saturating_sub(self.capacity - 1);
        let forgotten: Vec<_> = self.bucket_by_address.keys().take(excess).copied().collect();
        for address in forgotten {
            self.bucket_by_address.remove(&address);
        }
    }
}

/// The address that a limit counts: IPv4 as such, also where it is mapped, and IPv6 by its /64.
pub(crate) fn limited_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::{RESOURCE_REQUEST_BURST, RESOURCE_REQUEST_RATE};

    const RATE: Rate = Rate { per_second: 1.0, burst: 2.0 };

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (mut limiter, start) = (AddressLimiter::new(RATE), Instant::now());
        let table =
            [(0, true), (0, true), (0, false), (999, false), (1_000, true), (1_500, false), (9_000, true)];
        for (millis, granted) in table {
            let now = start + Duration::from_millis(millis);
            assert_eq!(limiter.take(address("192.0.2.1"), now), granted, "{millis}");
        }
        assert!(limiter.take(address("192.0.2.2"), start), "another address has its own");
    }

    /// Two thousand begin to watch within a minute, each with three candidates, and half of them end in the same moment.
    #[test]
    fn a_lecture_hall_behind_one_address_gets_in() {
        let rate = Rate { per_second: RESOURCE_REQUEST_RATE, burst: RESOURCE_REQUEST_BURST };
        let (mut limiter, start) = (AddressLimiter::new(rate), Instant::now());
        for viewer in 0..2_000 {
            let now = start + viewer * Duration::from_millis(30);
            assert!((0..4).all(|_| limiter.take(address("192.0.2.1"), now)), "viewer {viewer}");
        }
        let end = start + Duration::from_secs(70);
        assert!((0..1_000).all(|_| limiter.take(address("192.0.2.1"), end)), "all of them end");
        assert!(!limiter.take(address("192.0.2.1"), end), "a limit all the same");
    }

    #[test]
    fn one_customer_is_one_address() {
        let table = [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ];
        for (one, other, same) in table {
            let equal = limited_address(address(one)) == limited_address(address(other));
            assert_eq!(equal, same, "{one} {other}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut limiter, now) = (AddressLimiter::new(RATE), Instant::now());
        limiter.capacity = 100;
        for host in 0..1_000_u32 {
            limiter.take(IpAddr::V4(host.into()), now);
            assert!(limiter.bucket_by_address.len() <= limiter.capacity);
        }
    }
}
