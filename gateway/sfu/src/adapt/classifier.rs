//! Which network a participant is on: evidence of every kind fused into one verdict, with a dwell
//! against labels that flap. Driven by STUN requests, reports, addresses and time.

use std::time::{Duration, Instant};

use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};

use super::evidence::{Evidence, EvidenceSource, Family, Trust, class_of_cost, class_of_report};
use super::policy;

/// The verdict on a participant's network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The class.
    pub class: NetworkClass,
    /// How probable it is, given the evidence; zero without any.
    pub confidence: f64,
    /// The trust in the evidence that decided.
    pub trust: Trust,
    /// More than a claim stands behind it: enough for HD on probation.
    pub proven: bool,
}

impl Verdict {
    /// The verdict without evidence.
    pub const NONE: Self =
        Self { class: NetworkClass::Unknown, confidence: 0.0, trust: Trust::Hint, proven: false };
}

/// Why a report was not taken into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ReportRefused {
    /// Its sequence is not above that of the last report of the same source.
    #[error("an older or repeated report")]
    Stale,
    /// More reports than [`MAX_REPORTS_PER_SECOND`].
    #[error("more than {MAX_REPORTS_PER_SECOND} reports within a second")]
    TooOften,
}

/// A radio changes a few times a minute; a page that says more is broken or hostile.
pub const MAX_REPORTS_PER_SECOND: usize = 5;

/// Fuses the evidence about one participant's network.
#[derive(Debug, Clone)]
pub struct NetworkClassifier {
    accept_unattested_5g: bool,
    evidence: [Option<Evidence>; EvidenceSource::COUNT],
    sequences: [Option<u32>; 3],
    recent_reports: [Option<Instant>; MAX_REPORTS_PER_SECOND],
    network_id: Option<u16>,
    first_evidence: Option<Instant>,
    network_changed: Option<Instant>,
    verdict: Verdict,
    pending: Option<Pending>,
    evaluated: Option<Instant>,
}

/// A change of class that waits for its dwell.
#[derive(Debug, Clone, Copy)]
struct Pending {
    direction: Direction,
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// A claim that takes part in one fusion.
#[derive(Debug, Clone, Copy)]
struct Claim {
    source: EvidenceSource,
    class: NetworkClass,
    trust: Trust,
    weight: f64,
}

impl NetworkClassifier {
    /// Makes a classifier without evidence. `accept_unattested_5g` takes a mere claim of 5G for proof.
    #[must_use]
    pub fn new(accept_unattested_5g: bool) -> Self {
        Self {
            accept_unattested_5g,
            evidence: [None; EvidenceSource::COUNT],
            sequences: [None; 3],
            recent_reports: [None; MAX_REPORTS_PER_SECOND],
            network_id: None,
            first_evidence: None,
            network_changed: None,
            verdict: Verdict::NONE,
            pending: None,
            evaluated: None,
        }
    }

    /// Takes the GOOG_NETWORK_INFO (0xC057) of an authenticated STUN request on the selected pair.
    pub fn handle_network_cost(&mut self, now: Instant, network_id: u16, cost: u16) {
        if self.network_id.is_some_and(|known| known != network_id) {
            self.change_network(now);
            self.forget(EvidenceSource::Stun);
        }
        self.network_id = Some(network_id);
        if let Some((class, trust)) = class_of_cost(cost) {
            self.learn(Evidence { source: EvidenceSource::Stun, class, trust, heard: now });
        }
        self.evaluate(now);
    }

    /// Takes what the page or its shell says.
    ///
    /// # Errors
    ///
    /// [`ReportRefused`] where it is out of order or one too many; nothing changes then.
    pub fn handle_report(&mut self, now: Instant, report: &NetworkReport) -> Result<(), ReportRefused> {
        self.admit_report(now)?;
        let last = &mut self.sequences[report_index(report.source)];
        if last.is_some_and(|last| report.sequence <= last) {
            return Err(ReportRefused::Stale);
        }
        *last = Some(report.sequence);
        let source = EvidenceSource::Report(report.source);
        match class_of_report(report.source, report.class) {
            Some((class, trust)) => self.learn(Evidence { source, class, trust, heard: now }),
            None => self.forget(source),
        }
        self.evaluate(now);
        Ok(())
    }

    /// Takes the class of the site profile that the media source address matches, whenever that address
    /// is first known or changes.
    pub fn handle_address(&mut self, now: Instant, site: Option<NetworkClass>) {
        let source = EvidenceSource::Site;
        let known = self.evidence[source.index()].map(|evidence| evidence.class);
        if known != site {
            self.change_network(now);
        }
        match site {
            Some(class) => self.learn(Evidence { source, class, trust: Trust::Site, heard: now }),
            None => self.forget(source),
        }
        self.evaluate(now);
    }

    /// Takes what the mobile network operator says; to be repeated at least once a minute.
    pub fn handle_operator(&mut self, now: Instant, class: NetworkClass) {
        let source = EvidenceSource::Operator;
        if class == NetworkClass::Unknown {
            self.forget(source);
        } else {
            self.learn(Evidence { source, class, trust: Trust::Operator, heard: now });
        }
        self.evaluate(now);
    }

    /// Takes note that a new signaling session speaks for the participant: its report numbers start anew.
    pub fn handle_new_session(&mut self) {
        self.sequences = [None; 3];
    }

    /// Takes note that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.evaluate(now);
    }

    /// When the verdict may change by itself.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let evaluated = self.evaluated?;
        let dwell = self.pending.map(|pending| pending.since + dwell(pending.direction));
        let fading =
            self.evidence.iter().flatten().filter(|evidence| evidence.is_alive(evaluated)).filter_map(
                |evidence| {
                    let fades_at = evidence.fades_at()?;
                    Some(if fades_at > evaluated { fades_at } else { evaluated + FADE_STEP })
                },
            );
        fading.chain(dwell).min()
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn admit_report(&mut self, now: Instant) -> Result<(), ReportRefused> {
        let second_ago = now.checked_sub(Duration::from_secs(1));
        let free = self.recent_reports.iter_mut().find(|at| at.is_none() || *at <= &mut second_ago.clone());
        *free.ok_or(ReportRefused::TooOften)? = Some(now);
        Ok(())
    }

    fn learn(&mut self, evidence: Evidence) {
        self.first_evidence.get_or_insert(evidence.heard);
        self.evidence[evidence.source.index()] = Some(evidence);
    }

    fn forget(&mut self, source: EvidenceSource) {
        self.evidence[source.index()] = None;
    }

    /// On another network, what the shell said of the one before no longer counts.
    fn change_network(&mut self, now: Instant) {
        self.network_changed = Some(now);
        for slot in &mut self.evidence {
            let outlived = slot.is_some_and(|evidence| {
                matches!(evidence.source, EvidenceSource::Report(_))
                    && now.saturating_duration_since(evidence.heard) > HANDOVER_SKEW
            });
            if outlived {
                *slot = None;
            }
        }
    }

    fn evaluate(&mut self, now: Instant) {
        self.evaluated = Some(now);
        let target = self.fuse(now);
        if target.class == self.verdict.class {
            self.verdict = target;
            self.pending = None;
            return;
        }
        let Some(direction) = self.direction_to(target.class) else {
            return self.adopt(target);
        };
        if self.skips_dwell(now, target.class, direction) {
            return self.adopt(target);
        }
        let pending = match self.pending {
            Some(pending) if pending.direction == direction => pending,
            Some(_) | None => Pending { direction, since: now },
        };
        self.pending = Some(pending);
        if now.saturating_duration_since(pending.since) >= dwell(direction) {
            self.adopt(target);
        }
    }

    fn adopt(&mut self, target: Verdict) {
        self.verdict = target;
        self.pending = None;
    }

    /// `None` where both classes allow the same.
    fn direction_to(&self, class: NetworkClass) -> Option<Direction> {
        match policy::merit(class).cmp(&policy::merit(self.verdict.class)) {
            std::cmp::Ordering::Less => Some(Direction::Down),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Direction::Up),
        }
    }

    fn skips_dwell(&self, now: Instant, class: NetworkClass, direction: Direction) -> bool {
        let within = |since: Option<Instant>, window: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) <= window)
        };
        if within(self.first_evidence, FIRST_VERDICT_WINDOW) {
            return true;
        }
        direction == Direction::Down
            && within(self.network_changed, HANDOVER_SKEW)
            && Family::of(class) != Family::of(self.verdict.class)
    }

    /// The verdict that the evidence alone suggests, without dwell.
    ///
    /// The most trusted claim leads. Whoever else knows the generation, and the device itself in any case,
    /// can only pull it down: to ask for less needs no proof.
    fn fuse(&self, now: Instant) -> Verdict {
        let claims = self.claims(now);
        let lead = claims.iter().flatten().filter(|claim| claim.weight > 0.0).max_by_key(|claim| {
            (claim.trust, is_specific(claim.class), std::cmp::Reverse(policy::merit(claim.class)))
        });
        let lead_class = lead.map_or(NetworkClass::Unknown, |claim| claim.class);
        let lowest = claims
            .iter()
            .flatten()
            .filter(|claim| claim.source.is_device() || claim.trust >= Trust::Native)
            .filter(|claim| pulls_down(claim.class, lead_class))
            .min_by_key(|claim| policy::merit(claim.class));
        let Some(decisive) = lowest.or(lead) else { return Verdict::NONE };
        self.judge(&claims, decisive)
    }

    fn judge(&self, claims: &[Option<Claim>], decisive: &Claim) -> Verdict {
        let log_odds: f64 =
            claims.iter().flatten().map(|claim| claim.weight * agreement(claim, decisive)).sum();
        let confidence = 1.0 / (1.0 + (-log_odds).exp());
        let attested = decisive.trust >= Trust::Native;
        let Claim { class, trust, .. } = *decisive;
        if class != NetworkClass::FiveG {
            let seen_by_ice = decisive.source == EvidenceSource::Stun;
            return Verdict { class, confidence, trust, proven: attested || seen_by_ice };
        }
        if (attested && confidence >= PROOF_OF_5G) || self.accept_unattested_5g {
            return Verdict { class, confidence, trust, proven: true };
        }
        Verdict { class: NetworkClass::Cell, confidence, trust: Trust::Claim, proven: false }
    }

    /// The claims that survive the family veto. A device on Wi-Fi or a cable may well have a 5G radio, but
    /// its media does not use it. A site profile speaks of the address and not of the device, so a cable
    /// behind a 5G router does not contradict it.
    fn claims(&self, now: Instant) -> [Option<Claim>; EvidenceSource::COUNT] {
        let stun = self.evidence[EvidenceSource::Stun.index()]
            .filter(|evidence| evidence.is_alive(now))
            .map_or(Family::Unknown, |evidence| Family::of(evidence.class));
        let reported_local = self.evidence.iter().flatten().any(|evidence| {
            matches!(evidence.source, EvidenceSource::Report(_))
                && evidence.is_alive(now)
                && Family::of(evidence.class).is_local()
        });
        let local = stun.is_local() || (stun == Family::Unknown && reported_local);
        self.evidence.map(|slot| {
            let evidence = slot?;
            let alive = evidence.is_alive(now);
            let vetoed = match evidence.source {
                EvidenceSource::Stun => !alive,
                EvidenceSource::Report(_) => {
                    (local && evidence.class == NetworkClass::FiveG)
                        || (stun == Family::Cellular && Family::of(evidence.class).is_local())
                }
                EvidenceSource::Operator => local && evidence.class == NetworkClass::FiveG,
                EvidenceSource::Site => false,
            };
            let Evidence { source, class, trust, .. } = evidence;
            (!vetoed).then(|| Claim { source, class, trust, weight: evidence.weight(now) })
        })
    }
}

/// Whether `claim` asks for less than `lead`. "Some cellular network" says less than a generation does,
/// but it contradicts a cable or Wi-Fi.
fn pulls_down(claim: NetworkClass, lead: NetworkClass) -> bool {
    match claim {
        NetworkClass::FourG | NetworkClass::ThreeG | NetworkClass::TwoG => {
            policy::merit(claim) < policy::merit(lead)
        }
        NetworkClass::Cell => Family::of(lead).is_local(),
        NetworkClass::Wired | NetworkClass::Wifi | NetworkClass::FiveG | NetworkClass::Unknown => false,
    }
}

fn is_specific(class: NetworkClass) -> bool {
    class != NetworkClass::Cell
}

/// 1 where a claim supports the decisive one, −1 where it contradicts it, 0 where it says nothing about it.
fn agreement(claim: &Claim, decisive: &Claim) -> f64 {
    let same_family = Family::of(claim.class) == Family::of(decisive.class);
    let unspecific = !is_specific(claim.class) || !is_specific(decisive.class);
    if claim.class == decisive.class || (same_family && unspecific) {
        1.0
    } else if claim.source == EvidenceSource::Site || decisive.source == EvidenceSource::Site {
        0.0
    } else {
        -1.0
    }
}

const fn dwell(direction: Direction) -> Duration {
    match direction {
        Direction::Up => UP_DWELL,
        Direction::Down => DOWN_DWELL,
    }
}

const fn report_index(source: ReportSource) -> usize {
    match source {
        ReportSource::NetworkInformation => 0,
        ReportSource::Shell => 1,
        ReportSource::WechatMiniProgram => 2,
    }
}

/// A quarter of the 5G segments of real drives last less than this: they are not worth a change.
const UP_DWELL: Duration = Duration::from_secs(5);

/// A pair must be at 480 lines within 5 s of an end becoming 4G: 3 s here leave 2 s for the switch, and
/// still ride out the shortest flaps.
const DOWN_DWELL: Duration = Duration::from_secs(3);

/// Evidence of several sources trickles in while a participant joins; until it is complete the verdict
/// follows it at once, so that HD need not wait out a dwell that protects nothing yet.
const FIRST_VERDICT_WINDOW: Duration = Duration::from_secs(3);

/// How far the STUN request and the report that tell of the same handover lie apart.
const HANDOVER_SKEW: Duration = Duration::from_secs(2);

/// Confidence that 5G needs; one fresh attested statement gives 0.88.
const PROOF_OF_5G: f64 = 0.85;

/// How often fading evidence is looked at.
const FADE_STEP: Duration = Duration::from_millis(500);
