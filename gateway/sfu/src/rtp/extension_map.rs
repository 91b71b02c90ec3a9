//! Which id stands for which header extension on one leg, as its SDP agreed, and what the
//! extensions of a packet say under that agreement.

use crate::rtp::header::RtpHeader;
use crate::rtp::header_extension::HeaderExtension;

/// The ids of one leg. Ids lie between 1 and 255, without 15 (RFC 8285 §4.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtensionMap {
    ids: [u8; HeaderExtension::ALL.len()],
}

impl ExtensionMap {
    /// Gives an extension its id; ids that RFC 8285 reserves are refused with `false`.
    pub(crate) fn insert(&mut self, extension: HeaderExtension, id: u8) -> bool {
        if id == 0 || id == 15 {
            return false;
        }
        self.ids[extension as usize] = id;
        true
    }

    /// Learns what another media description of the same bundle has agreed on.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (id, learned) in self.ids.iter_mut().zip(other.ids) {
            if learned != 0 {
                *id = learned;
            }
        }
    }

    /// The id of an extension, where it was agreed.
    #[must_use]
    pub(crate) fn id(&self, extension: HeaderExtension) -> Option<u8> {
        let id = self.ids[extension as usize];
        (id != 0).then_some(id)
    }

    /// What was agreed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (HeaderExtension, u8)> + '_ {
        HeaderExtension::ALL.into_iter().filter_map(|extension| Some((extension, self.id(extension)?)))
    }

    /// The extension of an id, where it was agreed.
    #[must_use]
    pub(crate) fn extension(&self, id: u8) -> Option<HeaderExtension> {
        if id == 0 {
            return None;
        }
        HeaderExtension::ALL.into_iter().find(|&extension| self.ids[extension as usize] == id)
    }
}

impl FromIterator<(HeaderExtension, u8)> for ExtensionMap {
    fn from_iter<T: IntoIterator<Item = (HeaderExtension, u8)>>(agreed: T) -> Self {
        let mut map = Self::default();
        for (extension, id) in agreed {
            map.insert(extension, id);
        }
        map
    }
}

/// What the agreed extensions of one packet say. Elements of a wrong size count as absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtensionValues<'a> {
    /// The media description.
    pub(crate) mid: Option<&'a [u8]>,
    /// The encoding.
    pub(crate) rid: Option<&'a [u8]>,
    /// The encoding that a repair packet repairs.
    pub(crate) repaired_rid: Option<&'a [u8]>,
    /// The transport-wide sequence number.
    pub(crate) transport_sequence: Option<u16>,
    /// When it left, 6.18 fixed-point seconds.
    pub(crate) abs_send_time: Option<u32>,
    /// The byte of RFC 6464: voice activity in the top bit, then -dBov.
    pub(crate) audio_level: Option<u8>,
    /// The byte of 3GPP TS 26.114 §7.4.5.
    pub(crate) video_orientation: Option<u8>,
    /// The dependency descriptor as it is.
    pub(crate) dependency_descriptor: Option<&'a [u8]>,
}

impl<'a> ExtensionValues<'a> {
    /// Reads all extensions of a packet in one pass.
    #[must_use]
    pub(crate) fn read(header: &RtpHeader<'a>, map: &ExtensionMap) -> Self {
        let mut values = Self::default();
        for (id, value) in header.extensions() {
            let Some(extension) = map.extension(id) else { continue };
            match extension {
                HeaderExtension::Mid => values.mid = Some(value),
                HeaderExtension::Rid => values.rid = Some(value),
                HeaderExtension::RepairedRid => values.repaired_rid = Some(value),
                HeaderExtension::TransportSequence => {
                    values.transport_sequence = value.try_into().ok().map(u16::from_be_bytes);
                }
                HeaderExtension::AbsSendTime => {
                    values.abs_send_time = <[u8; 3]>::try_from(value)
                        .ok()
                        .map(|[high, middle, low]| u32::from_be_bytes([0, high, middle, low]));
                }
                // Two-byte headers may carry more than the one byte that means something.
                HeaderExtension::AudioLevel => values.audio_level = value.first().copied(),
                HeaderExtension::VideoOrientation => values.video_orientation = value.first().copied(),
                HeaderExtension::DependencyDescriptor => values.dependency_descriptor = Some(value),
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_both_ways_and_reserved_ones_are_refused() {
        let mut map = ExtensionMap::default();
        assert!(map.insert(HeaderExtension::Mid, 4));
        assert!(!map.insert(HeaderExtension::Rid, 0));
        assert!(!map.insert(HeaderExtension::Rid, 15));
        assert_eq!(map.id(HeaderExtension::Mid), Some(4));
        assert_eq!(map.extension(4), Some(HeaderExtension::Mid));
        assert_eq!(map.id(HeaderExtension::Rid), None);
        assert_eq!(map.extension(0), None);
        assert_eq!(map.extension(5), None);
    }

    #[test]
    fn values_of_a_wrong_size_are_absent() {
        let map: ExtensionMap = [
            (HeaderExtension::Mid, 1),
            (HeaderExtension::TransportSequence, 2),
            (HeaderExtension::AbsSendTime, 3),
            (HeaderExtension::AudioLevel, 4),
        ]
        .into_iter()
        .collect();
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xBE, 0xDE, 0, 3];
        packet.extend([0x10, b'a', 0x21, 1, 2, 0x31, 9, 9, 0x40, 0x85, 0, 0]);
        let header = RtpHeader::parse(&packet).expect("well formed");
        let values = ExtensionValues::read(&header, &map);
        let expected = ExtensionValues {
            mid: Some(b"a"),
            transport_sequence: Some(0x0102),
            audio_level: Some(0x85),
            ..ExtensionValues::default()
        };
        assert_eq!(values, expected);
    }
}
