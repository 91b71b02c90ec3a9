//! What one feedback, or two, do to the target.

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn view() -> LinkView {
    LinkView {
        usage: Usage::Normal,
        throughput: Some(Throughput { arrived: Bitrate::mbps(1), sent: Bitrate::mbps(1) }),
        acknowledged: Some(Bitrate::mbps(1)),
        round_trip: ms(60),
        queue: ms(15),
        queue_is_flat: false,
        newest_queue: ms(15),
        sudden_queue: None,
        latest: None,
        collapse: None,
        lost: 0,
        newest_sent: ms(950),
        is_application_limited: false,
        floor: Bitrate::kbps(115),
        sought: None,
    }
}

fn throughput(arrived: u64, sent: u64) -> Option<Throughput> {
    Some(Throughput { arrived: Bitrate::kbps(arrived), sent: Bitrate::kbps(sent) })
}

#[test]
fn the_target_after_one_feedback() {
    let over = LinkView { usage: Usage::Over, ..view() };
    let limited = LinkView { is_application_limited: true, ..over };
    for (name, view, expected) in [
        ("grows", view(), 1_030..=1_030),
        ("holds while limited", LinkView { is_application_limited: true, ..view() }, 1_000..=1_000),
        ("holds while a queue drains", LinkView { usage: Usage::Under, ..view() }, 1_000..=1_000),
        ("holds without proof", LinkView { acknowledged: Some(Bitrate::kbps(500)), ..view() }, 1_000..=1_000),
        ("overuse", LinkView { throughput: throughput(500, 900), ..over }, 417..=418),
        ("overuse within chance", LinkView { throughput: throughput(850, 1_100), ..over }, 835..=835),
        (
            "a trend without a queue",
            LinkView { queue: ms(0), throughput: throughput(500, 900), ..over },
            1_000..=1_030,
        ),
        (
            "a sudden queue, which pictures wait for",
            LinkView {
                sudden_queue: Some(ms(100)),
                latest: throughput(500, 900),
                throughput: throughput(600, 900),
                ..view()
            },
            424..=425,
        ),
        (
            "a queue of one burst",
            LinkView {
                sudden_queue: Some(ms(100)),
                latest: throughput(900, 3_000),
                throughput: throughput(800, 1_000),
                ..view()
            },
            1_030..=1_030,
        ),
        (
            "overuse with a queue",
            LinkView { throughput: throughput(500, 900), queue: ms(100), ..over },
            374..=375,
        ),
        ("not below the floor", LinkView { throughput: throughput(120, 900), ..over }, 115..=115),
        ("below it when measured", LinkView { throughput: throughput(100, 900), ..over }, 83..=84),
        ("never below a voice", LinkView { throughput: throughput(10, 900), ..over }, 40..=40),
        ("jitter on a thin flow", LinkView { throughput: throughput(60, 64), ..limited }, 1_000..=1_000),
        (
            "a queue on a thin flow",
            LinkView { throughput: throughput(60, 90), queue: ms(90), ..limited },
            40..=60,
        ),
    ] {
        let mut control = RateControl::new(Bitrate::mbps(1));
        control.updated = ms(700);
        let _ = control.update(ms(1_000), &view);
        assert!(expected.contains(&control.target().as_kbps()), "{name}: {}", control.target());
    }
}

#[test]
fn a_decrease_waits_for_the_answer_to_the_one_before() {
    let mut control = RateControl::new(Bitrate::mbps(1));
    let over = LinkView { usage: Usage::Over, throughput: throughput(800, 1_000), ..view() };
    assert_eq!(control.update(ms(1_000), &over), Change::Lowered);
    let early = LinkView { throughput: throughput(700, 1_000), ..over };
    assert_eq!(control.update(ms(1_050), &early), Change::None);
    assert_eq!(control.update(ms(1_100), &LinkView { newest_sent: ms(1_020), ..early }), Change::Lowered);
    assert_eq!(
        control.update(ms(1_150), &LinkView { throughput: throughput(300, 1_000), ..early }),
        Change::Lowered
    );
    assert_eq!(control.setback(), None, "growth makes up for it");
}

#[test]
fn draining_ends_near_what_was_delivered() {
    let mut control = RateControl::new(Bitrate::mbps(1));
    let over = LinkView { usage: Usage::Over, throughput: throughput(500, 1_000), queue: ms(200), ..view() };
    let _ = control.update(ms(1_000), &over);
    assert!(control.is_draining() && (324..=325).contains(&control.target().as_kbps()));
    let _ = control.update(ms(1_200), &LinkView { newest_sent: ms(1_150), queue: ms(20), ..view() });
    assert!(!control.is_draining());
    assert_eq!(control.target(), Bitrate::kbps(450));
}

#[test]
fn a_thin_flow_grows_by_as_many_packets_as_a_fat_one() {
    for kilobits in [200, 600] {
        let mut control = RateControl::new(Bitrate::kbps(kilobits));
        control.updated = ms(700);
        let _ = control.update(ms(1_000), &view());
        assert_eq!(control.target().as_kbps() - kilobits, 24, "{kilobits}");
    }
}

#[test]
fn what_comes_while_pictures_wait_measures_no_link() {
    let mut control = RateControl::new(Bitrate::mbps(1));
    let collapse = LinkView { sudden_queue: Some(ms(100)), latest: throughput(500, 900), ..view() };
    let collapse = LinkView { throughput: throughput(600, 900), ..collapse };
    assert_eq!(control.update(ms(1_000), &collapse), Change::Collapsed);
    let after = control.target();
    let voice = LinkView { latest: throughput(60, 62), queue: ms(60), newest_sent: ms(1_050), ..collapse };
    assert_eq!(control.update(ms(1_100), &voice), Change::None);
    assert_eq!(control.target(), after);
}
