//! Every figure of the lab: its name, its unit, what it has to be, and how several runs make one.

use super::quantile::{mean, quantile};

/// How the values of all flows and runs become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathering {
    /// Their mean.
    Mean,
    /// The highest.
    Highest,
    /// The lowest.
    Lowest,
    /// The median of all occurrences.
    Median,
    /// Nineteen of twenty occurrences are at most so.
    P95,
}

macro_rules! figures {
    ($($name:ident: $title:literal, $unit:literal, $heading:literal, $gathering:ident, $text:literal;)+) => {
        /// Something that is measured of a flow.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Figure {
            $(#[doc = $text] $name,)+
        }

        impl Figure {
            /// All of them, in the order of tables.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// Its heading where many columns stand side by side.
            #[must_use]
            pub const fn heading(self) -> &'static str {
                match self { $(Self::$name => $heading,)+ }
            }

            /// Its unit.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$name => $unit,)+ }
            }

            /// How several values become one.
            #[must_use]
            pub const fn gathering(self) -> Gathering {
                match self { $(Self::$name => Gathering::$gathering,)+ }
            }

            /// What it is, exactly.
            #[must_use]
            pub const fn definition(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

figures! {
    Freeze: "freeze", "%", "freeze %", Mean,
        "Time in freezes, libwebrtc's rule over shown pictures: an interval longer than 3 times the average of the last 30 and than the average + 150 ms counts as a whole; over the time since the first picture.";
    FreezeBeyond: "freeze beyond outages", "%", "beyond %", Mean,
        "The same without the part of each freeze in which a link carried nothing.";
    LongestFreeze: "longest freeze", "s", "longest s", Highest,
        "The longest freeze.";
    LongestFreezeBeyond: "longest beyond outages", "s", "beyond s", Highest,
        "The longest freeze, less the part of it in which a link carried nothing.";
    Hd: "HD", "%", "HD %", Mean,
        "Seconds since the join at whose end a picture of 720 lines stands.";
    HdCeiling: "HD ceiling", "%", "ceiling %", Mean,
        "Seconds since the join in which both links carry 1.9 Mbit/s: what HD, a voice and their headers take.";
    HdFullRate: "HD at 24 fps", "%", "24 fps %", Mean,
        "Those of the HD seconds in which 24 pictures or more were shown.";
    HdWhenEligible: "HD when eligible", "%", "eligible %", Mean,
        "HD seconds among those in which both networks are HD-grade and both links carry 2.5 Mbit/s.";
    TimeToHd: "time to HD", "s", "to HD s", P95,
        "From the join to the first picture of 720 lines, where the links carry HD in the first 6 s.";
    BackToHd: "back to HD", "s", "back s", P95,
        "From the rise that the schedule names to the beginning of the first second of 720 lines with 24 pictures or more. Where it names none: from each second in which both networks are HD-grade and both links carry 2.5 Mbit/s again, for 15 s or until HD is back, where less was shown; no longer than they do.";
    FloorMedian: "back to floor p50", "s", "floor p50", Median,
        "From the second in which both links carry 1 Mbit/s again to the first picture of 480 lines, where less was shown; no longer than they carry it. Pairs whose classes keep them below it are left out.";
    FloorP95: "back to floor p95", "s", "floor p95", P95,
        "The same, for the slowest in twenty.";
    Switches: "switches", "/min", "switch/min", Mean,
        "Changes of the lines that are shown.";
    Flips: "HD flips", "/min", "flip/min", Mean,
        "Changes of HD permission as told to the subscriber, after the first grant.";
    Overload: "overload", "%", "over %", Mean,
        "Seconds in which more was sent than the subscriber's link carried.";
    Excess: "longest over 1.5x", "ms", ">1.5x ms", Highest,
        "The longest time on end in which every tenth of a second more than 1.5 times the capacity was sent, outages left out.";
    Downgrade: "downgrade p95", "ms", "down ms", P95,
        "From a step of the capacity below what was sent in the second before, to the beginning of the first half second in which no more is sent than the link carries.";
    Queue: "queue p95", "ms", "queue ms", Mean,
        "What a packet would wait for its turn, looked at every 50 ms.";
    Drops: "link drops", "%", "drop %", Mean,
        "Packets that the queue of the link refused.";
    Utilisation: "utilisation", "%", "used %", Mean,
        "Sent over what could be: the capacity, at most 1.9 Mbit/s. In seconds 8 s or more after the join and after any change of capacity by a tenth; where there are none, in all.";
    Concealed: "voice concealed", "%", "conceal %", Mean,
        "Time in which the voice was filled in, over the time since it was first heard.";
    ConcealedBeyond: "concealed beyond outages", "%", "beyond %", Mean,
        "The same without what lies in outages.";
    LongestGap: "longest gap", "ms", "gap ms", Highest,
        "The longest gap of the voice, outages left out.";
    OpinionP5: "MOS p5", "", "MOS p5", Lowest,
        "The E-model's score of the voice, of windows of 5 s without an outage; one window in twenty is at most so good.";
    Starved: "voice starved", "s", "starved s", Highest,
        "Whole seconds in which nothing of the voice was heard though both links carried 100 kbit/s or more.";
    OneWay: "one way p95", "ms", "way ms", Mean,
        "What a packet takes from the publisher to the subscriber, queues of both links included, looked at every 50 ms; without the gateway, and without what is on a dark link.";
    KeyFrameRequests: "PLI", "", "PLI", Mean,
        "Key frames that the subscriber asked for.";
    VoiceBack: "voice back", "ms", "voice ms", Highest,
        "From the end of an outage of 500 ms or more to the end of the gap in the voice.";
    PictureBack: "picture back", "ms", "picture ms", Highest,
        "From the end of an outage to the next picture.";
    EstimateBack: "estimate back", "s", "est. s", Highest,
        "From the end of an outage to 80 % of the estimate before it.";
    Fairness: "Jain", "", "Jain", Lowest,
        "Jain's index of what the flows that share a link are sent while all of them are there.";
    TcpShare: "TCP share", "%", "TCP %", Mean,
        "What a TCP transfer got of the shared link while it lasted.";
}

impl Gathering {
    /// One value of all; `None` where there is none.
    #[must_use]
    pub fn of(self, values: &[f64]) -> Option<f64> {
        match self {
            Self::Mean => mean(values),
            Self::Highest => values.iter().copied().max_by(f64::total_cmp),
            Self::Lowest => values.iter().copied().min_by(f64::total_cmp),
            Self::Median => quantile(values, 0.5),
            Self::P95 => quantile(values, 0.95),
        }
    }
}
