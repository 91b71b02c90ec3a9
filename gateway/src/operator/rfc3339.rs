//! Instants as the interface of the operator writes them (RFC 3339), to and from milliseconds since 1970.

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Writes an instant in UTC, such as `2026-03-01T09:05:00.000Z`.
pub(crate) fn written(unix_ms: i64) -> String {
    let (days, of_day) = (unix_ms.div_euclid(DAY), unix_ms.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads an instant with any offset; finer than a millisecond is cut.
pub(crate) fn read(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let signs = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let letter = |place: usize| text.as_bytes().get(place).copied();
    if !signs.iter().all(|(place, sign)| letter(*place) == Some(*sign))
        || !matches!(letter(10)?, b'T' | b't' | b' ')
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range {
        return None;
    }
    let rest = text.get(19..)?;
    let fraction = rest.strip_prefix('.').unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if rest.starts_with('.') && digits == 0 {
        return None;
    }
    let milli = fraction[..digits]
        .bytes()
        .chain(*b"000")
        .take(3)
        .fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    let zone = if digits > 0 { &fraction[digits..] } else { rest };
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000 + milli;
    Some(days_of(year, month, day) * DAY + of_day - offset(zone)?)
}

/// Milliseconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let ahead = (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000;
    match zone.as_bytes()[0] {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

/// Days since 1970-01-01 of a date. Years are counted from March, so that the leap day is their last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let from_march = year - i64::from(month <= 2);
    let (era, of_era) = (from_march.div_euclid(400), from_march.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_written() {
        for (text, unix_ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2023-07-03T12:27:08.312Z", 1_688_387_228_312),
            ("2026-12-31T00:00:00.000Z", 1_798_675_200_000),
        ] {
            assert_eq!(read(text), Some(unix_ms), "{text}");
            assert_eq!(written(unix_ms), text);
        }
        for day in (0..40_000).step_by(13) {
            assert_eq!(read(&written(day * DAY)), Some(day * DAY));
        }
    }

    #[test]
    fn other_forms_are_the_same_instant() {
        let expected = read("2023-07-03T12:27:08.312Z");
        for text in
            ["2023-07-03T14:27:08.312+02:00", "2023-07-03t12:27:08.312999z", "2023-07-03 02:57:08.312-09:30"]
        {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("2023-07-03T12:27:08Z"), expected.map(|ms| ms - 312));
    }

    #[test]
    fn what_is_none_is_none() {
        for text in [
            "",
            "2023",
            "2023-13-03T12:27:08Z",
            "2023-07-03T12:27:08",
            "2023-07-03T12:27:08.Z",
            "2023-07-03T12:27:08+2:00",
            "2023-07-03T12:27:08*02:00",
            "２023-07-03T12:27:08Z",
            "-023-07-03T12:27:08Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
