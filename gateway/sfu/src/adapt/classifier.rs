//! Which network a participant is on: evidence of every kind fused into one verdict, with a dwell
//! against labels that flap. Driven by STUN requests, reports, addresses and time.

use std::time::{Duration, Instant};

use protocol::attestation::AttestedClaim;
use protocol::id::ShellNonce;
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};

use super::attestation::Attestation;
use super::evidence::{Evidence, EvidenceSource, Family, Trust, class_of_cost, class_of_report, is_vpn_cost};
use super::fusion::{fuse, has_conflict};
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
    /// What else is known of the link.
    pub flags: NetworkFlags,
}

/// What is known of a link besides its class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NetworkFlags {
    /// Its traffic goes through a VPN: the class is that of the link below, and says less of what arrives.
    pub vpn: bool,
    /// The device is in another operator's network.
    pub roaming: bool,
    /// The user wants to save data.
    pub save_data: bool,
}

impl Verdict {
    /// The verdict without evidence.
    pub const NONE: Self = Self {
        class: NetworkClass::Unknown,
        confidence: 0.0,
        trust: Trust::Hint,
        proven: false,
        flags: NetworkFlags { vpn: false, roaming: false, save_data: false },
    };
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
    /// It is signed for another transport: of another participant, device or call.
    #[error("signed for another transport")]
    ForeignNonce,
    /// It was made too long ago, by the device's own clock.
    #[error("held back for too long")]
    Late,
}

impl ReportRefused {
    /// Every reason, in the order of metrics.
    pub const ALL: [Self; 4] = [Self::Stale, Self::TooOften, Self::ForeignNonce, Self::Late];

    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::TooOften => "too_often",
            Self::ForeignNonce => "foreign_nonce",
            Self::Late => "late",
        }
    }
}

/// A radio changes a few times a minute; a page that says more is broken or hostile.
pub const MAX_REPORTS_PER_SECOND: usize = 5;

/// Fuses the evidence about one participant's network.
#[derive(Debug, Clone)]
pub struct NetworkClassifier {
    accept_unattested_5g: bool,
    evidence: [Option<Evidence>; EvidenceSource::COUNT],
    flags: [NetworkFlags; ReportSource::ALL.len()],
    sequences: [Option<u32>; ReportSource::ALL.len()],
    attestation: Attestation,
    recent_reports: [Option<Instant>; MAX_REPORTS_PER_SECOND],
    network_id: Option<u16>,
    /// The network before this one, and when it ended.
    former_network: Option<(u16, Instant)>,
    vpn_by_cost: bool,
    in_trouble: bool,
    first_evidence: Option<Instant>,
    /// A source has said something else than before: what comes is no longer the pieces of a first verdict.
    is_contradictory: bool,
    network_changed: Option<Instant>,
    verdict: Verdict,
    pending: Option<Pending>,
    conflict: Option<Conflict>,
    conflicts: u32,
    evaluated: Option<Instant>,
}

/// Trusted sources that contradict each other.
#[derive(Debug, Clone, Copy)]
struct Conflict {
    since: Instant,
    is_counted: bool,
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

impl NetworkClassifier {
    /// Makes a classifier without evidence. `accept_unattested_5g` takes a mere claim of 5G for proof.
    #[must_use]
    pub fn new(accept_unattested_5g: bool) -> Self {
        Self {
            accept_unattested_5g,
            evidence: [None; EvidenceSource::COUNT],
            flags: [NetworkFlags::default(); ReportSource::ALL.len()],
            sequences: [None; ReportSource::ALL.len()],
            attestation: Attestation::default(),
            recent_reports: [None; MAX_REPORTS_PER_SECOND],
            network_id: None,
            former_network: None,
            vpn_by_cost: false,
            in_trouble: false,
            first_evidence: None,
            is_contradictory: false,
            network_changed: None,
            verdict: Verdict::NONE,
            pending: None,
            conflict: None,
            conflicts: 0,
            evaluated: None,
        }
    }

    /// Takes the GOOG_NETWORK_INFO (0xC057) of an authenticated STUN request on the selected pair.
    pub fn handle_network_cost(&mut self, now: Instant, network_id: u16, cost: u16) {
        if self.is_overtaken(now, network_id) {
            return;
        }
        if let Some(known) = self.network_id.filter(|known| *known != network_id) {
            self.former_network = Some((known, now));
            self.change_network(now);
            self.forget(EvidenceSource::Stun);
        }
        self.network_id = Some(network_id);
        if let Some((class, trust)) = class_of_cost(cost) {
            self.vpn_by_cost = is_vpn_cost(cost);
            self.learn(Evidence { source: EvidenceSource::Stun, class, trust, heard: now });
        }
        self.evaluate(now);
    }

    /// Takes the nonce of the transport that a participant now has: signed reports must carry it.
    pub fn handle_shell_nonce(&mut self, nonce: ShellNonce) {
        self.attestation.bind(nonce);
    }

    /// Takes what an enrolled app says; its signature has been verified.
    ///
    /// # Errors
    ///
    /// [`ReportRefused`] where it is not for this transport, or not in order; nothing changes then.
    pub fn handle_attested(&mut self, now: Instant, claim: &AttestedClaim) -> Result<(), ReportRefused> {
        self.admit_report(now)?;
        let heard = self.attestation.admit(now, claim)?;
        let source = EvidenceSource::AttestedApp;
        if claim.class == NetworkClass::Unknown {
            self.forget(source);
        } else {
            self.learn(Evidence { source, class: claim.class, trust: Trust::Vouched, heard });
        }
        self.evaluate(now);
        Ok(())
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
        let NetworkReport { save_data, vpn, roaming, .. } = *report;
        self.flags[report_index(report.source)] = NetworkFlags { vpn, roaming, save_data };
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
            Some(class) => self.learn(Evidence { source, class, trust: Trust::Vouched, heard: now }),
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

    /// Takes note of whether the link behaves badly: then a lower class is not waited for.
    pub fn handle_link(&mut self, now: Instant, in_trouble: bool) {
        if std::mem::replace(&mut self.in_trouble, in_trouble) != in_trouble {
            self.evaluate(now);
        }
    }

    /// Whether two trusted sources contradict each other at this moment.
    pub(super) fn is_contradicted(&self) -> bool {
        self.conflict.is_some()
    }

    /// The evidence that still counts.
    pub(super) fn evidence(&self, now: Instant) -> impl Iterator<Item = &Evidence> {
        self.evidence.iter().flatten().filter(move |evidence| evidence.is_alive(now))
    }

    /// Takes note that a new signaling session speaks for the participant: its report numbers start anew.
    /// Those of signed reports do not: they belong to the transport.
    pub fn handle_new_session(&mut self) {
        self.sequences = [None; ReportSource::ALL.len()];
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
        let uncounted = self.conflict.filter(|conflict| !conflict.is_counted);
        let conflict = uncounted.map(|conflict| conflict.since + CONFLICT_TOLERANCE);
        fading.chain(dwell).chain(conflict).min()
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many times trusted sources have contradicted each other for long, since the last call.
    pub fn take_conflicts(&mut self) -> u32 {
        std::mem::take(&mut self.conflicts)
    }

    /// Whether a request of the network before was overtaken by one of the present network on its way.
    fn is_overtaken(&self, now: Instant, network_id: u16) -> bool {
        self.former_network.is_some_and(|(former, ended)| {
            former == network_id && now.saturating_duration_since(ended) < REORDERING
        })
    }

    fn admit_report(&mut self, now: Instant) -> Result<(), ReportRefused> {
        let second_ago = now.checked_sub(Duration::from_secs(1));
        let free = self.recent_reports.iter_mut().find(|at| at.is_none() || *at <= &mut second_ago.clone());
        *free.ok_or(ReportRefused::TooOften)? = Some(now);
        Ok(())
    }

    fn learn(&mut self, evidence: Evidence) {
        self.first_evidence.get_or_insert(evidence.heard);
        let before = self.evidence[evidence.source.index()].replace(evidence);
        self.is_contradictory |= before.is_some_and(|before| before.class != evidence.class);
    }

    fn forget(&mut self, source: EvidenceSource) {
        self.evidence[source.index()] = None;
    }

    /// On another network, what was said of the one before no longer counts. What the user wants still does.
    fn change_network(&mut self, now: Instant) {
        self.network_changed = Some(now);
        self.vpn_by_cost = false;
        for slot in &mut self.evidence {
            let outlived = slot.filter(|evidence| {
                evidence.source.is_of_one_network()
                    && now.saturating_duration_since(evidence.heard) > HANDOVER_SKEW
            });
            let Some(evidence) = outlived else { continue };
            *slot = None;
            if let EvidenceSource::Report(source) = evidence.source {
                let flags = &mut self.flags[report_index(source)];
                *flags = NetworkFlags { save_data: flags.save_data, ..NetworkFlags::default() };
            }
        }
    }

    fn flags(&self) -> NetworkFlags {
        let any = |is_set: fn(&NetworkFlags) -> bool| self.flags.iter().any(is_set);
        NetworkFlags {
            vpn: self.vpn_by_cost || any(|flags| flags.vpn),
            roaming: any(|flags| flags.roaming),
            save_data: any(|flags| flags.save_data),
        }
    }

    fn evaluate(&mut self, now: Instant) {
        self.evaluated = Some(now);
        self.watch_conflict(now);
        let target = self.target(now);
        if target.class == self.verdict.class {
            self.verdict = target;
            self.pending = None;
            return;
        }
        // What else is known of the link does not wait for the class.
        self.verdict.flags = target.flags;
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

    fn watch_conflict(&mut self, now: Instant) {
        if !has_conflict(now, &self.evidence) {
            self.conflict = None;
            return;
        }
        let conflict = self.conflict.get_or_insert(Conflict { since: now, is_counted: false });
        if !conflict.is_counted && now.saturating_duration_since(conflict.since) >= CONFLICT_TOLERANCE {
            conflict.is_counted = true;
            self.conflicts = self.conflicts.saturating_add(1);
        }
    }

    /// The verdict that the evidence alone suggests, without dwell.
    fn target(&self, now: Instant) -> Verdict {
        let fused = fuse(now, &self.evidence, self.accept_unattested_5g);
        let flags = self.flags();
        let confidence = if flags.vpn { fused.confidence * VPN_DISCOUNT } else { fused.confidence };
        Verdict { flags, confidence, ..fused }
    }

    /// `None` where both classes allow the same. To know nothing any more is less than to know anything.
    fn direction_to(&self, class: NetworkClass) -> Option<Direction> {
        if class == NetworkClass::Unknown {
            return Some(Direction::Down);
        }
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
        let is_first = within(self.first_evidence, FIRST_VERDICT_WINDOW);
        if is_first && !(self.is_contradictory && direction == Direction::Up) {
            return true;
        }
        let on_another_network = within(self.network_changed, HANDOVER_SKEW)
            && Family::of(class) != Family::of(self.verdict.class);
        direction == Direction::Down && (on_another_network || self.in_trouble)
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
        ReportSource::Person => 3,
    }
}

/// A quarter of the 5G segments of real drives last less than this: they are not worth a change.
const UP_DWELL: Duration = Duration::from_secs(5);

/// A fifth of the changes of real drives are taken back within this time. It leaves a second of the five within
/// which a pair must be at 480 lines once an end has become 4G.
const DOWN_DWELL: Duration = Duration::from_secs(4);

/// Sources speak at different times, so after a change they contradict each other for a moment. All the while the
/// lower class waits for its dwell, which is longer than this.
const CONFLICT_TOLERANCE: Duration = Duration::from_secs(3);

/// How long after a handover a connectivity check of the former network may still arrive.
const REORDERING: Duration = Duration::from_secs(1);

/// What a VPN leaves of a verdict's confidence: the class of the link below says less of the whole way.
const VPN_DISCOUNT: f64 = 0.7;

/// Evidence of several sources trickles in while a participant joins; until it is complete the verdict
/// follows it at once, so that HD need not wait out a dwell that protects nothing yet.
const FIRST_VERDICT_WINDOW: Duration = Duration::from_secs(3);

/// How far the STUN request and the report that tell of the same handover lie apart.
const HANDOVER_SKEW: Duration = Duration::from_secs(2);

/// How often fading evidence is looked at.
const FADE_STEP: Duration = Duration::from_millis(500);
