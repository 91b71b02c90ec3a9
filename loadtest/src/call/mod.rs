//! `loadtest call`: synthetic participants that join through the real signaling and measure what they receive.

pub mod clip;
pub(crate) mod consult;
pub mod invite;
mod keyframe_requests;
pub mod meter;
pub mod participant;
mod peer;
mod publisher;
pub mod record;
mod signaling;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use protocol::network_class::NetworkClass;

use self::invite::Invite;
use self::participant::{Plan, Sends, take_part};
use self::record::{Record, tables};

/// More participants in one process measure the process, not the gateway.
const MAX_PARTICIPANTS: usize = 500;

const EXAMPLES: &str = "\
Two participants in a consult of their own, for half a minute:
  loadtest call --url http://127.0.0.1:8080 --api-key KEY --count 2 --seconds 30
Ten consults of two:
  loadtest call --url http://127.0.0.1:8080 --api-key KEY --rooms 10 --count 2
One participant by invitation, behind an emulated link, with a picture of what came:
  ip netns exec patient loadtest call --invite http://10.77.2.1:8080/join#token=… --series patient.jsonl
  loadtest plot patient.jsonl patient.svg --only source=camera --series kbps,fps

The camera is VP8 in three encodings (l, m, h) from clips of 180p, 360p, 480p and 720p at 100, 300, 600 and 1200 kbit/s;
each encoding sends the largest clip within its uplink plan and begins anew at a key frame when asked. The voice is
Opus silence at 32 kbit/s. Freezes follow the rule of webrtc-stats, sound gaps are 60 ms without a packet.";

/// Takes part in consults as synthetic participants, and measures what they receive.
///
/// Ends with an error where a participant failed or received nothing although others sent.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The address of the gateway, where it is not the one in the invitation.
    #[arg(long)]
    url: Option<String>,
    /// An invitation, one per participant: the link, or its token (then with --url).
    #[arg(long = "invite", value_name = "LINK")]
    invites: Vec<Invite>,
    /// Make consults instead, with the gateway's API key.
    #[arg(
        long,
        env = "GATEWAY_API_KEY",
        hide_env_values = true,
        conflicts_with = "invites",
        requires = "url"
    )]
    api_key: Option<String>,
    /// Consults to make.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Participants in each consult.
    #[arg(long, default_value_t = 2)]
    count: usize,
    /// How long they stay.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Time between the entries of two participants.
    #[arg(long, default_value_t = 100)]
    stagger_ms: u64,
    /// What they send.
    #[arg(long, value_enum, default_value_t = Sends::Both)]
    send: Sends,
    /// The network class that they claim: wired, wifi, 5g, 4g, 3g, 2g.
    #[arg(long, value_parser = class)]
    class: Option<NetworkClass>,
    /// The local address of their media; that of the way to the gateway where it is left out.
    #[arg(long)]
    bind: Option<IpAddr>,
    /// Print the records as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Write what every second was like there: a line of JSON per second and received track.
    #[arg(long, value_name = "FILE")]
    series: Option<PathBuf>,
}

fn class(word: &str) -> Result<NetworkClass, String> {
    NetworkClass::ALL
        .into_iter()
        .find(|class| class.as_str() == word)
        .ok_or_else(|| "no such class".to_owned())
}

/// Runs the command.
///
/// # Errors
/// Where a participant could not take part.
#[expect(clippy::print_stdout, reason = "the records are the command's output")]
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let records = runtime.block_on(take_part_all(args))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&records)?);
    } else {
        print!("{}", tables(&records));
    }
    if let Some(path) = &args.series {
        let mut file =
            BufWriter::new(File::create(path).with_context(|| format!("create {}", path.display()))?);
        for sample in records.iter().flat_map(|record| &record.samples) {
            serde_json::to_writer(&mut file, sample)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
    }
    let failed = records.iter().filter(|record| record.failure.is_some()).count();
    ensure!(failed == 0, "{failed} of {} participants failed", records.len());
    let deaf =
        records.iter().flat_map(|record| &record.received).filter(|track| track.figures.packets == 0).count();
    ensure!(deaf == 0, "{deaf} subscribed tracks never came");
    Ok(())
}

async fn take_part_all(args: &Args) -> anyhow::Result<Vec<Record>> {
    let clips = Arc::new(clip::shipped()?);
    let invites = invitations(args).await?;
    ensure!(!invites.is_empty(), "give --invite or --api-key");
    ensure!(invites.len() <= MAX_PARTICIPANTS, "more than {MAX_PARTICIPANTS} participants");
    let mut running = Vec::new();
    for (index, invite) in invites.iter().enumerate() {
        let plan = Plan {
            url: invite.session_url(args.url.as_deref()).context("a bare token needs --url http(s)://…")?,
            token: invite.token().to_owned(),
            name: format!("synthetic {}", index + 1),
            sends: args.send,
            class: args.class,
            stay: Duration::from_secs(args.seconds),
            bind: args.bind,
        };
        running.push(tokio::spawn(take_part(plan, Arc::clone(&clips))));
        tokio::time::sleep(Duration::from_millis(args.stagger_ms)).await;
    }
    let mut records = Vec::new();
    for task in running {
        records.push(task.await.context("a participant panicked")??);
    }
    Ok(records)
}

async fn invitations(args: &Args) -> anyhow::Result<Vec<Invite>> {
    let (Some(key), Some(url)) = (&args.api_key, &args.url) else { return Ok(args.invites.clone()) };
    let mut invites = Vec::new();
    for _ in 0..args.rooms {
        for link in consult::create(url, key, args.count).await? {
            invites.push(link.parse().context("the gateway's link has no token")?);
        }
    }
    Ok(invites)
}
