//! The dependency descriptor (AV1 RTP specification, appendix A): which frames a receiver of a layer needs, said
//! outside of the payload, for any codec. Its structure comes with key frames and holds until the next one.
//! Chains and frame differences are read over: what a subscriber has is known from what was forwarded to it.

use crate::limits::MAX_ENCODINGS;
use crate::rtp::bit_reader::{BitReader, OutOfBits};
use crate::rtp::layer_info::{LayerInfo, Resolution, SpatialFrame, SpatialSet, SpatialStructure};

/// Bytes of a descriptor whose frame is just what its template says.
const MANDATORY_LEN: usize = 3;

/// Template ids have 6 bits (§A.8.2).
const MAX_TEMPLATES: usize = 64;

/// What follows a template in the list of them.
const NEXT_TEMPORAL_LAYER: u32 = 1;
const NEXT_SPATIAL_LAYER: u32 = 2;
const NO_MORE_TEMPLATES: u32 = 3;

/// Spatial layer ids have 3 bits in an AV1 stream, as temporal ones have (AV1 specification §5.3.3).
const MAX_LAYER: u8 = 7;

/// Why a descriptor says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DependencyError {
    /// It ends too early.
    #[error("dependency descriptor is cut off")]
    Truncated,
    /// It says more layers or templates than there can be.
    #[error("dependency structure is beyond its bounds")]
    OutOfBounds,
    /// It refers to a structure that has not come.
    #[error("dependency structure is not known")]
    UnknownStructure,
}

impl From<OutOfBits> for DependencyError {
    fn from(OutOfBits: OutOfBits) -> Self {
        Self::Truncated
    }
}

/// What a frame is to each decode target: a bit per target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Indications {
    /// The target has the frame in it.
    present: u32,
    /// A receiver may go over to the target with this frame.
    switch: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    indications: Indications,
}

/// The highest layers in a decode target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct DecodeTarget {
    spatial: u8,
    temporal: u8,
}

/// The structure that the frames of a coded video sequence follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DependencyStructure {
    id_offset: u8,
    templates: [Template; MAX_TEMPLATES],
    template_count: usize,
    targets: [DecodeTarget; u32::BITS as usize],
    target_count: usize,
    chain_count: u32,
    spatial: SpatialStructure,
}

/// What a descriptor says of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameDependency {
    pub(crate) starts_frame: bool,
    pub(crate) ends_frame: bool,
    pub(crate) temporal: u8,
    pub(crate) spatial: SpatialFrame,
    /// See [`LayerInfo::opens_upper`].
    pub(crate) opens_upper: bool,
    /// It came with a structure of its own: a key picture begins.
    pub(crate) starts_sequence: bool,
}

impl FrameDependency {
    /// Reads a descriptor; a structure that comes with it replaces the `known` one.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] where it is malformed, or rests on a structure that is not there.
    pub(crate) fn read(
        descriptor: &[u8],
        known: &mut Option<Box<DependencyStructure>>,
    ) -> Result<Self, DependencyError> {
        let mut reader = BitReader::new(descriptor);
        let starts_frame = reader.flag()?;
        let ends_frame = reader.flag()?;
        let template_id = reader.bits(6)? as u8;
        let _frame_number = reader.bits(16)?;
        let mut custom = Custom::default();
        let mut starts_sequence = false;
        if descriptor.len() > MANDATORY_LEN {
            starts_sequence = reader.flag()?;
            let has_active_targets = reader.flag()?;
            custom =
                Custom { indications: reader.flag()?, differences: reader.flag()?, chains: reader.flag()? };
            if starts_sequence {
                let structure = DependencyStructure::read(&mut reader)?;
                match known {
                    Some(known) => **known = structure,
                    None => *known = Some(Box::new(structure)),
                }
            }
            if has_active_targets {
                let count = known.as_ref().ok_or(DependencyError::UnknownStructure)?.target_count;
                reader.bits(count as u32)?;
            }
        }
        let structure = known.as_deref().ok_or(DependencyError::UnknownStructure)?;
        let template = structure.template(template_id).ok_or(DependencyError::UnknownStructure)?;
        let indications = custom.read(&mut reader, structure)?.unwrap_or(template.indications);
        let starts_sequence = starts_sequence && starts_frame && template.spatial == 0;
        Ok(Self {
            starts_frame,
            ends_frame,
            temporal: template.temporal,
            spatial: SpatialFrame {
                id: template.spatial,
                needed_by: structure.needed_by(indications),
                top: structure.spatial.top,
            },
            opens_upper: structure.opens_upper(template, indications),
            starts_sequence,
        })
    }

    /// Adds the temporal layer, which the payload of H.264 does not say. Where its key frames begin the payload knows:
    /// with their parameters.
    pub(crate) fn describe_temporal(&self, info: &mut LayerInfo) {
        info.frame_start |= self.starts_frame;
        info.frame_end |= self.ends_frame;
        info.temporal = Some(self.temporal);
        info.opens_upper = self.opens_upper;
    }

    /// Puts what the descriptor says in place of what the payload says.
    pub(crate) fn describe(&self, structure: Option<&DependencyStructure>, info: &mut LayerInfo) {
        info.frame_start = self.starts_frame;
        info.frame_end = self.ends_frame;
        info.key_frame = self.starts_sequence;
        info.layer_sync = self.starts_sequence;
        info.temporal = Some(self.temporal);
        info.opens_upper = self.opens_upper;
        info.spatial = Some(self.spatial);
        if self.starts_sequence
            && let Some(structure) = structure
        {
            let said = info.structure.unwrap_or(structure.spatial);
            let sizes =
                if structure.spatial.sizes[0].is_some() { structure.spatial.sizes } else { said.sizes };
            info.structure = Some(SpatialStructure { top: structure.spatial.top, sizes });
            info.resolution = sizes.iter().rev().find_map(|size| *size).or(info.resolution);
        }
    }
}

/// What of its template a frame replaces.
#[derive(Debug, Clone, Copy, Default)]
struct Custom {
    indications: bool,
    differences: bool,
    chains: bool,
}

impl Custom {
    fn read(
        self,
        reader: &mut BitReader<'_>,
        structure: &DependencyStructure,
    ) -> Result<Option<Indications>, DependencyError> {
        let indications = match self.indications {
            true => Some(Indications::read(reader, structure.target_count)?),
            false => None,
        };
        if self.differences {
            // Ends with a size of zero; every turn takes bits, so the descriptor bounds it.
            loop {
                let size = reader.bits(2)?;
                if size == 0 {
                    break;
                }
                reader.bits(4 * size)?;
            }
        }
        if self.chains {
            for _ in 0..structure.chain_count {
                reader.bits(8)?;
            }
        }
        Ok(indications)
    }
}

impl Indications {
    fn read(reader: &mut BitReader<'_>, targets: usize) -> Result<Self, OutOfBits> {
        const SWITCH: u32 = 2;
        let mut indications = Self::default();
        for target in 0..targets {
            let indication = reader.bits(2)?;
            indications.present |= u32::from(indication != 0) << target;
            indications.switch |= u32::from(indication == SWITCH) << target;
        }
        Ok(indications)
    }
}

impl DependencyStructure {
    fn read(reader: &mut BitReader<'_>) -> Result<Self, DependencyError> {
        let mut structure = Self {
            id_offset: reader.bits(6)? as u8,
            templates: [Template::default(); MAX_TEMPLATES],
            template_count: 0,
            targets: [DecodeTarget::default(); u32::BITS as usize],
            target_count: reader.bits(5)? as usize + 1,
            chain_count: 0,
            spatial: SpatialStructure { top: 0, sizes: [None; MAX_ENCODINGS] },
        };
        structure.read_layers(reader)?;
        let targets = structure.target_count;
        for template in &mut structure.templates[..structure.template_count] {
            template.indications = Indications::read(reader, targets)?;
        }
        for _ in 0..structure.template_count {
            while reader.flag()? {
                reader.bits(4)?;
            }
        }
        structure.read_chains(reader)?;
        structure.find_targets();
        if reader.flag()? {
            structure.read_sizes(reader)?;
        }
        Ok(structure)
    }

    fn read_layers(&mut self, reader: &mut BitReader<'_>) -> Result<(), DependencyError> {
        let (mut spatial, mut temporal) = (0, 0);
        loop {
            let template = self.templates.get_mut(self.template_count).ok_or(DependencyError::OutOfBounds)?;
            *template = Template { spatial, temporal, ..Template::default() };
            self.template_count += 1;
            match reader.bits(2)? {
                NEXT_TEMPORAL_LAYER => temporal += 1,
                NEXT_SPATIAL_LAYER => (spatial, temporal) = (spatial + 1, 0),
                NO_MORE_TEMPLATES => break,
                _ => {}
            }
            if spatial > MAX_LAYER || temporal > MAX_LAYER {
                return Err(DependencyError::OutOfBounds);
            }
        }
        self.spatial.top = spatial;
        Ok(())
    }

    fn read_chains(&mut self, reader: &mut BitReader<'_>) -> Result<(), DependencyError> {
        self.chain_count = reader.below(self.target_count as u32 + 1)?;
        if self.chain_count == 0 {
            return Ok(());
        }
        for _ in 0..self.target_count {
            reader.below(self.chain_count)?;
        }
        for _ in 0..self.template_count {
            for _ in 0..self.chain_count {
                reader.bits(4)?;
            }
        }
        Ok(())
    }

    /// A decode target reaches up to the highest layers of the frames in it (§A.8.3).
    fn find_targets(&mut self) {
        for (index, target) in self.targets.iter_mut().enumerate().take(self.target_count) {
            let templates = self.templates[..self.template_count].iter();
            for template in templates.filter(|template| template.indications.present >> index & 1 != 0) {
                target.spatial = target.spatial.max(template.spatial);
                target.temporal = target.temporal.max(template.temporal);
            }
        }
    }

    fn read_sizes(&mut self, reader: &mut BitReader<'_>) -> Result<(), DependencyError> {
        for layer in 0..=self.spatial.top {
            let [width, height] =
                [reader.bits(16)?, reader.bits(16)?].map(|less| (less as u16).saturating_add(1));
            if let Some(size) = self.spatial.sizes.get_mut(usize::from(layer)) {
                *size = Some(Resolution { width, height });
            }
        }
        Ok(())
    }

    fn template(&self, id: u8) -> Option<Template> {
        let index = usize::from(id + MAX_TEMPLATES as u8 - self.id_offset) % MAX_TEMPLATES;
        self.templates[..self.template_count].get(index).copied()
    }

    fn targets(&self) -> impl Iterator<Item = (usize, DecodeTarget)> {
        self.targets[..self.target_count].iter().copied().enumerate()
    }

    fn needed_by(&self, indications: Indications) -> SpatialSet {
        let present = self.targets().filter(|(index, _)| indications.present >> index & 1 != 0);
        present.fold(SpatialSet::default(), |set, (_, target)| set.with(SpatialSet::only(target.spatial)))
    }

    fn opens_upper(&self, template: Template, indications: Indications) -> bool {
        self.targets().any(|(index, target)| {
            indications.switch >> index & 1 != 0
                && target.spatial == template.spatial
                && target.temporal > template.temporal
        })
    }
}

#[cfg(test)]
#[path = "dependency_descriptor_tests.rs"]
mod tests;
