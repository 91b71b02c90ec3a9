//! Durations as people write them in a configuration file: `800ms`, `30s`, `5m`, `2h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds of every unit, the largest first so that printing picks the shortest form.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration that reads and prints itself with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct HumanDuration(pub Duration);

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as \"800ms\", \"30s\", \"2h\" or \"7d\"")]
pub struct ParseDurationError(String);

impl FromStr for HumanDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let refused = || ParseDurationError(text.to_owned());
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(refused)?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let number: u64 = number.parse().map_err(|_| refused())?;
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or_else(refused)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| millis >= u128::from(*size) && millis.is_multiple_of(u128::from(*size)))
            .unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / u128::from(size))
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_its_shortest_form() {
        for (text, shortest) in [
            ("0ms", "0ms"),
            ("800ms", "800ms"),
            ("1500ms", "1500ms"),
            ("60s", "1m"),
            ("7200s", "2h"),
            ("90s", "90s"),
            ("168h", "7d"),
        ] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.to_string(), shortest, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_duration_is_refused() {
        for text in
            ["", "5", "s", "-5s", "1.5s", "5 s", "5w", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(text.parse::<HumanDuration>().is_err(), "{text:?}");
        }
    }
}
