//! JSON that a parser must bear: depth, wrong types, numbers out of all bounds, strings that are none.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// A field of an object: its name, and a right value as JSON text.
pub(crate) type Field = (&'static str, &'static str);

/// How deep, at most: a bracket is a byte, and messages end at 64 KiB.
const MAX_DEPTH: usize = 30_000;

/// Some value that hardly any field expects.
pub(crate) fn hostile_value(rng: &mut StdRng) -> String {
    const PLAIN: [&str; 27] = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "0",
        "-1",
        "-0.0",
        "1.5",
        "65536",
        "4294967296",
        "18446744073709551616",
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "0x10",
        "01",
        "'a'",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"\\x41\"",
        "\"\u{202e}\u{feff}\"",
        "[null,{\"a\":[1]}]",
        "{\"a\":1,\"a\":2}",
        "\"unclosed",
    ];
    match rng.random_range(0..10) {
        0 => nested("[", "]", rng.random_range(1..MAX_DEPTH)),
        1 => nested("{\"a\":", "}", rng.random_range(1..MAX_DEPTH / 6)),
        2 => "9".repeat(rng.random_range(20..5_000)),
        3 => format!("\"{}\"", "é".repeat(rng.random_range(1..5_000))),
        4 => format!("[{}0]", "0,".repeat(rng.random_range(1..10_000))),
        _ => PLAIN[rng.random_range(0..PLAIN.len())].to_owned(),
    }
}

/// Something as deep as told, closed or not.
pub(crate) fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// An object of these fields with something wrong in it.
pub(crate) fn hostile_object(fields: &[Field], rng: &mut StdRng) -> String {
    let mut fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| (format!("\"{name}\""), (*value).to_owned())).collect();
    let any = rng.random_range(0..fields.len().max(1)).min(fields.len().saturating_sub(1));
    match rng.random_range(0..10) {
        0 if !fields.is_empty() => drop(fields.remove(any)),
        1 => fields.push(("\"unknown\"".to_owned(), hostile_value(rng))),
        2 if !fields.is_empty() => fields.push((fields[any].0.clone(), hostile_value(rng))),
        3 => return hostile_value(rng),
        4 => return format!("{}{}", object(&fields), hostile_value(rng)),
        5 => {
            let whole = object(&fields);
            return whole[..rng.random_range(0..whole.len())].to_owned();
        }
        _ if !fields.is_empty() => fields[any].1 = hostile_value(rng),
        _ => {}
    }
    object(&fields)
}

/// The object as text.
pub(crate) fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn hostile_objects_are_bounded_and_mostly_no_such_object() {
        let fields = [("id", "1"), ("type", "\"ping\"")];
        let mut rng = StdRng::seed_from_u64(1);
        let mut whole = 0;
        for _ in 0..500 {
            let text = hostile_object(&fields, &mut rng);
            assert!(text.len() < 64 * 1024, "{} bytes", text.len());
            let read = serde_json::from_str::<serde_json::Value>(&text).ok();
            whole += usize::from(read == Some(serde_json::json!({ "id": 1, "type": "ping" })));
        }
        assert_eq!(whole, 0);
    }

    #[test]
    fn nesting_is_as_deep_as_told() {
        assert_eq!(nested("[", "]", 3), "[[[1]]]");
        assert_eq!(nested("{\"a\":", "}", 2), "{\"a\":{\"a\":1}}");
    }
}
