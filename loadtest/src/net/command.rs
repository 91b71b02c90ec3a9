//! The words that set and change an emulated link, on the command line and on standard input:
//! `[LINK] DIRECTION SETTING[,SETTING…]`, as in `ab rate=500k` or `doctor both loss=2%,delay=40ms`.

use std::time::Duration;

use link::{CapacityTrace, Jitter, LinkSettings, Loss, PacketOrder, QueueLimit};
use protocol::units::{Bitrate, DataSize};

/// The grammar, for `--help` and the documentation.
pub const GRAMMAR: &str = "\
LINE       [LINK] DIRECTION SETTING[,SETTING...]    LINK may be left out where there is one link
           quit
DIRECTION  ab | ba | both                           from the first end to the second, back, or both
SETTING    preset=wired|wifi|5g|4g|3g|2g            everything at once; later settings change it
           rate=500k | 2.5M | 0 | inf               bit/s; 0 is an outage
           trace=FILE.csv | drive_5g | drive_4g | drive_3g | office_wifi | blackout
           delay=30ms                               one way
           jitter=5ms | normal:5ms | none           even spread, or standard deviation
           order=kept | free                        whether jitter may reorder
           loss=2% | 0.02                           independent
           bursts=2%:5                              2 % lost, in bursts of 5 packets on average
           ge=P:R:BAD:GOOD                          Gilbert-Elliott: good to bad, bad to good, loss in each
           queue=300ms | 64kB | 50p                 drop-tail, by waiting time, bytes or packets";

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first end to the second.
    Ab,
    /// From the second end to the first.
    Ba,
}

impl Direction {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Ab, Self::Ba];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ab => "ab",
            Self::Ba => "ba",
        }
    }
}

/// One line of the grammar.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Change a link.
    Set(Set),
    /// Stop.
    Quit,
}

/// Changes to one link.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// The link; `None` where there is one only.
    pub link: Option<String>,
    /// The directions to change.
    pub directions: Vec<Direction>,
    /// What to change, in order.
    pub changes: Vec<Change>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Everything.
    Preset(LinkSettings),
    /// The rate; `None` is without limit.
    Rate(Option<Bitrate>),
    /// The trace, by its file or shipped name, still to be read.
    Trace(String),
    /// The one-way delay.
    Delay(Duration),
    /// The jitter.
    Jitter(Jitter),
    /// Whether packets may overtake.
    Order(PacketOrder),
    /// The loss.
    Loss(Loss),
    /// The queue.
    Queue(QueueLimit),
}

/// The line is not of the grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCommandError {
    /// There is no direction.
    #[error("expected [LINK] ab|ba|both SETTINGS")]
    NoDirection,
    /// There is no such setting.
    #[error("no setting {0}")]
    UnknownSetting(String),
    /// The value does not suit the setting.
    #[error("bad value in {0}")]
    BadValue(String),
}

impl Command {
    /// Reads one line.
    ///
    /// # Errors
    /// Where the line is not of the grammar.
    pub fn parse(line: &str) -> Result<Self, ParseCommandError> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (link, direction, settings) = match words.as_slice() {
            ["quit"] => return Ok(Self::Quit),
            [direction, settings] => (None, *direction, *settings),
            [link, direction, settings] => (Some((*link).to_owned()), *direction, *settings),
            _ => return Err(ParseCommandError::NoDirection),
        };
        let directions = match direction {
            "ab" => vec![Direction::Ab],
            "ba" => vec![Direction::Ba],
            "both" => Direction::ALL.to_vec(),
            _ => return Err(ParseCommandError::NoDirection),
        };
        let changes = settings.split(',').filter(|setting| !setting.is_empty()).map(Change::parse);
        Ok(Self::Set(Set { link, directions, changes: changes.collect::<Result<_, _>>()? }))
    }
}

impl Change {
    fn parse(setting: &str) -> Result<Self, ParseCommandError> {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let change = match name {
            "preset" => preset(value).map(Self::Preset),
            "rate" if value == "inf" => Some(Self::Rate(None)),
            "rate" => rate(value).map(|rate| Self::Rate(Some(rate))),
            "trace" => Some(Self::Trace(value.to_owned())).filter(|_| !value.is_empty()),
            "delay" => time(value).map(Self::Delay),
            "jitter" => jitter(value).map(Self::Jitter),
            "order" => match value {
                "kept" => Some(Self::Order(PacketOrder::Kept)),
                "free" => Some(Self::Order(PacketOrder::Free)),
                _ => None,
            },
            "loss" => share(value).map(|share| Self::Loss(share.into())),
            "bursts" => bursts(value).map(Self::Loss),
            "ge" => gilbert_elliott(value).map(Self::Loss),
            "queue" => queue(value).map(Self::Queue),
            _ => return Err(ParseCommandError::UnknownSetting(name.to_owned())),
        };
        change.ok_or_else(|| ParseCommandError::BadValue(setting.to_owned()))
    }

    /// The settings with this change; `read_trace` finds a trace by its name.
    ///
    /// # Errors
    /// Where the trace cannot be read.
    pub fn apply<E>(
        self,
        settings: LinkSettings,
        read_trace: impl FnOnce(&str) -> Result<CapacityTrace, E>,
    ) -> Result<LinkSettings, E> {
        Ok(match self {
            Self::Preset(preset) => preset,
            Self::Rate(None) => settings.unlimited(),
            Self::Rate(Some(rate)) => settings.capacity(rate),
            Self::Trace(name) => settings.capacity(read_trace(&name)?),
            Self::Delay(delay) => settings.delay(delay),
            Self::Jitter(jitter) => settings.jitter(jitter),
            Self::Order(order) => LinkSettings { order, ..settings },
            Self::Loss(loss) => settings.loss(loss),
            Self::Queue(queue) => settings.queue(queue),
        })
    }
}

fn preset(word: &str) -> Option<LinkSettings> {
    Some(match word {
        "wired" => LinkSettings::wired(),
        "wifi" => LinkSettings::wifi(),
        "5g" => LinkSettings::nr5g(),
        "4g" => LinkSettings::lte(),
        "3g" => LinkSettings::umts(),
        "2g" => LinkSettings::edge(),
        _ => return None,
    })
}

/// A finite number that is not negative.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn rate(text: &str) -> Option<Bitrate> {
    let (digits, factor) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 1e3),
        (at, 'M') => (&text[..at], 1e6),
        (at, 'G') => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    Some(Bitrate::bps((number(digits)? * factor).round() as u64))
}

fn time(text: &str) -> Option<Duration> {
    let (digits, per_second) = match text {
        _ if text.ends_with("ms") => (text.strip_suffix("ms")?, 1e3),
        _ if text.ends_with("us") => (text.strip_suffix("us")?, 1e6),
        _ => (text.strip_suffix('s')?, 1.0),
    };
    // Longer than an hour is a typing error.
    Duration::try_from_secs_f64(number(digits)? / per_second)
        .ok()
        .filter(|time| *time <= Duration::from_secs(3_600))
}

fn share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent)? / 100.0,
        None => number(text)?,
    };
    (share <= 1.0).then_some(share)
}

fn jitter(text: &str) -> Option<Jitter> {
    match text.strip_prefix("normal:") {
        Some(deviation) => time(deviation).map(Jitter::Normal),
        None if text == "none" => Some(Jitter::None),
        None => time(text).map(Jitter::Uniform),
    }
}

fn bursts(text: &str) -> Option<Loss> {
    let (lost, length) = text.split_once(':')?;
    Some(Loss::bursts(share(lost)?, number(length)?))
}

fn gilbert_elliott(text: &str) -> Option<Loss> {
    let shares = text.split(':').map(share).collect::<Option<Vec<_>>>()?;
    let [to_bad, to_good, loss_bad, loss_good] = <[f64; 4]>::try_from(shares).ok()?;
    Some(Loss::GilbertElliott { to_bad, to_good, loss_bad, loss_good })
}

fn queue(text: &str) -> Option<QueueLimit> {
    let bytes = |digits: &str, factor: f64| {
        Some(QueueLimit::Bytes(DataSize::bytes((number(digits)? * factor).round() as u64)))
    };
    if let Some(packets) = text.strip_suffix('p') {
        return packets.parse().ok().map(QueueLimit::Packets);
    }
    match text.strip_suffix('B') {
        Some(size) => match size.strip_suffix('k') {
            Some(kilo) => bytes(kilo, 1e3),
            None => bytes(size, 1.0),
        },
        None => time(text).map(QueueLimit::Time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn no_trace(name: &str) -> Result<CapacityTrace, String> {
        Err(name.to_owned())
    }

    fn applied(settings: &str) -> LinkSettings {
        let Ok(Command::Set(set)) = Command::parse(&format!("ab {settings}")) else {
            panic!("{settings} is not of the grammar");
        };
        set.changes.into_iter().fold(LinkSettings::default(), |settings, change| {
            change.apply(settings, no_trace).expect("no trace is named")
        })
    }

    #[test]
    fn every_setting_is_understood() {
        let perfect = LinkSettings::default;
        let table = [
            ("rate=500k", perfect().capacity(Bitrate::kbps(500))),
            ("rate=2.5M", perfect().capacity(Bitrate::kbps(2_500))),
            ("rate=1G,rate=inf", perfect()),
            ("rate=0", perfect().outage()),
            ("delay=30ms", perfect().delay(ms(30))),
            ("delay=1.5s", perfect().delay(ms(1_500))),
            ("delay=250us", perfect().delay(Duration::from_micros(250))),
            ("jitter=5ms", perfect().jitter(ms(5))),
            ("jitter=normal:5ms", perfect().jitter(Jitter::Normal(ms(5)))),
            ("jitter=5ms,jitter=none", perfect()),
            ("order=free", perfect().reordering()),
            ("order=free,order=kept", perfect()),
            ("loss=2%", perfect().loss(0.02)),
            ("loss=0.02", perfect().loss(0.02)),
            ("bursts=2%:5", perfect().loss(Loss::bursts(0.02, 5.0))),
            (
                "ge=0.005:10%:0.5:0",
                perfect().loss(Loss::GilbertElliott {
                    to_bad: 0.005,
                    to_good: 0.1,
                    loss_bad: 0.5,
                    loss_good: 0.0,
                }),
            ),
            ("queue=300ms", perfect().queue(ms(300))),
            ("queue=64kB", perfect().queue(DataSize::bytes(64_000))),
            ("queue=1500B", perfect().queue(DataSize::bytes(1_500))),
            ("queue=50p", perfect().queue(QueueLimit::Packets(50))),
            ("preset=4g,rate=1M", LinkSettings::lte().capacity(Bitrate::mbps(1))),
        ];
        for (text, settings) in table {
            assert_eq!(applied(text), settings, "{text}");
        }
    }

    #[test]
    fn a_line_names_the_link_and_the_direction() {
        let both = Direction::ALL.to_vec();
        let set = |link: Option<&str>, directions, changes| {
            Ok(Command::Set(Set { link: link.map(str::to_owned), directions, changes }))
        };
        let delay = vec![Change::Delay(ms(1))];
        let table = [
            ("ab delay=1ms", set(None, vec![Direction::Ab], delay.clone())),
            ("  doctor both delay=1ms ", set(Some("doctor"), both, delay)),
            ("ba trace=a.csv", set(None, vec![Direction::Ba], vec![Change::Trace("a.csv".to_owned())])),
            ("quit", Ok(Command::Quit)),
            ("", Err(ParseCommandError::NoDirection)),
            ("ab", Err(ParseCommandError::NoDirection)),
            ("up delay=1ms", Err(ParseCommandError::NoDirection)),
            ("ab delay=1ms extra words", Err(ParseCommandError::NoDirection)),
            ("ab speed=3", Err(ParseCommandError::UnknownSetting("speed".to_owned()))),
        ];
        for (line, command) in table {
            assert_eq!(Command::parse(line), command, "{line:?}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        let bad = [
            "rate=",
            "rate=k",
            "rate=-1",
            "rate=fast",
            "rate=5é",
            "delay=30",
            "delay=2h",
            "delay=9999s",
            "jitter=5",
            "order=",
            "loss=101%",
            "loss=2",
            "loss=NaN",
            "bursts=2%",
            "ge=1:1:1",
            "queue=9",
            "queue=xp",
            "preset=6g",
            "trace=",
        ];
        for setting in bad {
            let error = ParseCommandError::BadValue(setting.to_owned());
            assert_eq!(Command::parse(&format!("ab {setting}")), Err(error));
        }
    }
}
