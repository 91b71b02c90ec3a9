//! The traces that ship with the crate: made up, with the shapes of measured ones (`loadtest/traces/README.md`).

use crate::CapacityTrace;

macro_rules! shipped {
    ($($(#[$doc:meta])+ $name:ident = $file:literal;)+) => {
        impl CapacityTrace {
            $(
                $(#[$doc])+
                #[must_use]
                pub fn $name() -> Self {
                    Self::parse_csv(include_str!(concat!("../../traces/", $file))).expect("a shipped trace is well formed")
                }
            )+
        }

        #[cfg(test)]
        const SHIPPED: &[(&str, fn() -> CapacityTrace)] = &[$(($file, CapacityTrace::$name)),+];
    };
}

shipped! {
    /// A drive on 5G: tens of megabits with holes, and stretches that fall back to 4G and 3G.
    drive_5g = "drive_5g.csv";
    /// A drive on 4G: a few megabits to tens, moving slowly.
    drive_4g = "drive_4g.csv";
    /// A drive on 3G: around one megabit in bins of 100 ms, with short outages.
    drive_3g = "drive_3g.csv";
    /// An office's Wi-Fi: tens of megabits with dips when others send.
    office_wifi = "office_wifi.csv";
    /// At a desk on 5G: tens of megabits with rare pauses.
    static_5g_good = "static_5g_good.csv";
    /// At a desk in a busy cell of 5G: from one to tens of megabits, with seconds that others take.
    static_5g_variable = "static_5g_variable.csv";
    /// The uplink of a millimetre-wave cell: beams that are blocked for seconds, in bins of 100 ms.
    mmwave_uplink = "mmwave_uplink.csv";
    /// A good 4G link that goes dark for two, five and ten seconds.
    blackout = "blackout.csv";
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use protocol::units::Bitrate;

    #[test]
    fn shipped_traces_are_what_their_names_say() {
        let means_kbps = [
            15_000..40_000,
            4_000..16_000,
            600..2_000,
            18_000..40_000,
            40_000..90_000,
            5_000..20_000,
            3_000..15_000,
            4_000..12_000,
        ];
        for ((file, trace), mean) in SHIPPED.iter().zip(means_kbps) {
            let trace = trace();
            assert!(mean.contains(&trace.mean().as_kbps()), "{file}: {}", trace.mean());
            assert!(trace.period() >= Duration::from_secs(60), "{file}: {:?}", trace.period());
            assert!(trace.rows().iter().all(|row| row.class.is_some()), "{file}");
        }
    }

    #[test]
    fn the_blackout_goes_dark_for_two_five_and_ten_seconds() {
        let trace = CapacityTrace::blackout();
        let dark = trace
            .rows()
            .split(|row| row.capacity > Bitrate::ZERO)
            .map(<[_]>::len)
            .filter(|length| *length > 0);
        assert_eq!(dark.collect::<Vec<_>>(), [2, 5, 10]);
    }
}
