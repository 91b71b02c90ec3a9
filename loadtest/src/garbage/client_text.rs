//! Texts on a WebSocket: the requests of the protocol with something wrong in each.

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::json_text::{Field, hostile_object, hostile_value, object};
use super::mutation::mutate;
use super::offer;

/// The gateway takes messages up to this length.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024;

const TRACK: &str = "\"06h8k2m4n6p8q0r2s4t6v8w0x2\"";

/// Every request with right values, but for secrets.
const REQUESTS: [&[Field]; 10] = [
    &[("id", "1"), ("type", "\"hello\""), ("version", "1"), ("token", "\"eyJ0\""), ("resume", "null")],
    &[
        ("id", "2"),
        ("type", "\"hello\""),
        ("version", "1"),
        ("token", "\"eyJ0\""),
        ("resume", "{\"secret\":\"7zzzzzzzzzzzzzzzzzzzzzzzzz\",\"last_sequence\":8}"),
    ],
    &[("id", "3"), ("type", "\"join\""), ("name", "\"Wang\"")],
    &[("id", "4"), ("type", "\"offer\""), ("sdp", "\"v=0\""), ("tracks", "[]"), ("subscriptions", "[]")],
    &[("id", "5"), ("type", "\"subscribe\""), ("track", TRACK), ("max_lines", "720")],
    &[("id", "6"), ("type", "\"mute\""), ("track", TRACK), ("muted", "true")],
    &[
        ("id", "7"),
        ("type", "\"network_report\""),
        ("source", "\"shell\""),
        ("class", "\"5g\""),
        ("save_data", "false"),
        ("sequence", "3"),
    ],
    &[("id", "8"), ("type", "\"encoder_limit\""), ("track", TRACK), ("limit", "\"cpu\"")],
    &[("id", "9"), ("type", "\"ping\"")],
    &[("id", "10"), ("type", "\"unheard_of\""), ("track", TRACK)],
];

/// A text that is wrong in its own way, of at most [`MAX_MESSAGE`] bytes.
pub(crate) fn hostile(rng: &mut StdRng) -> String {
    let fields = REQUESTS[rng.random_range(0..REQUESTS.len())];
    let mut text = match rng.random_range(0..10) {
        0 => right(fields),
        1 => {
            let mut bytes = right(fields).into_bytes();
            mutate(&mut bytes, MAX_MESSAGE, rng);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        2 => hostile_value(rng),
        3 => offer::good(rng).request(rng.random()),
        4 | 5 => offer::hostile(rng).request(rng.random()),
        _ => hostile_object(fields, rng),
    };
    while text.len() > MAX_MESSAGE {
        text.pop();
    }
    text
}

/// A `hello` whose token no gateway signed.
pub(crate) fn bad_hello(rng: &mut StdRng) -> String {
    let unsigned = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ0dmctc2Vzc2lvbiIsImV4cCI6NDEwMjQ0NDgwMH0.";
    let token = match rng.random_range(0..5) {
        0 => unsigned.to_owned(),
        1 => format!("{unsigned}{}", "A".repeat(86)),
        2 => "a".repeat(rng.random_range(1..60_000)),
        3 => "..".to_owned(),
        _ => (0..200).map(|_| char::from(rng.random_range(b'!'..=b'~'))).collect(),
    };
    serde_json::json!({ "id": 1, "type": "hello", "version": 1, "token": token }).to_string()
}

fn right(fields: &[Field]) -> String {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (format!("\"{name}\""), (*value).to_owned())).collect();
    object(&fields)
}

#[cfg(test)]
mod tests {
    use protocol::client_message::ClientEnvelope;
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn the_seeds_are_requests_of_the_protocol() {
        for fields in &REQUESTS[..9] {
            let text = right(fields);
            serde_json::from_str::<ClientEnvelope>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        serde_json::from_str::<ClientEnvelope>(&right(REQUESTS[9])).expect_err("an unknown type");
    }

    #[test]
    fn hostile_texts_are_bounded_and_a_seed_repeats() {
        let texts = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..300).map(|_| hostile(&mut rng)).collect::<Vec<_>>()
        };
        assert!(texts(1).iter().all(|text| text.len() <= MAX_MESSAGE));
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
    }
}
