//! Which packets of a track one subscriber gets. Of simulcast one encoding at a time, changed on key frames only;
//! of a stream with spatial layers (RFC 9628 §3, AV1 RTP specification §A) those frames that its layer needs, changed
//! on key pictures, and downwards wherever the lower layer went along. In both the temporal layers up to a ceiling.

use crate::rtp::{SpatialFrame, SpatialSet};

/// An encoding of a track, and a ceiling of temporal layers within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Index of the encoding, the lowest first; of a stream with spatial layers the spatial layer.
    pub(crate) encoding: u8,
    /// The highest temporal layer to forward.
    pub(crate) temporal: u8,
}

/// How fast a lower encoding has to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descent {
    /// The higher one goes on until the lower one has a key frame: no gap in the picture.
    Graceful,
    /// The higher one stops at once: the link cannot carry it.
    AtOnce,
}

/// What the layer switch looks at in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerMark {
    pub(crate) encoding: u8,
    pub(crate) timestamp: u32,
    /// First packet of a key frame.
    pub(crate) starts_key_frame: bool,
    pub(crate) temporal: Option<u8>,
    /// The frame depends on the base layer alone, so a subscriber may go up a temporal layer here.
    pub(crate) layer_sync: bool,
    /// Behind this frame a subscriber may go up to any temporal layer.
    pub(crate) opens_upper: bool,
    /// Its place among the spatial layers of a stream that has them.
    pub(crate) spatial: Option<SpatialFrame>,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It belongs to an encoding that the subscriber does not get.
    Ignore,
    /// It belongs to the subscriber's encoding, but to a temporal layer above its ceiling.
    Skip,
    /// It goes to the subscriber.
    Forward,
    /// It goes to the subscriber and is the first one of its encoding.
    Switch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    timestamp: u32,
    spatial: u8,
    decision: Decision,
}

/// A packet this much older than the newest picture starts another time line: repairs come sooner, or too late.
const LATE: u32 = 3 * 90_000;

/// The layer switch of one subscription.
#[derive(Debug, Default)]
pub(crate) struct LayerSwitch {
    current: Option<Layer>,
    target: Option<Layer>,
    halted: bool,
    /// A frame is forwarded or skipped as a whole.
    frame: Option<Frame>,
    /// The newest picture of a stream with spatial layers.
    picture: Option<u32>,
    /// Its highest layer.
    top: Option<u8>,
    /// Its layers of which the subscriber has everything since a key picture.
    intact: SpatialSet,
}

impl LayerSwitch {
    /// The layer that is forwarded.
    pub(crate) fn current(&self) -> Option<Layer> {
        self.current.filter(|_| !self.halted)
    }

    /// The layer that shall be forwarded.
    pub(crate) fn target(&self) -> Option<Layer> {
        self.target
    }

    /// The encoding that a key frame is needed of, if any.
    pub(crate) fn awaits_key_frame(&self) -> Option<u8> {
        let target = self.target?;
        match self.current {
            Some(current) if !self.halted && (self.is_at(current, target) || self.can_descend(target)) => {
                None
            }
            Some(_) | None => Some(target.encoding),
        }
    }

    /// Whether a layer is of the target's encoding, or of the best that the stream has instead.
    fn is_at(&self, current: Layer, target: Layer) -> bool {
        current.encoding == self.within_stream(target.encoding)
    }

    fn within_stream(&self, encoding: u8) -> u8 {
        self.top.map_or(encoding, |top| encoding.min(top))
    }

    fn can_descend(&self, target: Layer) -> bool {
        self.current.is_some_and(|current| target.encoding < current.encoding)
            && self.intact.contains(target.encoding)
    }

    /// Sets the layer to forward; `None` pauses at once.
    pub(crate) fn set_target(&mut self, target: Option<Layer>, descent: Descent) {
        self.target = target;
        let Some(target) = target else {
            self.current = None;
            self.halted = false;
            return;
        };
        let can_descend = self.can_descend(target);
        if let Some(current) = &mut self.current {
            if target.encoding < current.encoding && descent == Descent::AtOnce && !can_descend {
                self.halted = true;
            }
            if target.encoding == current.encoding {
                current.temporal = current.temporal.min(target.temporal);
            }
        }
    }

    /// Forgets what was forwarded: the next packet will be the first one of a key frame.
    pub(crate) fn restart(&mut self) {
        *self = Self { target: self.target, ..Self::default() };
    }

    /// Decides on the next packet in the order of arrival.
    pub(crate) fn decide(&mut self, packet: LayerMark) -> Decision {
        let Some(target) = self.target else { return Decision::Ignore };
        if let Some(spatial) = packet.spatial {
            return self.decide_spatial(target, packet, spatial);
        }
        let is_current = self.current.is_some_and(|current| current.encoding == packet.encoding);
        if packet.encoding == target.encoding && packet.starts_key_frame && (!is_current || self.halted) {
            self.current = Some(target);
            self.halted = false;
            self.remember(packet, Decision::Forward);
            return Decision::Switch;
        }
        if !is_current || self.halted {
            return Decision::Ignore;
        }
        self.decide_once(packet, |switch| switch.decide_temporal(target, packet))
    }

    /// All packets of a frame go the way of its first one.
    fn decide_once(&mut self, packet: LayerMark, decide: impl FnOnce(&mut Self) -> Decision) -> Decision {
        let spatial = spatial_id(packet);
        match self.frame {
            Some(frame) if (frame.timestamp, frame.spatial) == (packet.timestamp, spatial) => frame.decision,
            Some(_) | None => {
                let decision = decide(self);
                self.remember(packet, decision);
                decision
            }
        }
    }

    fn remember(&mut self, packet: LayerMark, decision: Decision) {
        self.frame = Some(Frame { timestamp: packet.timestamp, spatial: spatial_id(packet), decision });
    }

    fn decide_temporal(&mut self, target: Layer, packet: LayerMark) -> Decision {
        let is_at_target = self.current.is_some_and(|current| self.is_at(current, target));
        let (Some(current), Some(temporal)) = (&mut self.current, packet.temporal) else {
            return Decision::Forward;
        };
        // The ceiling follows the target only where this very encoding is the target.
        if is_at_target && temporal <= target.temporal {
            if packet.starts_key_frame || packet.opens_upper && temporal <= current.temporal {
                current.temporal = target.temporal;
            } else if packet.layer_sync && temporal > current.temporal {
                current.temporal = temporal;
            }
        }
        if temporal <= current.temporal { Decision::Forward } else { Decision::Skip }
    }

    /// Within one stream a packet that does not go is skipped and not ignored: its number would be missed.
    fn decide_spatial(&mut self, target: Layer, packet: LayerMark, frame: SpatialFrame) -> Decision {
        if self.is_late(packet.timestamp) {
            return self.decide_late(packet, frame);
        }
        self.top = Some(frame.top);
        let begins_picture = self.picture != Some(packet.timestamp);
        if begins_picture {
            self.picture = Some(packet.timestamp);
            self.descend(target);
            if packet.starts_key_frame {
                return self.start_key_picture(target, packet);
            }
        }
        let Some(current) = self.current else { return Decision::Ignore };
        if self.halted || !frame.needed_by.contains(current.encoding) {
            self.intact = self.intact.without(frame.needed_by);
            return Decision::Skip;
        }
        self.decide_once(packet, |switch| switch.decide_temporal(target, packet))
    }

    fn is_late(&self, timestamp: u32) -> bool {
        self.picture.is_some_and(|newest| (1..LATE).contains(&newest.wrapping_sub(timestamp)))
    }

    /// A packet of an earlier picture goes if such packets go; it changes nothing.
    fn decide_late(&self, packet: LayerMark, frame: SpatialFrame) -> Decision {
        match self.current {
            None => Decision::Ignore,
            Some(current)
                if !self.halted
                    && frame.needed_by.contains(current.encoding)
                    && packet.temporal.is_none_or(|temporal| temporal <= current.temporal) =>
            {
                Decision::Forward
            }
            Some(_) => Decision::Skip,
        }
    }

    /// Takes up a lower layer of which the subscriber has everything: no key picture is needed for it.
    fn descend(&mut self, target: Layer) {
        if self.can_descend(target)
            && let Some(current) = &mut self.current
        {
            current.encoding = target.encoding;
            current.temporal = current.temporal.min(target.temporal);
        }
    }

    fn start_key_picture(&mut self, target: Layer, packet: LayerMark) -> Decision {
        let begins = self.current.is_none();
        self.current = Some(Layer { encoding: self.within_stream(target.encoding), ..target });
        self.halted = false;
        self.intact = SpatialSet::ALL;
        self.remember(packet, Decision::Forward);
        if begins { Decision::Switch } else { Decision::Forward }
    }
}

fn spatial_id(packet: LayerMark) -> u8 {
    packet.spatial.map_or(0, |spatial| spatial.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch_to(encoding: u8, temporal: u8) -> LayerSwitch {
        let mut switch = LayerSwitch::default();
        switch.set_target(Some(Layer { encoding, temporal }), Descent::Graceful);
        switch
    }

    fn frame(timestamp: u32, encoding: u8, temporal: u8) -> LayerMark {
        LayerMark {
            encoding,
            timestamp,
            starts_key_frame: false,
            temporal: Some(temporal),
            layer_sync: temporal == 1,
            opens_upper: false,
            spatial: None,
        }
    }

    fn key(timestamp: u32, encoding: u8) -> LayerMark {
        LayerMark { starts_key_frame: true, ..frame(timestamp, encoding, 0) }
    }

    #[test]
    fn a_subscription_starts_on_a_key_frame_of_its_target() {
        let mut switch = switch_to(1, 2);
        assert_eq!(switch.decide(frame(1, 1, 0)), Decision::Ignore);
        assert_eq!(switch.decide(key(2, 0)), Decision::Ignore);
        assert_eq!(switch.awaits_key_frame(), Some(1));
        assert_eq!(switch.decide(key(3, 1)), Decision::Switch);
        assert_eq!(switch.decide(frame(4, 1, 2)), Decision::Forward);
        assert_eq!(switch.awaits_key_frame(), None);
    }

    #[test]
    fn an_ascent_keeps_the_lower_encoding_until_the_key_frame() {
        let mut switch = switch_to(0, 2);
        switch.decide(key(1, 0));
        switch.set_target(Some(Layer { encoding: 2, temporal: 2 }), Descent::Graceful);
        assert_eq!(switch.decide(frame(2, 0, 0)), Decision::Forward);
        assert_eq!(switch.decide(frame(2, 2, 0)), Decision::Ignore);
        assert_eq!(switch.decide(key(3, 2)), Decision::Switch);
        assert_eq!(switch.decide(frame(4, 0, 0)), Decision::Ignore);
    }

    #[test]
    fn an_urgent_descent_stops_the_higher_encoding_and_a_graceful_one_does_not() {
        for (descent, expected) in
            [(Descent::AtOnce, Decision::Ignore), (Descent::Graceful, Decision::Forward)]
        {
            let mut switch = switch_to(2, 2);
            switch.decide(key(1, 2));
            switch.set_target(Some(Layer { encoding: 0, temporal: 2 }), descent);
            assert_eq!(switch.decide(frame(2, 2, 0)), expected, "{descent:?}");
            assert_eq!(switch.awaits_key_frame(), Some(0));
            assert_eq!(switch.decide(key(3, 0)), Decision::Switch);
        }
    }

    #[test]
    fn going_back_up_after_an_urgent_descent_needs_a_key_frame() {
        let mut switch = switch_to(2, 2);
        switch.decide(key(1, 2));
        switch.set_target(Some(Layer { encoding: 0, temporal: 2 }), Descent::AtOnce);
        assert_eq!(switch.decide(frame(2, 2, 0)), Decision::Ignore);
        switch.set_target(Some(Layer { encoding: 2, temporal: 2 }), Descent::Graceful);
        assert_eq!(switch.awaits_key_frame(), Some(2));
        assert_eq!(switch.decide(frame(3, 2, 0)), Decision::Ignore);
        assert_eq!(switch.decide(key(4, 2)), Decision::Switch);
    }

    #[test]
    fn temporal_layers_fall_at_the_next_frame_and_rise_at_a_sync_point() {
        let mut switch = switch_to(1, 2);
        switch.decide(key(1, 1));
        switch.set_target(Some(Layer { encoding: 1, temporal: 0 }), Descent::Graceful);
        assert_eq!(switch.decide(frame(2, 1, 2)), Decision::Skip);
        assert_eq!(switch.decide(frame(3, 1, 1)), Decision::Skip);
        switch.set_target(Some(Layer { encoding: 1, temporal: 2 }), Descent::Graceful);
        assert_eq!(switch.decide(frame(4, 1, 2)), Decision::Skip, "depends on a skipped frame");
        assert_eq!(switch.decide(frame(5, 1, 1)), Decision::Forward);
        let sync = LayerMark { layer_sync: true, ..frame(6, 1, 2) };
        assert_eq!(switch.decide(sync), Decision::Forward);
    }

    #[test]
    fn a_frame_is_skipped_or_forwarded_as_a_whole() {
        let mut switch = switch_to(1, 2);
        switch.decide(key(1, 1));
        assert_eq!(switch.decide(frame(2, 1, 2)), Decision::Forward);
        switch.set_target(Some(Layer { encoding: 1, temporal: 0 }), Descent::Graceful);
        assert_eq!(switch.decide(frame(2, 1, 2)), Decision::Forward);
        assert_eq!(switch.decide(frame(3, 1, 2)), Decision::Skip);
    }
}

#[cfg(test)]
#[path = "spatial_switch_tests.rs"]
mod spatial_tests;
