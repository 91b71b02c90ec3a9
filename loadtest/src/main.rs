//! The command line of the load tester.

use clap::{Parser, Subcommand};
use loadtest::{bench, call, compare, fleet, forwarder, garbage, net, plan, plot, results};

/// Measures the gateway from outside: emulated links, synthetic participants, results and pictures.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures our gateway against the bare forwarder, and what it costs per packet, viewer and core.
    Bench(bench::Args),
    /// Takes part in consults as synthetic participants.
    Call(call::Args),
    /// Measures several servers under the same load, in turn, and prints how they compare.
    Compare(compare::Args),
    /// Publishes and plays through WHIP and WHEP, many times, and measures the server in between.
    Fleet(fleet::Args),
    /// Forwards from a publisher to viewers, and does nothing else: the floor that a server is held against.
    Forwarder(forwarder::Args),
    /// Sends hostile input, and watches what it does.
    Garbage(garbage::Args),
    /// Joins network namespaces by emulated links, in real time.
    Net(net::Args),
    /// Reckons what rooms need of a gateway's host, and how many of them one carries.
    Plan(plan::Args),
    /// Draws a time series as SVG.
    Plot(plot::Args),
    /// Adds rows to a results file and prints it as a table.
    Result(results::Args),
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Call(args) => call::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Fleet(args) => fleet::run(&args),
        Command::Forwarder(args) => forwarder::run(&args),
        Command::Garbage(args) => garbage::run(&args),
        Command::Net(args) => net::run(args),
        Command::Plan(args) => plan::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Result(args) => results::run(&args),
    }
}
