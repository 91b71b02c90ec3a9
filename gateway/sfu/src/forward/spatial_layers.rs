//! The spatial layers of one received stream, as what they are to those who choose: encodings, each with its size
//! and with the rate of everything that its receivers need.

use std::time::Instant;

use crate::forward::encoding::Delivery;
use crate::forward::layer_meter::{LayerMeter, LayerRates};
use crate::limits::MAX_ENCODINGS;
use crate::rtp::{SpatialFrame, SpatialSet, SpatialStructure};

/// The spatial layers of one stream.
#[derive(Debug, Default)]
pub(crate) struct SpatialLayers {
    /// The highest layer by the newest structure.
    top: u8,
    /// The most layers that there have been.
    count: usize,
    meters: [LayerMeter; MAX_ENCODINGS],
    heights: [Option<u16>; MAX_ENCODINGS],
}

/// What one packet carries of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FramePart {
    pub(crate) temporal: u8,
    pub(crate) size: usize,
    pub(crate) ends_frame: bool,
}

impl SpatialLayers {
    /// Learns from a frame, and tells it of the highest layer.
    pub(crate) fn learn(&mut self, structure: Option<SpatialStructure>, frame: &mut SpatialFrame) {
        if let Some(structure) = structure {
            self.top = structure.top;
            for (height, size) in self.heights.iter_mut().zip(structure.sizes) {
                *height = size.map(|size| size.height.min(size.width)).or(*height);
            }
        }
        self.top = self.top.max(frame.id);
        self.count = self.count.max(usize::from(self.top) + 1).min(MAX_ENCODINGS);
        frame.top = self.top;
    }

    /// A frame of which nothing is known.
    pub(crate) fn unknown_frame(&self) -> SpatialFrame {
        SpatialFrame { id: self.top, needed_by: SpatialSet::ALL, top: self.top }
    }

    /// Counts a packet to every layer whose receivers need it. What lies below does not keep a layer alive.
    pub(crate) fn record(&mut self, now: Instant, delivery: Delivery, frame: SpatialFrame, part: FramePart) {
        let FramePart { temporal, size, ends_frame } = part;
        for (id, meter) in (0..).zip(&mut self.meters) {
            match delivery {
                Delivery::Original if id == frame.id => meter.record(now, temporal, size, ends_frame),
                Delivery::Repair if id == frame.id => meter.record_repair(now, temporal, size, ends_frame),
                _ if frame.needed_by.contains(id) => meter.record_repair(now, temporal, size, false),
                Delivery::Original | Delivery::Repair | Delivery::Redundant => {}
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.max(1)
    }

    pub(crate) fn height(&self, layer: usize) -> Option<u16> {
        self.heights.get(layer).copied().flatten()
    }

    pub(crate) fn rates(&self, now: Instant, layer: usize) -> LayerRates {
        self.meters.get(layer).map_or_else(LayerRates::default, |meter| meter.rates(now))
    }
}
