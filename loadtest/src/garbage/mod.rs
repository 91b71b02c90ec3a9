//! `loadtest garbage`: hostile input of every kind against a running gateway, drawn from a seed and bounded.

mod client_text;
mod counters;
mod datagram;
mod dtls;
mod flood;
mod guest_attack;
mod http_attack;
mod http_request;
mod json_text;
mod lobby_attack;
mod mutation;
mod offer;
mod raw_socket;
mod report;
mod rtcp;
mod rtp;
mod sealed_path;
mod source;
mod stun;
mod tally;
mod watch;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use self::datagram::Knowledge;
use self::flood::{Flood, Outcome};
use self::guest_attack::{Guest, GuestAttack, REQUESTS_PER_SESSION};
use self::http_attack::HttpAttack;
use self::lobby_attack::LobbyAttack;
use self::offer::OfferText;
use self::report::{Datagrams, Memory, Report};
use self::sealed_path::{Identity, SealedPath};
use self::source::Target;
use self::stun::IceKey;
use self::tally::Tally;
use self::watch::{Watch, resident_kib};
use crate::call::invite::Invite;

/// More than these prove nothing further, and would take hours.
const MAX_DATAGRAMS: u64 = 100_000_000;
const MAX_REQUESTS: u64 = 1_000_000;
const MAX_RATE: u64 = 1_000_000;

/// Sockets that strangers send from.
const STRANGERS: usize = 8;

/// Strangers' answers may come this long after the last datagram; DTLS repeats its flight after a second.
const ANSWER_WAIT: Duration = Duration::from_millis(1_500);

/// A participant's own answers are only counted.
const SHORT_WAIT: Duration = Duration::from_millis(50);

/// Datagrams between two handshakes of a participant, about, and handshakes at most.
const DATAGRAMS_PER_ROUND: u64 = 250;
const MAX_ROUNDS: u64 = 60;

/// One handshake in so many is done right, and hostile media follows sealed.
const SEALED_EVERY: u64 = 4;

/// Sources of the participant's sessions, apart from those of the other attacks.
const MEDIA_SOURCES: u64 = 1 << 20;

/// Requests per connection of somebody without an invitation: each costs a handshake and a wait.
const REQUESTS_PER_LOBBY_CONNECTION: u64 = 10;

/// Code and buffers that are touched for the first time count as memory that a gateway always has; so much of
/// everything is sent before the measurement begins, in percent.
const WARM_UP_PERCENT: u64 = 2;

/// Memory may be given back until then.
const SETTLING: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Everything, with an invitation and an API key, watching the process:
  loadtest garbage --media 127.0.0.1:50000 --url http://127.0.0.1:8080 --metrics http://127.0.0.1:9091/metrics \\
      --pid $(pidof gateway) --invite LINK --api-key KEY
The same datagrams again: give the same --seed.

On loopback, every connection comes from an address of its own in 127.0.0.0/8, so that limits per address do not hide what
lies behind them. Toward any other address, most requests will be answered by 429. Invitation and key are optional: without
them, attacks end at the door. The invitation must be of a consult where nobody minds.

Ends with an error where the process died, the gateway was not live, a stranger's datagram was answered, memory stayed
more than 10 % and 8 MiB above where it was, or an answer was an internal error.";

/// Sends hostile input to a running gateway, and tells what came back and what it cost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The UDP media port.
    #[arg(long, value_name = "ADDR:PORT")]
    media: Option<SocketAddr>,
    /// The address of the page, `http://…`.
    #[arg(long)]
    url: Option<String>,
    /// An invitation that may be spent: the link, or its token. Needs --url.
    #[arg(long, value_name = "LINK", requires = "url")]
    invite: Option<Invite>,
    /// The gateway's API key, so that hostile JSON reaches its parser.
    #[arg(long, env = "GATEWAY_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Datagrams to send.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(..=MAX_DATAGRAMS))]
    datagrams: u64,
    /// Requests to send, on HTTP and again on WebSockets.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(..=MAX_REQUESTS))]
    requests: u64,
    /// What to draw everything from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Datagrams per second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=MAX_RATE))]
    rate: u64,
    /// The process of the gateway, on this machine.
    #[arg(long)]
    pid: Option<u32>,
    /// The address of its metrics; `/livez` beside it is asked every second.
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the gateway cannot be reached, or did not bear everything.
#[expect(clippy::print_stdout, reason = "the report is the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.media.is_some() || args.url.is_some(), "give --media, --url, or both");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(attack(args))?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{}", report.text()),
    }
    ensure!(report.failures.is_empty(), "the gateway failed: {}", report.failures.join("; "));
    Ok(())
}

async fn attack(args: &Args) -> anyhow::Result<Report> {
    let target = match &args.url {
        Some(url) => Some(Target::resolve(url).await?),
        None => None,
    };
    let mut report = Report { seed: args.seed, ..Report::default() };
    let warm_up = |count: u64| count * WARM_UP_PERCENT / 100;
    // Its findings count; its figures do not.
    let mut spent = Report::default();
    strike(args, target.as_ref(), warm_up(args.datagrams), warm_up(args.requests), &mut spent).await?;
    report.tally.findings = spent.tally.findings;

    let before = memory(args.pid)?;
    let counters = match &args.metrics {
        Some(url) => Some(counters::scrape(url).await.context("scrape --metrics")?),
        None => None,
    };
    let watch = Watch::begin(live_url(args), args.pid);
    strike(args, target.as_ref(), args.datagrams, args.requests, &mut report).await?;
    let after = args.pid.and_then(resident_kib).unwrap_or(0);
    tokio::time::sleep(SETTLING).await;
    let settled_kib = args.pid.and_then(resident_kib).unwrap_or(0);
    report.watch = watch.end().await;
    report.memory = before.map(|before_kib| Memory {
        before_kib,
        peak_kib: report.watch.peak_kib,
        after_kib: after,
        settled_kib,
    });
    if let (Some(before), Some(url)) = (counters, &args.metrics)
        && let Ok(now) = counters::scrape(url).await
    {
        report.counters = Some(counters::growth(&before, &now));
    }
    report.judge();
    Ok(report)
}

/// One round of everything.
async fn strike(
    args: &Args,
    target: Option<&Target>,
    datagrams: u64,
    requests: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    if let Some(media) = args.media {
        let flood = Flood {
            media,
            seed: args.seed,
            count: datagrams,
            rate: args.rate,
            sources: STRANGERS,
            wait: ANSWER_WAIT,
            knowledge: Knowledge::Nothing,
        };
        let outcome = run_blocking(move || flood.run()).await?;
        report.strangers = Some(figures(outcome, "udp, stranger", &mut report.tally));
    }
    let Some(target) = target else { return Ok(()) };
    let http =
        HttpAttack { target: target.clone(), seed: args.seed, requests, api_key: args.api_key.clone() };
    report.tally.merge(http.run().await);
    let connections = requests.div_ceil(REQUESTS_PER_LOBBY_CONNECTION);
    report.tally.merge(LobbyAttack { target: target.clone(), seed: args.seed, connections }.run().await);
    let Some(invite) = &args.invite else { return Ok(()) };
    let sessions = requests.div_ceil(REQUESTS_PER_SESSION);
    let token = invite.token().to_owned();
    let guest = GuestAttack { target: target.clone(), seed: args.seed, sessions, token };
    report.tally.merge(guest.run().await);
    match args.media {
        Some(media) => strike_from_within(args, target, media, datagrams, report).await,
        None => Ok(()),
    }
}

/// Datagrams of those who know a participant's fragment, and of the participant itself.
async fn strike_from_within(
    args: &Args,
    target: &Target,
    media: SocketAddr,
    datagrams: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = datagrams / 4;
    let flood = |seed, count, knowledge| {
        let (sources, wait) = match &knowledge {
            Knowledge::Key(_) => (1, SHORT_WAIT),
            Knowledge::Nothing | Knowledge::Fragment(_) => (STRANGERS, ANSWER_WAIT),
        };
        Flood { media, seed, count, rate: args.rate, sources, wait, knowledge }
    };
    // Garbage ends a handshake soon, so the participant begins many.
    let (mut insider, mut sealed) = (Outcome::default(), Outcome::default());
    let rounds = (count / DATAGRAMS_PER_ROUND).clamp(1, MAX_ROUNDS);
    for round in 0..rounds {
        let seed = args.seed.wrapping_add(round);
        let identity = Identity::new()?;
        let text = offer::good_of(identity.fingerprint()?, &mut datagram::dice(seed, 0));
        let (staying, key) = match enter(args, target, round, &text).await {
            Ok(entered) => entered,
            Err(error) => {
                report.tally.finding(format!("round {round} of seed {}: {error:#}", args.seed));
                continue;
            }
        };
        if round == 0 {
            let eavesdropping = flood(seed, count, Knowledge::Fragment(key.ufrag.clone()));
            let outcome = run_blocking(move || eavesdropping.run()).await?;
            report.eavesdroppers = Some(figures(outcome, "udp, eavesdropper", &mut report.tally));
        }
        if round % SEALED_EVERY == 0 {
            let (share, rate) = (count / rounds.div_ceil(SEALED_EVERY), args.rate);
            let outcome = run_blocking(move || {
                let mut outcome = Outcome::default();
                SealedPath::establish(media, key, &identity)?.pour(seed, share, rate, &mut outcome);
                Ok(outcome)
            });
            match outcome.await {
                Ok(outcome) => sealed.merge(outcome),
                Err(error) => {
                    report.tally.finding(format!("round {round} of seed {}: {error:#}", args.seed));
                }
            }
        } else {
            let handshake = flood(seed, count / rounds, Knowledge::Key(key));
            insider.merge(run_blocking(move || handshake.run()).await?);
        }
        staying.abort();
    }
    report.insider = Some(figures(insider, "udp, insider", &mut report.tally));
    report.sealed = Some(figures(sealed, "udp, insider, sealed", &mut report.tally));
    Ok(())
}

/// Joins with media; the session stays until the task is aborted.
async fn enter(
    args: &Args,
    target: &Target,
    round: u64,
    offer: &OfferText,
) -> anyhow::Result<(tokio::task::JoinHandle<()>, IceKey)> {
    let token = args.invite.as_ref().context("no invitation")?.token();
    let mut guest = Guest::enter(target, token, MEDIA_SOURCES + round).await.context("enter for media")?;
    let key = guest.negotiate(offer).await?;
    Ok((tokio::spawn(guest.stay()), key))
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a sender failed")?
}

fn figures(outcome: Outcome, who: &str, tally: &mut Tally) -> Datagrams {
    for (kind, count) in &outcome.sent {
        tally.sent(&format!("{who}: {kind}"), *count);
    }
    Datagrams {
        sent: outcome.sent.values().sum(),
        sent_bytes: outcome.sent_bytes,
        refused_by_kernel: outcome.refused_by_kernel,
        answers: outcome.answers,
        answer_bytes: outcome.answer_bytes,
        examples: outcome.examples,
        seconds: outcome.took.as_secs_f64(),
    }
}

fn memory(pid: Option<u32>) -> anyhow::Result<Option<u64>> {
    let Some(pid) = pid else { return Ok(None) };
    Ok(Some(resident_kib(pid).with_context(|| format!("there is no process {pid}"))?))
}

/// Where to ask whether the gateway lives: beside its metrics, or else its page.
fn live_url(args: &Args) -> Option<String> {
    let beside = args.metrics.as_ref().map(|url| match url.strip_suffix("/metrics") {
        Some(base) => format!("{base}/livez"),
        None => url.clone(),
    });
    beside.or_else(|| args.url.clone())
}
