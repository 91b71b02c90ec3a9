//! Courses of a watchlist on virtual time, told by what it asks and what it tells.

use std::net::IpAddr;

use NetworkClass::{FiveG, FourG, Unknown};

use super::*;

const ROOM: RoomId = RoomId::from_bits(1);

struct Story {
    now: Instant,
    watchlist: Watchlist,
    asked: Vec<(DeviceKey, Question)>,
    told: Vec<(u128, NetworkClass)>,
}

impl Story {
    fn new(events: bool) -> Self {
        let config = OperatorConfig { events, max_concurrent_requests: 2, ..OperatorConfig::default() };
        Self { now: Instant::now(), watchlist: Watchlist::new(config), asked: Vec::new(), told: Vec::new() }
    }

    fn drained(&mut self) -> &mut Self {
        while let Some(output) = self.watchlist.poll_output() {
            match output {
                Output::Ask { key, question } => self.asked.push((key, question)),
                Output::Tell { participant, class, .. } => self.told.push((participant.bits(), class)),
            }
        }
        self
    }

    fn path(&mut self, participant: u128, address: Option<&str>) -> &mut Self {
        let address = address.map(|address| SocketAddr::new(address.parse::<IpAddr>().unwrap(), 4_000));
        let participant = ParticipantId::from_bits(participant);
        self.watchlist.handle_path(self.now, Path { room: ROOM, participant, address });
        self.drained()
    }

    /// Answers the oldest open question.
    fn answers(&mut self, answer: Answer) -> &mut Self {
        let (key, question) = self.asked.remove(0);
        self.watchlist.handle_answer(self.now, key, &question, answer);
        self.drained()
    }

    /// Time passes by the watchlist's own deadlines.
    fn after(&mut self, seconds: f64) -> &mut Self {
        let until = self.now + Duration::from_secs_f64(seconds);
        while let Some(due) = self.watchlist.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.watchlist.handle_timeout(self.now);
            self.drained();
            assert!(self.watchlist.poll_timeout().is_none_or(|next| next > self.now), "it spins");
        }
        self.now = until;
        self
    }

    fn told(&mut self) -> Vec<(u128, NetworkClass)> {
        std::mem::take(&mut self.told)
    }

    fn event(&mut self, subscription: &str, at: i64, news: News) -> EventOutcome {
        let event = OperatorEvent { subscription: subscription.to_owned(), at, news };
        let outcome = self.watchlist.handle_event(self.now, &event);
        self.drained();
        outcome
    }

    fn subscribed(&mut self, id: &str) -> &mut Self {
        let lifetime = Duration::from_secs(3_600);
        self.answers(Answer::Subscribed { subscription: id.to_owned(), lifetime })
    }
}

fn is_retrieval((_, question): &(DeviceKey, Question)) -> bool {
    matches!(question, Question::Retrieve { .. })
}

#[test]
fn a_device_is_asked_about_at_once_and_every_minute() {
    let mut story = Story::new(false);
    story.path(7, Some("1.2.3.4"));
    let device = "1.2.3.4:4000".parse().unwrap();
    assert_eq!(story.asked, [(DeviceKey(1), Question::Retrieve { device })]);
    story.answers(Answer::NetworkType(FiveG));
    assert_eq!(story.told(), [(7, FiveG)]);
    assert!(story.after(59.0).asked.is_empty());
    assert_eq!(story.after(1.0).asked.len(), 1);
    story.answers(Answer::NetworkType(FourG));
    assert_eq!(story.told(), [(7, FourG)]);
    // The same address again is nothing new; another is another device.
    assert!(story.path(7, Some("1.2.3.4")).asked.is_empty());
    assert_eq!(story.path(7, Some("1.2.3.5")).asked.len(), 1);
    assert_eq!(story.watchlist.devices(), 1);
}

#[test]
fn whoever_leaves_the_operators_network_is_forgotten() {
    let mut story = Story::new(false);
    assert!(story.path(7, Some("192.168.0.9")).asked.is_empty(), "not the operator's");
    story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).told();
    story.path(7, Some("192.168.0.9"));
    assert_eq!((story.told(), story.watchlist.devices()), (vec![(7, Unknown)], 0));
    story.path(7, Some("1.2.3.4")).path(7, None);
    story.answers(Answer::NetworkType(FiveG));
    assert_eq!(story.told(), [], "an answer about somebody who is gone");
    assert_eq!(story.watchlist.poll_timeout(), None);
}

#[test]
fn so_many_requests_are_under_way_and_no_more() {
    let mut story = Story::new(false);
    for participant in 1..=5 {
        story.path(participant, Some("1.2.3.4"));
    }
    assert_eq!(story.asked.len(), 2);
    for left in [2, 2, 2, 1, 0] {
        story.answers(Answer::NetworkType(FiveG));
        assert_eq!(story.asked.len(), left);
    }
    assert_eq!(story.told().len(), 5);
}

#[test]
fn failures_make_the_pauses_longer_and_then_spare_the_operator() {
    let mut story = Story::new(false);
    story.path(7, Some("1.2.3.4"));
    let mut pauses = Vec::new();
    for _ in 0..5 {
        let before = story.now;
        story.answers(Answer::Failed);
        while story.asked.is_empty() {
            story.after(0.1);
        }
        pauses.push((story.now - before).as_secs_f64());
    }
    assert!(pauses.windows(2).all(|pair| pair[1] > 1.5 * pair[0]), "{pauses:?}");
    assert!(pauses[4] >= 15.0 && story.watchlist.is_spared(), "{pauses:?}");
    // Nobody else is asked about while one tries.
    assert_eq!(story.path(8, Some("1.2.3.5")).asked.len(), 1);
    story.answers(Answer::NetworkType(FiveG));
    assert!(!story.watchlist.is_spared());
    assert_eq!(story.asked.len(), 1, "the one that waited");
}

#[test]
fn what_the_operator_cannot_tell_is_not_asked_again_soon() {
    for (answer, pause) in [
        (Answer::UnknownDevice, 600.0),
        (Answer::Refused, 600.0),
        (Answer::TooMany { after: Some(Duration::from_secs(90)) }, 90.0),
        (Answer::TooMany { after: Some(Duration::from_secs(100_000)) }, 600.0),
    ] {
        let mut story = Story::new(false);
        story.path(7, Some("1.2.3.4")).answers(answer);
        assert!(story.after(pause - 1.0).asked.is_empty());
        assert_eq!(story.after(1.5).asked.len(), 1);
        assert!(!story.watchlist.is_spared() && story.told().is_empty());
    }
    let mut story = Story::new(false);
    story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).after(60.0);
    story.answers(Answer::UnknownDevice);
    assert_eq!(story.told(), [(7, FiveG), (7, Unknown)]);
}

#[test]
fn with_events_the_last_word_is_said_again_until_the_next() {
    let mut story = Story::new(true);
    story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FourG));
    assert!(matches!(story.asked[0].1, Question::Subscribe { .. }));
    story.subscribed("one");
    assert_eq!(story.told(), [(7, FourG)]);
    story.after(120.0);
    assert_eq!(story.told(), [(7, FourG); 4]);
    assert!(story.asked.is_empty(), "no polls meanwhile");
    assert_eq!(story.event("one", 1_000, News::NetworkType(FiveG)), EventOutcome::Taken);
    assert_eq!(story.event("one", 1_000, News::NetworkType(FourG)), EventOutcome::Old);
    assert_eq!(story.event("one", 999, News::NetworkType(FourG)), EventOutcome::Old);
    assert_eq!(story.event("two", 2_000, News::NetworkType(FourG)), EventOutcome::UnknownSubscription);
    assert_eq!(story.told(), [(7, FiveG)]);
    // Events get lost: now and then it asks all the same.
    story.after(600.0);
    assert!(story.asked.iter().any(is_retrieval));
}

#[test]
fn subscriptions_are_renewed_ended_and_begun_anew() {
    let mut story = Story::new(true);
    story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).subscribed("one");
    while !story.asked.iter().any(|(_, question)| matches!(question, Question::Subscribe { .. })) {
        story.after(1.0);
        if story.asked.first().is_some_and(is_retrieval) {
            story.answers(Answer::NetworkType(FiveG));
        }
    }
    story.subscribed("two");
    assert_eq!(story.asked[0].1, Question::Unsubscribe { subscription: "one".to_owned() });
    story.answers(Answer::Unsubscribed);
    assert_eq!(story.event("one", 1, News::Nothing), EventOutcome::UnknownSubscription);
    assert_eq!(story.event("two", 1, News::Ended), EventOutcome::Taken);
    assert!(is_retrieval(&story.asked[0]), "what happened meanwhile");
    story.answers(Answer::NetworkType(FourG)).subscribed("three");
    assert_eq!(story.watchlist.subscriptions(), ["three"]);
    story.path(7, None);
    assert_eq!(story.asked[0].1, Question::Unsubscribe { subscription: "three".to_owned() });
    story.answers(Answer::Unsubscribed);
    assert!(story.watchlist.subscriptions().is_empty());
}

#[test]
fn without_a_subscription_it_polls() {
    let mut story = Story::new(true);
    story.path(7, Some("1.2.3.4")).answers(Answer::NetworkType(FiveG)).answers(Answer::Refused);
    story.after(61.0);
    assert!(story.asked.len() == 1 && is_retrieval(&story.asked[0]), "{:?}", story.asked);
}
