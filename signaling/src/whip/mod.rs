//! Media by plain HTTP, for machines and players that are no pages: WHIP (RFC 9725) publishes and WHEP
//! (draft-ietf-wish-whep) plays. A resource is a session like any other; what a page says over its WebSocket, the
//! [`caller`] says for it.

mod api;
mod caller;
mod cast;
mod ice_fragment;
mod resource;
mod sdp_outline;

pub(crate) use api::{end, patch, play, preflight, publish, share};
pub(crate) use resource::Resources;
