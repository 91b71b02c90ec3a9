//! Courses: the class of the network that a phone is on, second by second.

use std::path::{Path, PathBuf};

use protocol::network_class::NetworkClass::{self, FiveG, FourG, ThreeG};

/// A course with its name.
pub(crate) struct Course {
    pub(crate) name: String,
    pub(crate) labels: Vec<NetworkClass>,
}

/// Where recorded drives lie, if they do.
pub(crate) fn traces() -> Option<PathBuf> {
    let beside = || {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        above.map(|folder| folder.join("shared/traces")).find(|folder| folder.is_dir())
    };
    std::env::var_os("TRACES_DIR").map(PathBuf::from).or_else(beside).filter(|folder| folder.is_dir())
}

/// The recorded drives of a folder.
pub(crate) fn recorded(folder: &Path) -> Vec<Course> {
    let entries = std::fs::read_dir(folder).expect("a readable folder").flatten();
    let mut courses: Vec<Course> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name.starts_with("ucc_") && name.ends_with(".csv"))
                .then(|| Course { labels: read(&entry.path()), name })
        })
        .collect();
    courses.sort_by(|one, other| one.name.cmp(&other.name));
    courses
}

fn read(path: &Path) -> Vec<NetworkClass> {
    let text = std::fs::read_to_string(path).expect("a readable trace");
    let class = |line: &str| {
        let word = line.split(',').nth(2)?.to_owned();
        NetworkClass::ALL.into_iter().find(|class| class.as_str() == word)
    };
    text.lines().skip(1).filter_map(class).collect()
}

/// Numbers that look drawn, and are the same each time.
#[derive(Debug, Clone)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    /// From zero to one.
    pub(crate) fn share(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + self.share() * (most - least)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.share() * bound as f64) as usize).min(bound - 1)
    }
}

/// Drives whose segments last as those of real ones: a quarter under 5 s, half under 30 s, and long ones.
pub(crate) fn synthetic(seed: u64, seconds: usize) -> Course {
    let mut draw = Draw(seed);
    let mut labels = Vec::with_capacity(seconds);
    let mut class = FiveG;
    while labels.len() < seconds {
        let length = match draw.below(4) {
            0 => draw.between(1.0, 5.0),
            1 => draw.between(5.0, 30.0),
            _ => draw.between(30.0, 240.0),
        };
        labels.extend(std::iter::repeat_n(class, length as usize));
        let others: Vec<NetworkClass> =
            [FiveG, FourG, ThreeG].into_iter().filter(|it| *it != class).collect();
        class = others[draw.below(others.len())];
    }
    labels.truncate(seconds);
    Course { name: format!("synthetic {seed}"), labels }
}
