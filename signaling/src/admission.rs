//! Who shows a token is let in, or told why not; late, where one address fails too often.

use std::net::IpAddr;

use protocol::server_message::ErrorCode;

use crate::close_reason::CloseReason;
use crate::consult::Admission;
use crate::front::{Front, Pass};
use crate::limits::MISS_DELAY;
use crate::message_type::error_text;
use crate::sample::{AuthFailure, Sample};
use crate::token::TokenError;
use crate::unix_time::UnixTime;

/// An error to answer, and what becomes of the connection.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: &'static str,
    /// How a connection ends for it.
    pub(crate) close: CloseReason,
}

impl Refusal {
    pub(crate) const fn new(code: ErrorCode, close: CloseReason) -> Self {
        Self { code, message: error_text(code), close }
    }
}

/// Checks the token, and that its consult is open.
pub(crate) async fn admit(front: &Front, address: IpAddr, token: &str) -> Result<Admission, Refusal> {
    let now = UnixTime::now();
    let claims = match front.tokens.check(token, now) {
        Ok(claims) => claims,
        Err(TokenError::Expired) => {
            return Err(miss(front, address, AuthFailure::TokenExpired, ErrorCode::TokenExpired).await);
        }
        Err(TokenError::Invalid) => {
            return Err(miss(front, address, AuthFailure::TokenInvalid, ErrorCode::TokenInvalid).await);
        }
        Err(TokenError::Immature) => {
            let refusal = miss(front, address, AuthFailure::TokenImmature, ErrorCode::TokenInvalid).await;
            return Err(Refusal { message: "the token is not valid yet", ..refusal });
        }
    };
    let Ok(consult) = front.find_consult(claims.consult).await else {
        return Err(Refusal::new(ErrorCode::Internal, CloseReason::Overloaded));
    };
    consult.and_then(|consult| consult.admit(claims.participant, now)).ok_or_else(|| {
        front.samples.count(Sample::AuthFailure(AuthFailure::ConsultClosed));
        Refusal::new(ErrorCode::ConsultClosed, CloseReason::ConsultEnded)
    })
}

/// A proof that failed; too many of one address are answered late.
async fn miss(front: &Front, address: IpAddr, failure: AuthFailure, code: ErrorCode) -> Refusal {
    match front.miss(address, failure) {
        Pass::Granted => Refusal::new(code, CloseReason::Unauthorized),
        Pass::Exhausted => {
            tokio::time::sleep(MISS_DELAY).await;
            Refusal::new(ErrorCode::RateLimited, CloseReason::RateLimited)
        }
    }
}
