//! The gateway from its start to its end, over real sockets.

mod support;

use std::net::UdpSocket;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{API_KEY, RunningGateway, eventually, fetch, free_address};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_gateway");

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served() {
    let gateway = RunningGateway::start().await;
    assert_eq!(gateway.admin("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(gateway.admin("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(gateway.admin("/nothing").await.0, 404);
    assert_eq!(gateway.metric("tvg_build_info", "").await, 1.0);
    assert_eq!(gateway.metric("tvg_node_state", "ready").await, 1.0);
    assert!(gateway.metric("process_resident_memory_bytes", "").await > 0.0);
    assert!(gateway.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn consults_are_made_with_the_key_only() {
    let gateway = RunningGateway::start().await;
    let (status, consult) = gateway.create_consult(API_KEY).await;
    assert_eq!(status, 201, "{consult}");
    let participants = consult["participants"].as_array().expect("participants");
    assert!(participants.iter().all(|it| it["link"].as_str().is_some_and(|link| link.contains("#token="))));

    let (status, _) = gateway.create_consult("a guess of sufficient length to be a key").await;
    assert_eq!(status, 401);
    eventually("the counted guess", async || {
        gateway.metric("tvg_auth_failures_total", "api_key").await == 1.0
            && gateway.metric("tvg_api_requests_total", "\"2xx\"").await == 1.0
    })
    .await;
    assert!(gateway.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_media_ports_is_counted_and_harms_nobody() {
    const DATAGRAMS: usize = 2_000;
    let gateway = RunningGateway::start().await;
    assert_eq!(gateway.addresses.media.len(), 2, "a port for each of two workers");
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // Every first byte, so that every protocol on the port gets its share; sizes from 1 to 1500.
    for number in 0..DATAGRAMS {
        let mut datagram = vec![(number * 31) as u8; 1 + number * 7 % 1_500];
        datagram[0] = number as u8;
        let port = gateway.addresses.media[number % 2];
        stranger.send_to(&datagram, port).expect("loopback takes it");
        stranger.send_to(&[], port).expect("loopback takes it");
    }
    eventually("all of them counted as dropped", async || {
        gateway.metric("tvg_datagrams_dropped_total", "").await as usize == DATAGRAMS
    })
    .await;
    assert_eq!(gateway.metric("tvg_udp_socket_drops_total", "").await, 0.0);
    assert_eq!(gateway.admin("/readyz").await.0, 200);
    assert_eq!(gateway.create_consult(API_KEY).await.0, 201);
    assert!(gateway.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_prints_links_and_ends_well_on_a_signal() {
    let data = TempDir::new().expect("a directory");
    let (http, admin) = (free_address(), free_address());
    let program = Command::new(PROGRAM)
        .arg("--demo")
        .env("TVG_HTTP_LISTEN", http.to_string())
        .env("TVG_ADMIN_LISTEN", admin.to_string())
        .env("TVG_UDP_PORT", "0")
        .env("TVG_BIND", "127.0.0.1")
        .env("TVG_DATA_DIR", data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    eventually("readiness", async || {
        // Connections are refused until the listener is there.
        reqwest::get(format!("http://{admin}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    // The demonstration consult is made after readiness: its request must have been answered.
    eventually("the demonstration consult", async || {
        let (_, text) = fetch(&format!("http://{admin}/metrics")).await;
        text.contains(
            "tvg_api_requests_total{method=\"POST\",route=\"/api/v1/consults\",status_class=\"2xx\"} 1",
        )
    })
    .await;
    let pid = Pid::from_raw(i32::try_from(program.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("it takes the signal");
    let output = program.wait_with_output().expect("it ends");
    let (printed, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}\n{log}");
    for word in ["page ", "doctor ", "patient ", "#token=", "(drawn for this run)"] {
        assert!(printed.contains(word), "no {word:?} in:\n{printed}");
    }
    assert!(!log.contains("token="), "a token in the log:\n{log}");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_reason() {
    let output = Command::new(PROGRAM)
        .arg("--check-config")
        .env("TVG_BIND", "nowhere")
        .output()
        .expect("the program runs");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("because: invalid IP address syntax"), "{complaint}");
}

#[test]
fn the_printed_configuration_hides_the_key_and_can_be_checked() {
    let printed = Command::new(PROGRAM)
        .arg("--print-config")
        .env("TVG_API_KEY", API_KEY)
        .output()
        .expect("the program runs");
    let text = String::from_utf8(printed.stdout).expect("text");
    assert!(text.contains("[media]") && !text.contains(API_KEY), "{text}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text.replace("(hidden)", API_KEY)).expect("written");
    let checked = Command::new(PROGRAM).arg("--check-config").arg("--config").arg(file.path()).status();
    assert!(checked.is_ok_and(|status| status.success()));
}
