//! The body of a request, within limits of time and size.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;

use crate::limits::{BODY_TIMEOUT, MAX_BODY_BYTES};
use crate::problem::{Problem, ProblemCode};

/// Reads a body to its end.
pub(crate) async fn read_body(body: Body) -> Result<Vec<u8>, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, collect(body.into_data_stream())).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ProblemCode::BodyTimeout.because("the body took too long")),
    }
}

async fn collect(mut pieces: BodyDataStream) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| ProblemCode::MalformedBody.because("the body breaks off"))?;
        if piece.len() > MAX_BODY_BYTES - body.len() {
            let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
            return Err(ProblemCode::BodyTooLarge.because(detail));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
