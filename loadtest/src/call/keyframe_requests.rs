//! An interceptor that hands requests for a key frame on to whoever sends the track; all other feedback
//! is for the interceptors before it and ends there.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Behind every interceptor of the crate, so that each has seen all feedback.
pub(crate) const SLOT: usize = 14_000;

/// Marks requests for a key frame for delivery.
#[derive(Default)]
pub(crate) struct KeyframeRequests {
    read: VecDeque<TaggedPacket>,
    written: VecDeque<TaggedPacket>,
}

/// The SSRCs that a packet of feedback asks key frames of.
pub(crate) fn requested_ssrcs(packet: &dyn rtc::rtcp::Packet) -> Vec<u32> {
    let packet = packet.as_any();
    if let Some(request) = packet.downcast_ref::<PictureLossIndication>() {
        return vec![request.media_ssrc];
    }
    let request = packet.downcast_ref::<FullIntraRequest>();
    request.map_or_else(Vec::new, |request| request.fir.iter().map(|entry| entry.ssrc).collect())
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyframeRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &mut tagged.message.packet {
            packets.retain(|packet| !requested_ssrcs(packet.as_ref()).is_empty());
            if packets.is_empty() {
                return Ok(());
            }
            tagged.message.add(Attribute::DeliverToApplication);
        }
        self.read.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        self.written.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.written.pop_front()
    }
}

impl Interceptor for KeyframeRequests {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
