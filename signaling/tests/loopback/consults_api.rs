//! The API of consults over real HTTP: what it makes, what it refuses and how it says so.

use crate::support::{API_KEY, Gateway, token_of};
use serde_json::{Value, json};
use signaling::sample::{AuthFailure, Limit, Sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONSULTS: &str = "/api/v1/consults";

#[tokio::test]
async fn a_consult_is_made_shown_and_ended() {
    let gateway = Gateway::start().await;
    let body = json!({"subject": "复诊", "participants": [{"role": "clinician", "name": "李医生"}, {"role": "patient"}]});
    let created = gateway.create_consult(&body).await;
    assert_eq!((&created["state"], &created["subject"]), (&"open".into(), &"复诊".into()));
    assert_eq!(created["participants"][0]["name"], "李医生");
    assert_eq!(created["expires_at"].as_u64(), created["not_before"].as_u64().map(|from| from + 24 * 3_600));
    let path = format!("{CONSULTS}/{}", created["id"].as_str().expect("an id"));
    let shown: Value =
        gateway.request("GET", &path).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(shown, created);
    let mut patient = gateway.join(&token_of(&created["participants"][1]), "Wang").await;
    for _ in 0..2 {
        assert_eq!(gateway.request("DELETE", &path).send().await.expect("an answer").status(), 204);
    }
    assert_eq!(patient.event().await["reason"], "consult_closed");
    assert_eq!(patient.closed().await, 4410);
    let shown: Value =
        gateway.request("GET", &path).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(shown["state"], "ended");
    let mut late = gateway.connect().await;
    assert_eq!(late.hello(&token_of(&created["participants"][0])).await["code"], "consult_closed");
    assert_eq!(late.closed().await, 4410);
}

#[tokio::test]
async fn the_default_is_a_doctor_and_a_patient() {
    let gateway = Gateway::start().await;
    let created = gateway.create_consult(&json!({})).await;
    let roles: Vec<_> =
        created["participants"].as_array().expect("a list").iter().map(|one| &one["role"]).collect();
    assert_eq!(roles, ["clinician", "patient"]);
    assert!(token_of(&created["participants"][0]) != token_of(&created["participants"][1]));
}

#[tokio::test]
async fn a_repeated_request_makes_one_consult() {
    let gateway = Gateway::start().await;
    let create = async |subject: &str| {
        let request = gateway.request("POST", CONSULTS).header("idempotency-key", "one");
        let response = request.json(&json!({"subject": subject})).send().await.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
    };
    let (created, first) = create("a").await;
    let (repeated, second) = create("a").await;
    assert_eq!((created, repeated, &first), (201, 200, &second));
    let (conflict, problem) = create("b").await;
    assert_eq!((conflict, &problem["code"]), (422, &"idempotency_conflict".into()));
}

#[tokio::test]
async fn bad_requests_are_refused_with_a_stable_code() {
    let gateway = Gateway::start_with(|config| config.api_requests_per_second = 100).await;
    let unknown = format!("{CONSULTS}/{}", "0".repeat(26));
    let many = json!({"participants": vec![json!({"role": "patient"}); 17]}).to_string();
    let table = [
        ("POST", CONSULTS, "{", 400, "malformed_json"),
        ("POST", CONSULTS, "[]", 400, "malformed_json"),
        ("POST", CONSULTS, &"[".repeat(10_000), 400, "malformed_json"),
        ("POST", CONSULTS, r#"{"subjekt":"x"}"#, 400, "malformed_json"),
        ("POST", CONSULTS, r#"{"participants":[{"role":"king"}]}"#, 400, "malformed_json"),
        ("POST", CONSULTS, r#"{"participants":[]}"#, 422, "invalid_field"),
        ("POST", CONSULTS, &many, 422, "invalid_field"),
        ("POST", CONSULTS, r#"{"participants":[{"role":"patient","name":"\u202e"}]}"#, 422, "invalid_field"),
        ("POST", CONSULTS, r#"{"expires_in":0}"#, 422, "invalid_field"),
        ("POST", CONSULTS, r#"{"expires_in":99999999999}"#, 422, "invalid_field"),
        ("POST", CONSULTS, r#"{"not_before":1}"#, 422, "invalid_field"),
        ("POST", CONSULTS, r#"{"not_before":18446744073709551615}"#, 422, "invalid_field"),
        ("POST", CONSULTS, &format!(r#"{{"subject":"{}"}}"#, "x".repeat(257)), 422, "invalid_field"),
        ("POST", CONSULTS, &" ".repeat(64 * 1024 + 1), 413, "body_too_large"),
        ("PUT", CONSULTS, "", 405, "method_not_allowed"),
        ("GET", &unknown, "", 404, "not_found"),
        ("DELETE", &unknown, "", 404, "not_found"),
        ("GET", "/api/v1/consults/..%2f..%2fetc", "", 404, "not_found"),
        ("GET", "/assets/..%2f..%2fCargo.toml", "", 404, "not_found"),
        ("GET", "/api/v1/session", "", 426, "upgrade_required"),
        ("GET", "/nothing", "", 404, "not_found"),
    ];
    for (method, path, body, status, code) in table {
        let shown = &body[..body.len().min(60)];
        let response = gateway.request(method, path).body(body.to_owned()).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), status, "{method} {path} {shown}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {path} {shown}");
        let problem: Value = response.json().await.expect("JSON");
        assert_eq!(problem["code"], code, "{method} {path} {shown}");
    }
}

#[tokio::test]
async fn a_body_of_broken_chunks_is_not_called_too_large() {
    let mut gateway = Gateway::start().await;
    let head = format!(
        "POST {CONSULTS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for body in ["g\r\n", "2\r\n{}x\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        let mut stream = TcpStream::connect(gateway.signaling.local_address).await.expect("a connection");
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer, and the end");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
        assert!(answer.contains(r#""code":"malformed_body""#), "{body:?}: {answer}");
    }
    assert!(!gateway.has_counted(Limit::BodySize));
    let long = " ".repeat(64 * 1024 + 1);
    let refused = gateway.request("POST", CONSULTS).body(long).send().await.expect("an answer");
    assert_eq!(refused.status(), 413);
    gateway.counted(Sample::LimitHit(Limit::BodySize)).await;
}

#[tokio::test]
async fn every_route_of_the_api_needs_the_key() {
    let mut gateway = Gateway::start().await;
    let consult = format!("{CONSULTS}/{}", "0".repeat(26));
    let routes = [("POST", CONSULTS), ("GET", CONSULTS), ("GET", &consult), ("DELETE", &consult)];
    for (method, path) in routes {
        for key in ["", "Bearer ", "Bearer wrong", "Basic YTpi"] {
            if method == "GET" && path == CONSULTS {
                continue;
            }
            let request =
                reqwest::Client::new().request(method.parse().expect("a method"), gateway.url(path));
            let status = request.header("authorization", key).send().await.expect("an answer").status();
            assert!([401, 429].contains(&status.as_u16()), "{method} {path} {key}: {status}");
        }
    }
    gateway.counted(Sample::AuthFailure(AuthFailure::ApiKey)).await;
    // Twelve failures are two more than an address has in a minute.
    gateway.counted(Sample::LimitHit(Limit::MissRate)).await;
    assert_eq!(
        gateway.request("GET", &consult).send().await.expect("an answer").status(),
        404,
        "the key passes"
    );
}

#[tokio::test]
async fn the_rate_of_requests_is_bounded() {
    let mut gateway = Gateway::start_with(|config| config.api_requests_per_second = 1).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = gateway.request("GET", &format!("{CONSULTS}/x")).send().await.expect("an answer");
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses[..3], [404, 404, 429]);
    gateway.counted(Sample::LimitHit(Limit::ApiRate)).await;
}

#[tokio::test]
async fn every_response_keeps_the_browser_safe() {
    let gateway = Gateway::start().await;
    for path in ["/", "/join", "/nothing", CONSULTS] {
        let response = reqwest::get(gateway.url(path)).await.expect("an answer");
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert!(header("permissions-policy").contains("camera=(self)"), "{path}");
    }
}

#[tokio::test]
async fn nothing_of_a_consult_is_printed() {
    let gateway = Gateway::start().await;
    let request = json!({"subject": "Canary", "participants": [{"role": "king", "name": "Canary"}]});
    let answer = gateway.request("POST", CONSULTS).json(&request).send().await.expect("an answer");
    let problem = answer.text().await.expect("a text");
    assert!(problem.contains("king") && !problem.contains("Canary"), "{problem}");
}
