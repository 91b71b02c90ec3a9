//! From the evidence about one network to the verdict that it suggests at one moment, as pure functions: who
//! is silenced, who leads, who pulls down, and how probable the outcome is.

use std::time::Instant;

use protocol::network_class::NetworkClass;

use super::classifier::Verdict;
use super::evidence::{Evidence, EvidenceSource, Family, Trust};
use super::policy;

/// One slot per source.
pub(super) type Slots = [Option<Evidence>; EvidenceSource::COUNT];

/// A claim that takes part in one fusion.
#[derive(Debug, Clone, Copy)]
struct Claim {
    source: EvidenceSource,
    class: NetworkClass,
    trust: Trust,
    weight: f64,
}

/// The verdict that the evidence suggests.
///
/// The most trusted claim leads. Whoever else knows the generation, and the device itself in any case,
/// can only pull it down: to ask for less needs no proof.
pub(super) fn fuse(now: Instant, evidence: &Slots, accept_unattested_5g: bool) -> Verdict {
    let claims = claims(now, evidence);
    // A hint weighs, but never leads.
    let may_lead = |claim: &&Claim| claim.weight > 0.0 && claim.trust > Trust::Hint;
    let lead = claims.iter().flatten().filter(may_lead).max_by_key(|claim| {
        (claim.trust, is_specific(claim.class), std::cmp::Reverse(policy::merit(claim.class)))
    });
    let lead_class = lead.map_or(NetworkClass::Unknown, |claim| claim.class);
    let lowest = claims
        .iter()
        .flatten()
        .filter(|claim| claim.source.is_device() || claim.trust >= Trust::Native)
        .filter(|claim| pulls_down(claim.class, lead_class))
        .filter(|claim| claim.weight > 0.0 || !is_answered(&claims, claim))
        .min_by_key(|claim| policy::merit(claim.class));
    let Some(decisive) = lowest.or(lead) else { return Verdict::NONE };
    judge(&claims, decisive, accept_unattested_5g)
}

/// Whether two sources that know the generation, or that somebody vouches for, contradict each other.
pub(super) fn has_conflict(now: Instant, evidence: &Slots) -> bool {
    let claims = claims(now, evidence);
    let trusted =
        |claim: &&Claim| claim.trust >= Trust::Native && claim.weight > 0.0 && is_specific(claim.class);
    let mut trusted = claims.iter().flatten().filter(trusted);
    let Some(first) = trusted.next() else { return false };
    trusted.any(|other| contradicts(first, other))
}

/// A site profile speaks of the address and not of the device: a cable behind a 5G router agrees with it.
fn contradicts(one: &Claim, other: &Claim) -> bool {
    let of_site = one.source == EvidenceSource::Site || other.source == EvidenceSource::Site;
    let same_family = Family::of(one.class) == Family::of(other.class);
    one.class != other.class && (same_family || !of_site)
}

/// A claim for less outlasts its time, since silence is no retraction; but not against the device's own fresh
/// word from a source that is trusted as much.
fn is_answered(claims: &[Option<Claim>], stale: &Claim) -> bool {
    claims.iter().flatten().any(|claim| {
        claim.source != stale.source
            && claim.source.is_device()
            && claim.weight > 0.0
            && claim.trust >= stale.trust
            && is_specific(claim.class)
    })
}

fn judge(claims: &[Option<Claim>], decisive: &Claim, accept_unattested_5g: bool) -> Verdict {
    let log_odds: f64 = claims.iter().flatten().map(|claim| claim.weight * agreement(claim, decisive)).sum();
    let confidence = 1.0 / (1.0 + (-log_odds).exp());
    let attested = decisive.trust >= Trust::Native;
    let Claim { class, trust, .. } = *decisive;
    let verdict = Verdict { class, confidence, trust, ..Verdict::NONE };
    if class != NetworkClass::FiveG {
        let seen_by_ice = decisive.source == EvidenceSource::Stun;
        return Verdict { proven: attested || seen_by_ice, ..verdict };
    }
    if (attested && confidence >= PROOF_OF_5G) || accept_unattested_5g {
        return Verdict { proven: true, ..verdict };
    }
    Verdict { class: NetworkClass::Cell, trust: Trust::Claim, ..verdict }
}

/// The claims that survive the family veto. A device on Wi-Fi or a cable may well have a 5G radio, but
/// its media does not use it. A site profile speaks of the address and not of the device, so a cable
/// behind a 5G router does not contradict it.
fn claims(now: Instant, evidence: &Slots) -> [Option<Claim>; EvidenceSource::COUNT] {
    let stun = evidence[EvidenceSource::Stun.index()]
        .filter(|evidence| evidence.is_alive(now))
        .map_or(Family::Unknown, |evidence| Family::of(evidence.class));
    let said_local = evidence.iter().flatten().any(|evidence| {
        evidence.source.is_device() && evidence.is_alive(now) && Family::of(evidence.class).is_local()
    });
    let local = stun.is_local() || (stun == Family::Unknown && said_local);
    evidence.map(|slot| {
        let evidence = slot?;
        let alive = evidence.is_alive(now);
        let vetoed = match evidence.source {
            EvidenceSource::Stun => !alive,
            EvidenceSource::Report(_) | EvidenceSource::AttestedApp => {
                (local && evidence.class == NetworkClass::FiveG)
                    || (stun == Family::Cellular && Family::of(evidence.class).is_local())
            }
            EvidenceSource::Operator => !alive || (local && evidence.class == NetworkClass::FiveG),
            EvidenceSource::Site => false,
        };
        let Evidence { source, class, trust, .. } = evidence;
        (!vetoed).then(|| Claim { source, class, trust, weight: evidence.weight(now) })
    })
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

/// Confidence that 5G needs; one fresh attested statement gives 0.88.
const PROOF_OF_5G: f64 = 0.85;
