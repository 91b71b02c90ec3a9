//! The bare forwarder, as a program, with a small fleet through it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use report::results::Results;

/// Ends with the test.
struct Forwarder {
    child: Child,
    base: String,
}

impl Forwarder {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["forwarder", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where");
        let base = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, base }
    }

    fn fleet(&self, dir: &Path, options: &[&str]) -> Results {
        let status = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["fleet", "--whip", &format!("{}/whip/{{}}", self.base)])
            .args(["--whep", &format!("{}/whep/{{}}", self.base)])
            .args(["--ramp", "300ms", "--time", "2s", "--max-loss", "0", "--min-delivered", "98"])
            .args(["--server-pid", &self.child.id().to_string()])
            .args(options)
            .arg("--dir")
            .arg(dir)
            .stdout(Stdio::null())
            .status()
            .expect("it starts");
        assert!(status.success(), "the fleet missed a target: {status}");
        Results::read(&dir.join("fleet.json")).expect("its results")
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn value(results: &Results, what: &str) -> f64 {
    let row = results.rows.iter().find(|row| row.what.ends_with(what));
    row.unwrap_or_else(|| panic!("no {what} among {results:?}")).value
}

#[test]
fn three_viewers_see_all_of_a_picture_and_hear_its_voice() {
    let (forwarder, dir) = (Forwarder::start(&[]), tempfile::tempdir().expect("a folder"));
    let results = forwarder.fleet(dir.path(), &["--viewers", "3", "--voice"]);
    // 156 packets of the picture and 50 of the voice a second.
    let delivered = value(&results, "packets delivered per second");
    assert!((550.0..700.0).contains(&delivered), "{delivered}");
    assert_eq!(value(&results, "repairs and probes that came besides"), 0.0);
}

#[test]
fn rooms_stay_apart_where_the_kernel_cuts_messages() {
    let (forwarder, dir) = (Forwarder::start(&["--gso"]), tempfile::tempdir().expect("a folder"));
    let results = forwarder.fleet(dir.path(), &["--viewers", "3", "--rooms", "2", "--voice"]);
    assert_eq!(value(&results, "viewers playing"), 6.0);
}
