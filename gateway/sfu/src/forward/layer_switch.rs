//! Which packets of a simulcast track one subscriber gets: one encoding at a time, changed on key frames
//! only, and within it the temporal layers up to a ceiling.

/// An encoding of a track, and a ceiling of temporal layers within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Index of the encoding, the lowest first.
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
    decision: Decision,
}

/// The layer switch of one subscription.
#[derive(Debug, Default)]
pub(crate) struct LayerSwitch {
    current: Option<Layer>,
    target: Option<Layer>,
    halted: bool,
    /// A frame is forwarded or skipped as a whole.
    frame: Option<Frame>,
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
            Some(current) if current.encoding == target.encoding && !self.halted => None,
            Some(_) | None => Some(target.encoding),
        }
    }

    /// Sets the layer to forward; `None` pauses at once.
    pub(crate) fn set_target(&mut self, target: Option<Layer>, descent: Descent) {
        self.target = target;
        let Some(target) = target else {
            self.current = None;
            self.halted = false;
            return;
        };
        if let Some(current) = &mut self.current {
            if target.encoding < current.encoding && descent == Descent::AtOnce {
                self.halted = true;
            }
            if target.encoding == current.encoding {
                current.temporal = current.temporal.min(target.temporal);
            }
        }
    }

    /// Forgets what was forwarded: the next packet will be the first one of a key frame.
    pub(crate) fn restart(&mut self) {
        self.current = None;
        self.halted = false;
        self.frame = None;
    }

    /// Decides on the next packet in the order of arrival.
    pub(crate) fn decide(&mut self, packet: LayerMark) -> Decision {
        let Some(target) = self.target else { return Decision::Ignore };
        let is_current = self.current.is_some_and(|current| current.encoding == packet.encoding);
        if packet.encoding == target.encoding && packet.starts_key_frame && (!is_current || self.halted) {
            self.current = Some(target);
            self.halted = false;
            self.frame = Some(Frame { timestamp: packet.timestamp, decision: Decision::Forward });
            return Decision::Switch;
        }
        if !is_current || self.halted {
            return Decision::Ignore;
        }
        if let Some(frame) = self.frame
            && frame.timestamp == packet.timestamp
        {
            return frame.decision;
        }
        let decision = self.decide_frame(target, packet);
        self.frame = Some(Frame { timestamp: packet.timestamp, decision });
        decision
    }

    fn decide_frame(&mut self, target: Layer, packet: LayerMark) -> Decision {
        let (Some(current), Some(temporal)) = (&mut self.current, packet.temporal) else {
            return Decision::Forward;
        };
        // The ceiling follows the target only where this very encoding is the target.
        if current.encoding == target.encoding && temporal <= target.temporal {
            let may_rise = packet.starts_key_frame || packet.layer_sync && temporal > current.temporal;
            if may_rise {
                current.temporal = if packet.starts_key_frame { target.temporal } else { temporal };
            }
        }
        if temporal <= current.temporal { Decision::Forward } else { Decision::Skip }
    }
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
