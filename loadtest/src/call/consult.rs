//! Makes consults through the gateway's API, so that a fleet needs no invitations by hand.

use anyhow::{Context as _, ensure};
use protocol::track::Role;
use serde::Deserialize;

/// The part of the API's answer that matters here.
#[derive(Deserialize)]
struct Consult {
    participants: Vec<Invited>,
}

#[derive(Deserialize)]
struct Invited {
    link: String,
}

/// Makes one consult of a clinician, a patient, and interpreters beyond these; returns the links.
///
/// # Errors
/// Where the gateway refuses.
pub(crate) async fn create(base: &str, api_key: &str, people: usize) -> anyhow::Result<Vec<String>> {
    let roles = [Role::Clinician, Role::Patient].into_iter().chain(std::iter::repeat(Role::Interpreter));
    create_for(base, api_key, roles.take(people)).await
}

/// Makes one consult of people with these roles; returns the links, in their order.
///
/// # Errors
/// Where the gateway refuses.
pub(crate) async fn create_for(
    base: &str,
    api_key: &str,
    roles: impl IntoIterator<Item = Role>,
) -> anyhow::Result<Vec<String>> {
    let participants: Vec<_> = roles.into_iter().map(|role| serde_json::json!({ "role": role })).collect();
    let request = serde_json::json!({ "subject": "load test", "participants": participants });
    let url = format!("{}/api/v1/consults", base.trim_end_matches('/'));
    let response = reqwest::Client::new().post(&url).bearer_auth(api_key).json(&request).send().await;
    let response = response.with_context(|| format!("post {url}"))?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {text}");
    let consult: Consult = serde_json::from_str(&text).context("read the consult")?;
    Ok(consult.participants.into_iter().map(|invited| invited.link).collect())
}
