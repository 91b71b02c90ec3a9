//! Durations in configuration: a whole number with a unit, such as `500ms`, `30s`, `5m`, `24h`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

fn format(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, size) =
        UNITS.iter().rev().find(|(_, size)| millis != 0 && millis.is_multiple_of(*size)).unwrap_or(&UNITS[1]);
    format!("{}{unit}", millis / size)
}

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is no duration such as \"24h\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_duration_convert() {
        let table = [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("0s", 0)];
        for (text, millis) in table {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(parse(&format(Duration::from_millis(millis))), parse(text), "{text}");
        }
        for text in
            ["", "5", "s", "5 s", "-5s", "1.5s", "5weeks", "99999999999999999999d", "9999999999999999d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
