//! The n-th hostile HTTP request of a seed, as bytes on a connection.

use std::fmt;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::datagram::dice;
use super::json_text::{Field, hostile_object, hostile_value};
use super::mutation::mutate;

/// No request is longer: 16 times what the gateway takes.
pub(crate) const MAX_REQUEST: usize = 1_200_000;

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    OversizeHeader,
    ManyFields,
    OversizeBody,
    LengthLies,
    BadChunks,
    MalformedLine,
    HostileJson,
    BodyNotUtf8,
    WrongMethod,
    StrangePath,
    NoKey,
    WrongKey,
    FieldNotUtf8,
    Pipelined,
    BadUpgrade,
    Spoiled,
    CutOff,
}

impl Case {
    pub(crate) const ALL: [Self; 17] = [
        Self::OversizeHeader,
        Self::ManyFields,
        Self::OversizeBody,
        Self::LengthLies,
        Self::BadChunks,
        Self::MalformedLine,
        Self::HostileJson,
        Self::BodyNotUtf8,
        Self::WrongMethod,
        Self::StrangePath,
        Self::NoKey,
        Self::WrongKey,
        Self::FieldNotUtf8,
        Self::Pipelined,
        Self::BadUpgrade,
        Self::Spoiled,
        Self::CutOff,
    ];
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OversizeHeader => "oversize header",
            Self::ManyFields => "many header fields",
            Self::OversizeBody => "oversize body",
            Self::LengthLies => "content-length lies",
            Self::BadChunks => "bad chunks",
            Self::MalformedLine => "malformed request line",
            Self::HostileJson => "hostile JSON",
            Self::BodyNotUtf8 => "body not UTF-8",
            Self::WrongMethod => "wrong method",
            Self::StrangePath => "strange path",
            Self::NoKey => "no API key",
            Self::WrongKey => "wrong API key",
            Self::FieldNotUtf8 => "field not UTF-8",
            Self::Pipelined => "pipelined",
            Self::BadUpgrade => "bad upgrade",
            Self::Spoiled => "spoiled bytes",
            Self::CutOff => "cut off",
        })
    }
}

/// A request to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) case: Case,
    pub(crate) bytes: Vec<u8>,
}

/// Whom requests are for.
pub(crate) struct Addressee<'a> {
    pub(crate) host: &'a str,
    /// With the key, requests get behind the door.
    pub(crate) api_key: Option<&'a str>,
}

const CONSULTS: &str = "/api/v1/consults";
const NO_CONSULT: &str = "/api/v1/consults/03w5a7xkq2dmv8tq4rs0n1yzpc";

/// The fields of a request for a consult, with right values.
const CONSULT: [Field; 4] = [
    ("subject", "\"follow-up\""),
    ("participants", "[{\"role\":\"clinician\",\"name\":\"Dr. Li\"},{\"role\":\"patient\"}]"),
    ("not_before", "1800000000"),
    ("expires_in", "7200"),
];

/// The request of this number.
pub(crate) fn nth(seed: u64, number: u64, to: &Addressee<'_>) -> Request {
    let mut rng = dice(seed, number);
    let case = Case::ALL[(number % Case::ALL.len() as u64) as usize];
    let mut bytes = match case {
        Case::OversizeHeader => {
            let length = [15_000, 16_384, 17_000, 70_000, 1_000_000][rng.random_range(0..5)];
            to.request("GET", "/", &[("X-Long", &"x".repeat(length))], b"")
        }
        Case::ManyFields => {
            let names: Vec<String> = (0..rng.random_range(60..2_000)).map(|n| format!("X-{n}")).collect();
            let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
            to.request("GET", "/", &fields, b"")
        }
        Case::OversizeBody => {
            let length = [65_535, 65_536, 65_537, 200_000, 1_048_576][rng.random_range(0..5)];
            to.post(&vec![b' '; length])
        }
        Case::LengthLies => length_lies(to, &mut rng),
        Case::BadChunks => bad_chunks(to, &mut rng),
        Case::MalformedLine => malformed_line(to, &mut rng),
        Case::HostileJson => to.post(hostile_object(&CONSULT, &mut rng).as_bytes()),
        Case::BodyNotUtf8 => {
            let mut body = b"{\"subject\":\"".to_vec();
            body.extend((0..rng.random_range(1..500)).map(|_| rng.random_range(0x80..=0xff_u8)));
            body.extend(b"\"}");
            to.post(&body)
        }
        Case::WrongMethod => {
            let methods = ["PUT", "PATCH", "TRACE", "OPTIONS", "CONNECT", "DELETE", "HEAD", "BREW", "post"];
            let paths = [CONSULTS, NO_CONSULT, "/api/v1/session", "/"];
            let method = methods[rng.random_range(0..methods.len())];
            to.request(method, paths[rng.random_range(0..paths.len())], &[], b"")
        }
        Case::StrangePath => to.request("GET", &strange_path(&mut rng), &[], b""),
        Case::NoKey => Addressee { api_key: None, ..*to }.post(b"{}"),
        Case::WrongKey => {
            let key = hostile_value(&mut rng).replace(['\r', '\n'], "");
            Addressee { api_key: Some(&key), ..*to }.post(b"{}")
        }
        Case::FieldNotUtf8 => {
            let mut bytes = to.request("GET", CONSULTS, &[("X-Strange", "MARK")], b"");
            if let Some(at) = bytes.windows(4).position(|window| window == b"MARK") {
                bytes[at..at + 4].copy_from_slice(&[0xff, 0xfe, 0xc3, rng.random_range(0x80..=0xff)]);
            }
            bytes
        }
        Case::Pipelined => {
            let one = to.request("GET", NO_CONSULT, &[("Connection", "keep-alive")], b"");
            one.repeat(rng.random_range(2..60))
        }
        Case::BadUpgrade => bad_upgrade(to, &mut rng),
        Case::Spoiled => {
            let mut bytes = to.post(b"{\"subject\":\"follow-up\",\"expires_in\":7200}");
            mutate(&mut bytes, MAX_REQUEST, &mut rng);
            bytes
        }
        Case::CutOff => {
            let mut bytes = to.post(b"{\"subject\":\"follow-up\",\"expires_in\":7200}");
            bytes.truncate(rng.random_range(1..bytes.len()));
            bytes
        }
    };
    bytes.truncate(MAX_REQUEST);
    Request { case, bytes }
}

impl Addressee<'_> {
    /// A whole request; with a body it says its length.
    fn request(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if let Some(key) = self.api_key {
            head += &format!("Authorization: Bearer {key}\r\n");
        }
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        let own = |name: &str| fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
        if !body.is_empty() && !own("Content-Length") && !own("Transfer-Encoding") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !own("Connection") {
            head += "Connection: close\r\n";
        }
        head += "\r\n";
        [head.as_bytes(), body].concat()
    }

    fn post(&self, body: &[u8]) -> Vec<u8> {
        self.request("POST", CONSULTS, &[("Content-Type", "application/json")], body)
    }
}

fn length_lies(to: &Addressee<'_>, rng: &mut StdRng) -> Vec<u8> {
    let lies = [
        "0",
        "1",
        "41",
        "-1",
        "+2",
        "2, 3",
        "0x2",
        "18446744073709551616",
        "99999999999999999999",
        " ",
        "2 2",
    ];
    let lie = lies[rng.random_range(0..lies.len())];
    match rng.random_range(0..3) {
        0 => {
            to.request("POST", CONSULTS, &[("Content-Length", lie), ("Transfer-Encoding", "chunked")], b"{}")
        }
        1 => to.request("POST", CONSULTS, &[("Content-Length", lie), ("Content-Length", "2")], b"{}"),
        _ => to.request("POST", CONSULTS, &[("Content-Length", lie)], b"{}"),
    }
}

fn bad_chunks(to: &Addressee<'_>, rng: &mut StdRng) -> Vec<u8> {
    let chunks = [
        "2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n{}",
        "fffffffffffffffff\r\n{}",
        "-1\r\n{}\r\n",
        "g\r\n",
        "2;extension=\"unclosed\r\n{}\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
        "0\r\nX-Trailer: 1\r\nContent-Length: 5\r\n\r\n",
        "2\r\n{}garbage",
    ];
    let encodings = ["chunked", "chunked, chunked", "gzip, chunked", "identity", "xchunked"];
    let encoding = encodings[rng.random_range(0..encodings.len())];
    let many = "1\r\n \r\n".repeat(rng.random_range(1..20_000)) + "0\r\n\r\n";
    let body = if rng.random_bool(0.1) { many.as_str() } else { chunks[rng.random_range(0..chunks.len())] };
    to.request("POST", CONSULTS, &[("Transfer-Encoding", encoding)], body.as_bytes())
}

fn malformed_line(to: &Addressee<'_>, rng: &mut StdRng) -> Vec<u8> {
    let host = to.host;
    match rng.random_range(0..12) {
        0 => b"\r\n\r\n\r\n\r\n".to_vec(),
        1 => format!("GET / HTTP/9.9\r\nHost: {host}\r\n\r\n").into_bytes(),
        2 => format!("GET  / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
        3 => b"GET\r\n\r\n".to_vec(),
        4 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        5 => b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03garbage".to_vec(),
        6 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        7 => format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: other\r\n\r\n").into_bytes(),
        8 => format!("GET / HTTP/1.1\r\nHost: {host}\r\n folded: 1\r\nBad Name: 1\r\n\r\n").into_bytes(),
        9 => format!("GET / HTTP/1.1\nHost: {host}\n\n").into_bytes(),
        10 => format!("GET http://other.example/ HTTP/1.0\r\nHost: {host}\r\n\r\n").into_bytes(),
        _ => (0..rng.random_range(1..2_000)).map(|_| rng.random::<u8>()).collect(),
    }
}

fn strange_path(rng: &mut StdRng) -> String {
    let paths = [
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/../../../etc/passwd",
        "/assets/..%5c..%5cCargo.toml",
        "/%2e%2e/%2e%2e/data/api-key",
        "//etc/passwd",
        "/%00",
        "/index.html%00.js",
        "/%",
        "/%zz",
        "/%ff%fe",
        "/.git/config",
        "/data/api-key",
        "/api/v1/consults/",
        "/api/v1/consults/..%2fsession",
        "/api/v1/consults/%00",
        "/api/v1/consults/a/b",
        "/api/v2/consults",
        "/metrics",
        "*",
        "/?a=%00&a=1&&&=",
        "/join#token=a",
    ];
    match rng.random_range(0..8) {
        0 => format!("/{}", "a/".repeat(rng.random_range(1..5_000))),
        1 => format!("/api/v1/consults/{}", "z".repeat(rng.random_range(1..9_000))),
        _ => paths[rng.random_range(0..paths.len())].to_owned(),
    }
}

fn bad_upgrade(to: &Addressee<'_>, rng: &mut StdRng) -> Vec<u8> {
    let right = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let mut fields = right.to_vec();
    let at = rng.random_range(0..fields.len());
    let wrong = ["", "0", "h2c", "keep-alive", "AAAA", "8, 13", "\t"];
    match rng.random_range(0..3) {
        0 => drop(fields.remove(at)),
        1 => fields[at].1 = wrong[rng.random_range(0..wrong.len())],
        _ => fields.push(("Origin", ["null", "https://evil.example", "http://", "\u{202e}"][at])),
    }
    let method = if rng.random_bool(0.2) { "POST" } else { "GET" };
    to.request(method, "/api/v1/session", &fields, b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Addressee<'_> = Addressee { host: "127.0.0.1:8080", api_key: Some("key") };

    #[test]
    fn a_number_of_a_seed_is_always_the_same_request_and_every_case_comes() {
        let mut cases = std::collections::BTreeSet::new();
        for number in 0..200 {
            let request = nth(5, number, &TO);
            assert_eq!(request, nth(5, number, &TO));
            assert!(!request.bytes.is_empty() && request.bytes.len() <= MAX_REQUEST);
            cases.insert(request.case);
        }
        assert_eq!(cases.len(), Case::ALL.len());
        assert!((0..200).any(|number| nth(5, number, &TO) != nth(6, number, &TO)));
    }

    #[test]
    fn a_request_says_the_length_of_its_body() {
        let text = String::from_utf8(TO.post(b"{}")).expect("a text");
        let expected = "POST /api/v1/consults HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer key\r\n\
                        Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        assert_eq!(text, expected);
    }
}
