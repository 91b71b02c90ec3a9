//! The web client, embedded in the program: the page, and its assets, whose names change with their content.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::Embed;

use crate::problem::ProblemCode;

#[derive(Embed)]
#[folder = "../web-client/dist"]
#[allow_missing = true]
struct Dist;

/// The page itself; links lead to `/join`.
const PAGE_PATHS: [&str; 3] = ["/", "/index.html", "/join"];

const WITHOUT_DIST: &str = "<!doctype html><meta charset=\"utf-8\"><title>Web client missing</title>\
    <p>This gateway was built without its web client. Build it, then the gateway again:</p>\
    <pre>cd web-client &amp;&amp; npm ci &amp;&amp; npm run build</pre>";

/// Whether the path is part of the page.
pub(crate) fn is_page_path(path: &str) -> bool {
    PAGE_PATHS.contains(&path) || Dist::get(path.trim_start_matches('/')).is_some()
}

/// Serves the page and its assets.
pub(crate) async fn page(uri: Uri) -> Response {
    let path = uri.path();
    if PAGE_PATHS.contains(&path) {
        let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        return match Dist::get("index.html") {
            Some(page) => (no_store, Html(page.data.into_owned())).into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, no_store, Html(WITHOUT_DIST)).into_response(),
        };
    }
    let name = path.trim_start_matches('/');
    let Some(asset) = Dist::get(name) else {
        return ProblemCode::NotFound.because("nothing is here").into_response();
    };
    let caching =
        if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
    ];
    (headers, asset.data.into_owned()).into_response()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
