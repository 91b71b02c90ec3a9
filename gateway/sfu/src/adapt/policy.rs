//! The policy matrix as pure functions: what a directed pair of network classes may have at most.
//! A cap is an upper bound and never a promise; measurement decides below it.

use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::HdMode;
use protocol::track::TrackSource;

/// On what terms a directed pair of classes may have HD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HdTerms {
    /// Both ends are HD-grade: a call starts high, and measurement confirms or withdraws it.
    Usual,
    /// One end is on 4G, whose label promises little: only after its links have shown the room for long.
    Guarded,
}

/// The terms of a pair, if its classes allow HD at all. 5G falls back to 4G and returns without anybody's doing,
/// so that 4G may have it beside 5G where the mode asks what a network carries and not what it is called.
#[must_use]
pub const fn hd_terms(mode: HdMode, publisher: NetworkClass, subscriber: NetworkClass) -> Option<HdTerms> {
    match (mode, publisher, subscriber) {
        _ if hd_grade(mode, publisher) && hd_grade(mode, subscriber) => Some(HdTerms::Usual),
        (HdMode::Equivalent, NetworkClass::FiveG, NetworkClass::FourG)
        | (HdMode::Equivalent, NetworkClass::FourG, NetworkClass::FiveG) => Some(HdTerms::Guarded),
        (HdMode::Strict | HdMode::Equivalent, ..) => None,
    }
}

/// The most that a directed pair of classes may have of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PairCap {
    /// The highest rung.
    pub rung: Rung,
    /// The highest rung once both legs have carried enough for a while.
    pub sustained: Rung,
    /// The highest temporal layer.
    pub max_temporal: u8,
}

/// Whether a class may have HD at all.
#[must_use]
pub const fn hd_grade(mode: HdMode, class: NetworkClass) -> bool {
    match (mode, class) {
        (HdMode::Strict | HdMode::Equivalent, NetworkClass::FiveG)
        | (HdMode::Equivalent, NetworkClass::Wired | NetworkClass::Wifi) => true,
        (HdMode::Strict, NetworkClass::Wired | NetworkClass::Wifi)
        | (
            HdMode::Strict | HdMode::Equivalent,
            NetworkClass::FourG
            | NetworkClass::ThreeG
            | NetworkClass::TwoG
            | NetworkClass::Cell
            | NetworkClass::Unknown,
        ) => false,
    }
}

/// The cap of a directed pair for a source.
#[must_use]
pub fn cap(mode: HdMode, source: TrackSource, publisher: NetworkClass, subscriber: NetworkClass) -> PairCap {
    match source {
        TrackSource::Camera => camera_cap(mode, publisher, subscriber),
        // A shared image is what the consult is about: only the links themselves limit it.
        TrackSource::Screen => PairCap { rung: Rung::P1080, sustained: Rung::P1080, max_temporal: FULL_RATE },
        TrackSource::Microphone => capped(Rung::AudioOnly),
    }
}

/// Orders classes by what they allow; classes of equal merit allow the same, in `HdMode::Strict` too,
/// except that 5G alone is HD-grade there.
#[must_use]
pub(super) const fn merit(class: NetworkClass) -> u8 {
    match class {
        NetworkClass::TwoG => 0,
        NetworkClass::ThreeG => 1,
        NetworkClass::Cell | NetworkClass::Unknown => 2,
        NetworkClass::FourG => 3,
        NetworkClass::Wired | NetworkClass::Wifi => 4,
        NetworkClass::FiveG => 5,
    }
}

/// The rows and columns of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    FiveG,
    Fixed,
    FourG,
    Vague,
    ThreeG,
    TwoG,
}

impl Group {
    const fn of(class: NetworkClass) -> Self {
        match class {
            NetworkClass::FiveG => Self::FiveG,
            NetworkClass::Wired | NetworkClass::Wifi => Self::Fixed,
            NetworkClass::FourG => Self::FourG,
            NetworkClass::Cell | NetworkClass::Unknown => Self::Vague,
            NetworkClass::ThreeG => Self::ThreeG,
            NetworkClass::TwoG => Self::TwoG,
        }
    }
}

fn camera_cap(mode: HdMode, publisher: NetworkClass, subscriber: NetworkClass) -> PairCap {
    if hd_terms(mode, publisher, subscriber).is_some() {
        return capped(Rung::P720);
    }
    match (Group::of(publisher), Group::of(subscriber)) {
        (Group::TwoG, Group::FiveG) | (Group::FiveG | Group::Fixed, Group::TwoG) => presence(),
        (Group::TwoG, _) | (_, Group::TwoG) => capped(Rung::AudioOnly),
        (Group::ThreeG, Group::ThreeG) => capped(Rung::P180),
        (Group::ThreeG, _) | (_, Group::ThreeG) | (Group::Vague, Group::Vague) => capped(Rung::P360),
        (Group::FourG, Group::Vague) | (Group::Vague, Group::FourG) => {
            PairCap { rung: Rung::P360, sustained: Rung::P480, max_temporal: FULL_RATE }
        }
        // A pair with one end on 4G lowers by itself.
        (Group::FiveG | Group::Fixed | Group::FourG, Group::FiveG | Group::Fixed | Group::FourG)
        | (Group::FiveG | Group::Fixed, Group::Vague)
        | (Group::Vague, Group::FiveG | Group::Fixed) => capped(Rung::P480),
    }
}

const fn capped(rung: Rung) -> PairCap {
    PairCap { rung, sustained: rung, max_temporal: FULL_RATE }
}

/// A small picture of 7 frames per second.
const fn presence() -> PairCap {
    PairCap { rung: Rung::P180, sustained: Rung::P180, max_temporal: 0 }
}

/// The temporal layer at which nothing is left out.
pub(super) const FULL_RATE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [NetworkClass; 6] = [
        NetworkClass::FiveG,
        NetworkClass::Wifi,
        NetworkClass::FourG,
        NetworkClass::Cell,
        NetworkClass::ThreeG,
        NetworkClass::TwoG,
    ];

    /// Rows publish, columns subscribe: 5g, fixed, 4g, vague, 3g, 2g. `R2~` is 360p, 480p once
    /// sustained. What 4G may have beside 5G waits for its HD permission.
    fn assert_matrix(mode: HdMode, matrix: [&str; 6]) {
        for (publisher, row) in CLASSES.into_iter().zip(matrix) {
            for (subscriber, cell) in CLASSES.into_iter().zip(row.split_whitespace()) {
                let expected = match cell {
                    "R4" => capped(Rung::P720),
                    "R3" => capped(Rung::P480),
                    "R2~" => PairCap { sustained: Rung::P480, ..capped(Rung::P360) },
                    "R2" => capped(Rung::P360),
                    "R1" => capped(Rung::P180),
                    "R1@7" => presence(),
                    "R0" => capped(Rung::AudioOnly),
                    other => panic!("{other}"),
                };
                let found = cap(mode, TrackSource::Camera, publisher, subscriber);
                assert_eq!(found, expected, "{mode:?}: {publisher} to {subscriber}");
            }
        }
    }

    #[test]
    fn strict_matrix() {
        assert_matrix(
            HdMode::Strict,
            [
                "R4   R3   R3  R3  R2 R1@7",
                "R3   R3   R3  R3  R2 R1@7",
                "R3   R3   R3  R2~ R2 R0",
                "R3   R3   R2~ R2  R2 R0",
                "R2   R2   R2  R2  R1 R0",
                "R1@7 R0   R0  R0  R0 R0",
            ],
        );
    }

    #[test]
    fn equivalent_matrix() {
        assert_matrix(
            HdMode::Equivalent,
            [
                "R4   R4   R4  R3  R2 R1@7",
                "R4   R4   R3  R3  R2 R1@7",
                "R4   R3   R3  R2~ R2 R0",
                "R3   R3   R2~ R2  R2 R0",
                "R2   R2   R2  R2  R1 R0",
                "R1@7 R0   R0  R0  R0 R0",
            ],
        );
    }

    #[test]
    fn classes_of_one_group_are_alike() {
        for mode in [HdMode::Strict, HdMode::Equivalent] {
            for class in NetworkClass::ALL {
                for (one, other) in
                    [(NetworkClass::Wired, NetworkClass::Wifi), (NetworkClass::Cell, NetworkClass::Unknown)]
                {
                    let camera = TrackSource::Camera;
                    assert_eq!(cap(mode, camera, class, one), cap(mode, camera, class, other));
                    assert_eq!(cap(mode, camera, one, class), cap(mode, camera, other, class));
                    assert_eq!(hd_grade(mode, one), hd_grade(mode, other));
                }
            }
        }
    }

    #[test]
    fn hd_needs_two_hd_grade_ends_or_4g_beside_5g() {
        for mode in [HdMode::Strict, HdMode::Equivalent] {
            for publisher in NetworkClass::ALL {
                for subscriber in NetworkClass::ALL {
                    let found = cap(mode, TrackSource::Camera, publisher, subscriber);
                    let grades = [publisher, subscriber].map(|class| hd_grade(mode, class));
                    let mixed = [publisher, subscriber].contains(&NetworkClass::FourG)
                        && [publisher, subscriber].contains(&NetworkClass::FiveG);
                    let guarded = mode == HdMode::Equivalent && mixed;
                    assert_eq!(found.rung >= Rung::HD, grades == [true, true] || guarded);
                }
            }
        }
    }

    #[test]
    fn content_is_not_capped_by_class() {
        let found = cap(HdMode::Strict, TrackSource::Screen, NetworkClass::ThreeG, NetworkClass::TwoG);
        assert_eq!(found.rung, Rung::P1080);
    }
}
