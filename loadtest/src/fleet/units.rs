//! Times and rates as one says them on a command line.

use std::time::Duration;

/// Reads `20s`, `500ms` or `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time such as 20s, 500ms or 2m".to_owned();
    let (number, unit) = text.split_at(text.find(|letter: char| letter.is_alphabetic()).ok_or_else(wrong)?);
    let scale = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| wrong())
}

/// Reads `1500k`, `1.5M` or a number of bits per second.
pub(super) fn bitrate(text: &str) -> Result<u64, String> {
    let wrong = || "not a rate such as 1500k or 1.5M".to_owned();
    let (number, scale) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |number| (number, 1e6)),
    };
    let bits = number.parse::<f64>().map_err(|_| wrong())? * scale;
    if (1.0..=1e9).contains(&bits) { Ok(bits as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_by_example() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(["", "20", "s", "-1s", "1h", "NaNs", "1es"].iter().all(|text| duration(text).is_err()));
        assert_eq!(bitrate("1500k"), Ok(1_500_000));
        assert_eq!(bitrate("1.5M"), Ok(1_500_000));
        assert_eq!(bitrate("64000"), Ok(64_000));
        assert!(["", "k", "-1k", "0", "inf", "9999M"].iter().all(|text| bitrate(text).is_err()));
    }
}
