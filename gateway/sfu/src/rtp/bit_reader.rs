//! Bits from the front of a few bytes, most significant first (AV1 specification §4.10).

/// There are fewer bits than wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfBits;

/// Reads bits from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn flag(&mut self) -> Result<bool, OutOfBits> {
        let byte = *self.bytes.get(self.at / 8).ok_or(OutOfBits)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit != 0)
    }

    /// An unsigned number of at most 32 bits: `f(n)`.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, OutOfBits> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// A number below `limit`, in no more bits than it takes: `ns(n)`.
    pub(super) fn below(&mut self, limit: u32) -> Result<u32, OutOfBits> {
        let width = 32 - limit.leading_zeros();
        if width <= 1 {
            return Ok(0);
        }
        let short = (1 << width) - limit;
        let value = self.bits(width - 1)?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1) + u32::from(self.flag()?) - short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_most_significant_bit_first() {
        let mut reader = BitReader::new(&[0b1011_0010, 0b0100_0000]);
        assert_eq!(reader.bits(3), Ok(0b101));
        assert_eq!(reader.flag(), Ok(true));
        assert_eq!(reader.bits(6), Ok(0b00_1001));
        assert_eq!(reader.bits(7), Err(OutOfBits));
    }

    #[test]
    fn numbers_below_a_limit_take_one_bit_less_where_they_can() {
        for (byte, limit, value) in [
            (0b0000_0000, 1, 0),
            (0b1000_0000, 2, 1),
            (0b0000_0000, 5, 0),
            (0b1000_0000, 5, 2),
            (0b1100_0000, 5, 3),
            (0b1110_0000, 5, 4),
        ] {
            assert_eq!(BitReader::new(&[byte]).below(limit), Ok(value), "{byte:08b} below {limit}");
        }
    }
}
