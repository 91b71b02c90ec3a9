//! Rates and sizes with their units in the type. Arithmetic saturates: a rate below nothing is nothing.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub, SubAssign};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A rate in bits per second.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct Bitrate(u64);

impl Bitrate {
    /// No bits at all.
    pub const ZERO: Self = Self(0);
    /// Beyond every link.
    pub const MAX: Self = Self(u64::MAX);

    /// From bits per second.
    #[must_use]
    pub const fn bps(bps: u64) -> Self {
        Self(bps)
    }

    /// From thousands of bits per second.
    #[must_use]
    pub const fn kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1_000))
    }

    /// From millions of bits per second.
    #[must_use]
    pub const fn mbps(mbps: u64) -> Self {
        Self(mbps.saturating_mul(1_000_000))
    }

    /// As bits per second.
    #[must_use]
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// As thousands of bits per second, rounded down.
    #[must_use]
    pub const fn as_kbps(self) -> u64 {
        self.0 / 1_000
    }

    /// Multiplied by a factor; a factor that is negative or not a number gives zero.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        // `as` saturates, and maps NaN to zero.
        Self((self.0 as f64 * factor) as u64)
    }

    /// This rate as a share of another; zero where the other is zero.
    #[must_use]
    pub fn ratio_of(self, whole: Self) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 / whole.0 as f64 }
    }
}

impl Add for Bitrate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bitrate {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Add::add)
    }
}

/// What a rate carries in a time.
impl Mul<Duration> for Bitrate {
    type Output = DataSize;

    fn mul(self, time: Duration) -> DataSize {
        let bits = u128::from(self.0) * time.as_nanos() / 1_000_000_000;
        DataSize(u64::try_from(bits / 8).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{}bps", self.0),
            1_000..1_000_000 => write!(f, "{:.1}kbps", self.0 as f64 / 1e3),
            1_000_000.. => write!(f, "{:.2}Mbps", self.0 as f64 / 1e6),
        }
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// As bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// As bits.
    #[must_use]
    pub const fn as_bits(self) -> u64 {
        self.0.saturating_mul(8)
    }

    /// The rate that carries this size in `time`; [`Bitrate::MAX`] where no time passed.
    #[must_use]
    pub fn per(self, time: Duration) -> Bitrate {
        if time.is_zero() {
            return Bitrate::MAX;
        }
        let bps = u128::from(self.0) * 8 * 1_000_000_000 / time.as_nanos();
        Bitrate(u64::try_from(bps).unwrap_or(u64::MAX))
    }
}

impl Add for DataSize {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for DataSize {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for DataSize {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for DataSize {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for DataSize {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

/// The time a rate needs for a size; [`Duration::MAX`] at no rate.
impl Div<Bitrate> for DataSize {
    type Output = Duration;

    fn div(self, rate: Bitrate) -> Duration {
        if rate.0 == 0 {
            return Duration::MAX;
        }
        let nanos = u128::from(self.0) * 8 * 1_000_000_000 / u128::from(rate.0);
        u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
    }
}

impl fmt::Debug for DataSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_size_convert_through_time() {
        assert_eq!(Bitrate::kbps(800) * Duration::from_millis(10), DataSize::bytes(1_000));
        assert_eq!(DataSize::bytes(1_000).per(Duration::from_millis(10)), Bitrate::kbps(800));
        assert_eq!(DataSize::bytes(1_000) / Bitrate::kbps(800), Duration::from_millis(10));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Bitrate::kbps(1) - Bitrate::kbps(2), Bitrate::ZERO);
        assert_eq!(Bitrate::MAX + Bitrate::bps(1), Bitrate::MAX);
        assert_eq!(DataSize::bytes(1) / Bitrate::ZERO, Duration::MAX);
        assert_eq!(DataSize::bytes(1).per(Duration::ZERO), Bitrate::MAX);
        assert_eq!(Bitrate::kbps(1).scaled(f64::NAN), Bitrate::ZERO);
    }
}
