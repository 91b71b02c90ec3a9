//! Two forwarders under the same load, started and ended by the comparison.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use report::results::Results;

fn server(name: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("its address");
    let program = env!("CARGO_BIN_EXE_loadtest");
    format!(
        "name={name} whip=http://{at}/whip/{{}} whep=http://{at}/whep/{{}} start={program} forwarder --listen {at}"
    )
}

#[test]
fn two_that_are_alike_are_told_apart_by_name_and_held_to_a_ratio() {
    let dir = tempfile::tempdir().expect("a folder");
    let compare = |max_ratio: &str| {
        let status = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["compare", "--server", &server("first"), "--server", &server("second")])
            .args(["--rounds", "1", "--viewers", "2", "--ramp", "200ms", "--time", "1s"])
            .args(["--max-ratio", max_ratio, "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .status();
        let results = Results::read(&dir.path().join("compare.json")).expect("its results");
        (status.expect("it starts").success(), results)
    };
    let (has_succeeded, results) = compare("1000");
    assert!(has_succeeded, "{results:?}");
    for what in ["first: packets lost", "second: packets lost"] {
        assert_eq!(
            results.rows.iter().find(|row| row.what == what).map(|row| row.value),
            Some(0.0),
            "{what}"
        );
    }
    let (has_succeeded, results) = compare("0.001");
    let ratio = results.rows.iter().find(|row| row.what == "second over first, processor time per packet");
    assert!(!has_succeeded && ratio.is_some_and(|row| row.met == Some(false)), "{results:?}");
}
