//! The token of an invitation link: a JSON Web Token (RFC 7519) signed with Ed25519 (RFC 8037). The key
//! and the algorithm are the gateway's own; a token that names another algorithm is refused.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use protocol::id::{ConsultId, ParticipantId};
use protocol::track::Role;
use serde::{Deserialize, Serialize};

use crate::consult::{Consult, Invitation};
use crate::limits::{MAX_TOKEN_BYTES, TOKEN_LEEWAY};
use crate::unix_time::UnixTime;

/// What a token is for; another service of the same issuer would have another.
const AUDIENCE: &str = "tvg-session";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    aud: String,
    iss: String,
    iat: UnixTime,
    nbf: UnixTime,
    exp: UnixTime,
    /// One token per participant, so its id names the token too.
    jti: ParticipantId,
    pub(crate) consult: ConsultId,
    pub(crate) participant: ParticipantId,
    pub(crate) role: Role,
}

/// Signs and checks tokens.
pub(crate) struct TokenKey {
    issuer: String,
    signing: EncodingKey,
    checking: DecodingKey,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is not one of this gateway's")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    Immature,
}

/// The key file does not hold an Ed25519 key, or the key could not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a usable Ed25519 key in PKCS #8")]
pub(crate) struct KeyError;

impl TokenKey {
    /// Draws a new key pair, in PKCS #8.
    pub(crate) fn draw() -> Result<Vec<u8>, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError)?;
        pair.to_pkcs8().map(|document| document.as_ref().to_vec()).map_err(|_| KeyError)
    }

    /// Reads a key pair; tokens are issued by `issuer`.
    pub(crate) fn from_pkcs8(pkcs8: &[u8], issuer: String) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError)?;
        let checking = DecodingKey::from_ed_der(pair.public_key().as_ref());
        Ok(Self { issuer, signing: EncodingKey::from_ed_der(pkcs8), checking })
    }

    /// The token of one participant; the same for the same consult each time.
    pub(crate) fn sign(&self, consult: &Consult, invitation: &Invitation) -> Result<String, KeyError> {
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            iss: self.issuer.clone(),
            iat: consult.created_at,
            nbf: consult.not_before,
            exp: consult.expires_at,
            jti: invitation.participant,
            consult: consult.id,
            participant: invitation.participant,
            role: invitation.role,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.signing).map_err(|_| KeyError)
    }

    /// Checks a token.
    pub(crate) fn check(&self, token: &str, now: UnixTime) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["aud", "iss", "nbf", "exp"]);
        // Time is an argument here; the library would read the clock.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?
            .claims;
        if now >= claims.exp.after(TOKEN_LEEWAY) {
            return Err(TokenError::Expired);
        }
        if now.after(TOKEN_LEEWAY) < claims.nbf {
            return Err(TokenError::Immature);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ISSUER: &str = "https://clinic.example";
    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn key(issuer: &str) -> (TokenKey, EncodingKey) {
        let pkcs8 = TokenKey::draw().expect("a key");
        (TokenKey::from_pkcs8(&pkcs8, issuer.to_owned()).expect("a key"), EncodingKey::from_ed_der(&pkcs8))
    }

    fn claims() -> Claims {
        Claims {
            aud: AUDIENCE.to_owned(),
            iss: ISSUER.to_owned(),
            iat: NOW,
            nbf: NOW,
            exp: NOW.after(Duration::from_secs(3_600)),
            jti: ParticipantId::from_bits(2),
            consult: ConsultId::from_bits(1),
            participant: ParticipantId::from_bits(2),
            role: Role::Patient,
        }
    }

    fn encode(algorithm: Algorithm, claims: &impl Serialize, key: &EncodingKey) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, key).expect("a token")
    }

    /// The claims without one of them.
    fn without(claim: &str) -> serde_json::Value {
        let mut value = serde_json::to_value(claims()).expect("JSON");
        value.as_object_mut().expect("an object").remove(claim);
        value
    }

    #[test]
    fn a_signed_invitation_is_accepted_while_it_lasts() {
        let (key, signing) = key(ISSUER);
        let token = encode(Algorithm::EdDSA, &claims(), &signing);
        let secs = Duration::from_secs;
        let table = [
            (NOW, Ok(claims())),
            (UnixTime::from_secs(NOW.as_secs() - 30), Ok(claims())),
            (UnixTime::from_secs(NOW.as_secs() - 31), Err(TokenError::Immature)),
            (NOW.after(secs(3_629)), Ok(claims())),
            (NOW.after(secs(3_630)), Err(TokenError::Expired)),
        ];
        for (now, expected) in table {
            assert_eq!(key.check(&token, now), expected, "{now:?}");
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        let (key, signing) = key(ISSUER);
        let (_, foreign) = self::key(ISSUER);
        let good = encode(Algorithm::EdDSA, &claims(), &signing);
        let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        // {"alg":"none"} and {"alg":"HS256"}, before the good body.
        let none = "eyJhbGciOiJub25lIn0";
        let hs256 = encode(Algorithm::HS256, &claims(), &EncodingKey::from_secret(key.checking_bytes()));
        let other_body = encode(Algorithm::EdDSA, &Claims { role: Role::Clinician, ..claims() }, &foreign);
        let other_body = other_body.split('.').nth(1).expect("a body");
        let table = [
            ("empty", String::new()),
            ("two parts", format!("{header}.{body}")),
            ("four parts", format!("{good}.{signature}")),
            ("no algorithm, no signature", format!("{none}.{body}.")),
            ("no algorithm", format!("{none}.{body}.{signature}")),
            ("HS256 with the public key", hs256),
            ("no signature", format!("{header}.{body}.")),
            ("cut signature", good[..good.len() - 4].to_owned()),
            ("another role under the same signature", format!("{header}.{other_body}.{signature}")),
            ("another key", encode(Algorithm::EdDSA, &claims(), &foreign)),
            ("another audience", encode(Algorithm::EdDSA, &Claims { aud: "x".into(), ..claims() }, &signing)),
            ("another issuer", encode(Algorithm::EdDSA, &Claims { iss: "x".into(), ..claims() }, &signing)),
            ("too long", format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES))),
            ("not base 64", format!("{header}.{body}.***")),
            ("null bytes", "\0.\0.\0".to_owned()),
        ];
        for (what, token) in table {
            assert_eq!(key.check(&token, NOW), Err(TokenError::Invalid), "{what}");
        }
        for claim in ["aud", "iss", "iat", "nbf", "exp", "jti", "consult", "participant", "role"] {
            let token = encode(Algorithm::EdDSA, &without(claim), &signing);
            assert_eq!(key.check(&token, NOW), Err(TokenError::Invalid), "without {claim}");
        }
        for position in (0..good.len()).step_by(7) {
            let mut altered = good.clone().into_bytes();
            altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert_eq!(key.check(&altered, NOW), Err(TokenError::Invalid), "altered at {position}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(TokenKey::from_pkcs8(b"not a key", ISSUER.to_owned()), Err(KeyError)));
    }

    impl TokenKey {
        fn checking_bytes(&self) -> &[u8] {
            self.checking.try_get_as_bytes().unwrap_or_default()
        }
    }
}
