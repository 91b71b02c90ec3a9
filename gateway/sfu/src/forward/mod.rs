//! Packets on their way from a publisher to its subscribers. Nothing here knows a policy.
//!
//! ```text
//!  ingress ─► Track ─► Encoding (keeps packets) ─► Egress of each subscriber
//!                                                   └ Subscription: LayerSwitch → Rewriter ─► Pacer ─► seal ─► slab
//! ```

mod active_speaker;
mod egress;
mod encoding;
mod layer_meter;
mod layer_switch;
mod media_clock;
mod packet_store;
mod rewriter;
mod seal;
mod sent_history;
mod spatial_layers;
mod subscription;
mod track;
mod voice_bundler;

pub(crate) use active_speaker::ActiveSpeaker;
pub(crate) use egress::{Egress, Outlet};
pub(crate) use encoding::{Delivery, Encoding, IncomingPacket};
pub(crate) use layer_switch::Layer;
pub(crate) use subscription::{Arrival, Subscription, SubscriptionIndex, SubscriptionLine, TrackIndex};
pub(crate) use track::Track;
