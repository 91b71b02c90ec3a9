//! What ties the signed reports of a shell to one transport: the nonce, their order, and how late they come.
//! The signature itself is verified before a claim comes here, off the media plane.

use std::time::{Duration, Instant};

use protocol::attestation::AttestedClaim;
use protocol::id::ShellNonce;

use super::classifier::ReportRefused;
use super::evidence::NATIVE_LIFETIME;

/// The reports of one transport.
#[derive(Debug, Clone, Default)]
pub(super) struct Attestation {
    nonce: Option<ShellNonce>,
    last: Option<(u32, u64)>,
    /// The first report: when it came, and when its device says it was made.
    origin: Option<(Instant, u64)>,
    /// How late a report may be: the least that one was, and so what the way itself takes.
    least_lag: f64,
}

impl Attestation {
    /// Begins anew for another transport; the nonce that is known already changes nothing.
    pub(super) fn bind(&mut self, nonce: ShellNonce) {
        if self.nonce != Some(nonce) {
            *self = Self { nonce: Some(nonce), ..Self::default() };
        }
    }

    /// Admits a claim and says when it was made, by the clock of this side.
    ///
    /// Whoever passes reports on may hold back what it does not like, and deliver an older one later. The two
    /// clocks are compared by what passes on them between reports, so neither has to be right.
    pub(super) fn admit(&mut self, now: Instant, claim: &AttestedClaim) -> Result<Instant, ReportRefused> {
        if self.nonce != Some(claim.nonce) {
            return Err(ReportRefused::ForeignNonce);
        }
        if self.last.is_some_and(|(sequence, time)| claim.sequence <= sequence || claim.time_ms < time) {
            return Err(ReportRefused::Stale);
        }
        let (heard_first, made_first) = *self.origin.get_or_insert((now, claim.time_ms));
        let passed = now.saturating_duration_since(heard_first).as_secs_f64();
        let passed_there = Duration::from_millis(claim.time_ms.saturating_sub(made_first)).as_secs_f64();
        let lag = passed - passed_there;
        self.least_lag = self.least_lag.min(lag);
        let age = Duration::try_from_secs_f64(lag - self.least_lag).unwrap_or_default();
        self.last = Some((claim.sequence, claim.time_ms));
        if age > NATIVE_LIFETIME {
            return Err(ReportRefused::Late);
        }
        Ok(now.checked_sub(age).unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use protocol::network_class::NetworkClass;

    use super::*;

    const NONCE: ShellNonce = ShellNonce::from_bits(1);

    fn claim(sequence: u32, time_ms: u64) -> AttestedClaim {
        AttestedClaim { nonce: NONCE, sequence, class: NetworkClass::FiveG, time_ms }
    }

    /// Milliseconds at which a claim comes, its number and its time, and what becomes of it.
    type Step = (u64, AttestedClaim, Result<u64, ReportRefused>);

    #[track_caller]
    fn assert_course(steps: &[Step]) {
        let start = crate::testing::origin();
        let mut attestation = Attestation::default();
        attestation.bind(NONCE);
        for (at, claim, outcome) in steps {
            let now = start + Duration::from_millis(*at);
            let made = attestation.admit(now, claim).map(|made| (made - start).as_millis() as u64);
            assert_eq!(made, *outcome, "at {at} ms: {claim:?}");
        }
    }

    #[test]
    fn only_the_nonce_of_the_transport_counts() {
        let mut attestation = Attestation::default();
        let now = crate::testing::origin();
        assert_eq!(attestation.admit(now, &claim(1, 0)), Err(ReportRefused::ForeignNonce));
        attestation.bind(NONCE);
        assert!(attestation.admit(now, &claim(5, 0)).is_ok());
        attestation.bind(NONCE);
        assert_eq!(attestation.admit(now, &claim(5, 0)), Err(ReportRefused::Stale), "bound already");
        attestation.bind(ShellNonce::from_bits(2));
        assert_eq!(attestation.admit(now, &claim(6, 0)), Err(ReportRefused::ForeignNonce));
    }

    #[test]
    fn numbers_and_times_only_grow() {
        assert_course(&[
            (0, claim(1, 70_000), Ok(0)),
            (1_000, claim(1, 71_000), Err(ReportRefused::Stale)),
            (2_000, claim(0, 72_000), Err(ReportRefused::Stale)),
            (3_000, claim(2, 69_000), Err(ReportRefused::Stale)),
            (4_000, claim(3, 74_000), Ok(4_000)),
        ]);
    }

    #[test]
    fn a_report_that_was_held_back_is_as_old_as_it_is() {
        assert_course(&[
            (1_000, claim(1, 500), Ok(1_000)),
            (10_000, claim(2, 1_500), Ok(2_000)),
            (20_000, claim(3, 3_000), Err(ReportRefused::Late)),
            (21_000, claim(4, 20_500), Ok(21_000)),
        ]);
    }

    #[test]
    fn a_quicker_way_shows_how_late_others_are() {
        assert_course(&[
            (5_000, claim(1, 0), Ok(5_000)),
            (6_000, claim(2, 5_000), Ok(6_000)),
            (18_000, claim(3, 6_000), Err(ReportRefused::Late)),
        ]);
    }
}
