//! What is counted: each piece of work is done by a process of its own, under callgrind, which counts only within
//! [`counted`].

use std::time::Duration;

use sfu::limits::{MAX_PARTICIPANTS, MAX_VIEWERS};

use crate::call::{Act, Call, Tally, unwatched};
use crate::decisions::Decisions;

/// Players that see the one who publishes.
const AUDIENCES: [usize; 3] = [1, 15, 63];

/// Participants, most of them players, whose room is decided anew.
const ROOMS: [usize; 4] = [2, 10, 50, 400];

/// Until stores and queues have their size, estimates have settled, and probes have become rare.
const SETTLING: Duration = Duration::from_secs(5);

/// What is counted of a call.
const STEADY: Duration = Duration::from_secs(1);

/// Ticks of a room's decisions that are counted.
const TICKS: u64 = 2;

/// A piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A packet arrives, and nobody is there to see it.
    Arrive,
    /// A packet arrives, and goes on to so many subscribers.
    Forward { subscribers: usize },
    /// A subscriber tells what has arrived.
    Feedback { subscribers: usize },
    /// Deadlines of a room with so many subscribers come, for a second.
    Upkeep { subscribers: usize },
    /// A room of so many participants is decided anew.
    Decide { participants: usize },
}

impl Work {
    /// All of it.
    pub(crate) fn all() -> Vec<Self> {
        let most = MAX_PARTICIPANTS + MAX_VIEWERS;
        let audiences = AUDIENCES.map(|subscribers| subscribers.min(MAX_VIEWERS));
        let [_, some, most_players] = audiences;
        let forward = audiences.into_iter().map(|subscribers| Self::Forward { subscribers });
        let decide =
            ROOMS.into_iter().map(|participants| Self::Decide { participants: participants.min(most) });
        let besides = [Self::Feedback { subscribers: some }, Self::Upkeep { subscribers: most_players }];
        [Self::Arrive].into_iter().chain(forward).chain(besides).chain(decide).collect()
    }

    /// What its instructions are counted for.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Arrive => "packet that arrives, without subscribers".to_owned(),
            Self::Forward { subscribers } => {
                format!("packet and subscriber, {subscribers} of them, arrival shared")
            }
            Self::Feedback { subscribers } => format!("feedback of one of {subscribers} subscribers"),
            Self::Upkeep { subscribers } => {
                format!("second of deadlines and reports, {subscribers} subscribers")
            }
            Self::Decide { participants } => format!("tick of decisions, {participants} participants"),
        }
    }

    /// Does it, and says how often.
    pub(crate) fn run(self) -> u64 {
        match self {
            Self::Arrive => in_a_call(0, &[Act::Media, Act::Forward]).arrived,
            Self::Forward { subscribers } => in_a_call(subscribers, &[Act::Media, Act::Forward]).forwarded,
            Self::Feedback { subscribers } => in_a_call(subscribers, &[Act::Feedback]).feedbacks,
            Self::Upkeep { subscribers } => {
                in_a_call(subscribers, &[Act::Timeout, Act::Upkeep, Act::Output]);
                STEADY.as_secs()
            }
            Self::Decide { participants } => {
                let mut room = Decisions::new(participants);
                counted(&mut || (0..TICKS).for_each(|_| room.tick()));
                TICKS
            }
        }
    }
}

/// Lets a call run in its steady state, and counts these acts.
fn in_a_call(subscribers: usize, acts: &[Act]) -> Tally {
    let mut call = Call::new(subscribers, &mut unwatched);
    call.run(SETTLING, &mut unwatched);
    call.take_tally();
    call.run(STEADY, &mut |act, work| {
        if acts.contains(&act) { counted(work) } else { work() }
    });
    call.take_tally()
}

/// Callgrind counts what happens within, and knows it by its name.
#[inline(never)]
pub(crate) fn counted(work: &mut dyn FnMut()) {
    work();
    // Else the call would be a jump, and callgrind would not see the end of it.
    std::hint::black_box(());
}
