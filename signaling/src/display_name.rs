//! A name that others will see: bounded, and without characters that change how its surroundings read.

use crate::limits::MAX_NAME_CHARS;

/// Trims a name; `None` where nothing is left, too much is, or it holds control or direction marks.
pub(crate) fn display_name(text: &str) -> Option<String> {
    let name = text.trim();
    let length = name.chars().count();
    let plain = !name.chars().any(|character| character.is_control() || is_format_mark(character));
    ((1..=MAX_NAME_CHARS).contains(&length) && plain).then(|| name.to_owned())
}

/// Line separators, and the directional formatting characters of Unicode UAX #9.
const fn is_format_mark(character: char) -> bool {
    matches!(character,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_plain() {
        let (longest, too_long) = ("王".repeat(MAX_NAME_CHARS), "王".repeat(MAX_NAME_CHARS + 1));
        let table = [
            ("Dr. Li", Some("Dr. Li")),
            ("  王 医生 ", Some("王 医生")),
            ("<b>&amp;</b>", Some("<b>&amp;</b>")),
            (&longest, Some(&*longest)),
            (&too_long, None),
            ("", None),
            (" \t ", None),
            ("a\u{202e}b", None),
            ("a\nb", None),
            ("\x1b[2J", None),
        ];
        for (text, name) in table {
            assert_eq!(display_name(text).as_deref(), name, "{text:?}");
        }
    }
}
