//! What the API says of a request that failed: problem details (RFC 9457) with a stable code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
}

/// Why a request failed. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemCode {
    MalformedBody,
    MalformedJson,
    InvalidField,
    Unauthorized,
    OriginRefused,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    BodyTimeout,
    BodyTooLarge,
    NothingPublished,
    RoomFull,
    TakenOver,
    ConsultClosed,
    PreconditionFailed,
    UnsupportedMediaType,
    IdempotencyConflict,
    OfferRejected,
    UpgradeRequired,
    PreconditionRequired,
    RateLimited,
    MediaUnavailable,
    Internal,
}

/// The body of a problem.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProblemBody {
    r#type: String,
    title: String,
    status: u16,
    code: String,
    detail: String,
}

impl ProblemCode {
    /// Every code, in the order of the reference.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 23] = [
        Self::MalformedBody,
        Self::MalformedJson,
        Self::InvalidField,
        Self::Unauthorized,
        Self::OriginRefused,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::NothingPublished,
        Self::RoomFull,
        Self::TakenOver,
        Self::ConsultClosed,
        Self::PreconditionFailed,
        Self::UnsupportedMediaType,
        Self::IdempotencyConflict,
        Self::OfferRejected,
        Self::UpgradeRequired,
        Self::PreconditionRequired,
        Self::RateLimited,
        Self::MediaUnavailable,
        Self::Internal,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedBody => "malformed_body",
            Self::MalformedJson => "malformed_json",
            Self::InvalidField => "invalid_field",
            Self::Unauthorized => "unauthorized",
            Self::OriginRefused => "origin_refused",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::NothingPublished => "nothing_published",
            Self::RoomFull => "room_full",
            Self::TakenOver => "taken_over",
            Self::ConsultClosed => "consult_closed",
            Self::PreconditionFailed => "precondition_failed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::OfferRejected => "offer_rejected",
            Self::UpgradeRequired => "upgrade_required",
            Self::PreconditionRequired => "precondition_required",
            Self::RateLimited => "rate_limited",
            Self::MediaUnavailable => "media_unavailable",
            Self::Internal => "internal",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::MalformedBody | Self::MalformedJson => StatusCode::BAD_REQUEST,
            Self::InvalidField | Self::IdempotencyConflict | Self::OfferRejected => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::OriginRefused | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NothingPublished | Self::RoomFull | Self::TakenOver => StatusCode::CONFLICT,
            Self::ConsultClosed => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::MediaUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn because(self, detail: impl Into<String>) -> Problem {
        Problem { code: self, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = ProblemBody {
            r#type: format!("urn:tvg:problem:{}", self.code.as_str()),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: self.code.as_str().to_owned(),
            detail: self.detail,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.code {
            ProblemCode::RateLimited | ProblemCode::MediaUnavailable | ProblemCode::NothingPublished => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            ProblemCode::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ProblemCode::UpgradeRequired => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            ProblemCode::MalformedBody | ProblemCode::BodyTimeout | ProblemCode::BodyTooLarge => {
                // The rest of the body is not wanted, or nobody knows where it ends.
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
