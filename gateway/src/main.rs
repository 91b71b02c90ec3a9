//! The `gateway` program: reads the configuration, starts the gateway, and stops it on a signal.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gateway::config::Config;
use gateway::descriptor_limit::raise_descriptor_limit;
use gateway::gateway::Gateway;
use gateway::{config_source, config_text, demo, log_output, metrics};
use tokio::signal::unix::{SignalKind, signal};

/// Adaptive telemedicine video gateway.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file; `TVG_*` variables override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration that counts, with the documentation of every setting, and exit.
    #[arg(long)]
    print_config: bool,
    /// Say whether the configuration makes sense, and exit.
    #[arg(long)]
    check_config: bool,
    /// Make a consult at once, and print the links of its doctor and its patient.
    #[arg(long)]
    demo: bool,
    /// Print `docs/config.md`, and exit.
    #[arg(long, hide = true)]
    print_config_reference: bool,
    /// Print `docs/metrics.md`, and exit.
    #[arg(long, hide = true)]
    print_metrics_reference: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.print_config_reference {
        say(&config_text::reference());
        return Ok(());
    }
    if arguments.print_metrics_reference {
        say(&metrics::reference()?);
        return Ok(());
    }
    let config = config_source::load(arguments.config.as_deref(), |name| std::env::var(name).ok())?;
    if arguments.print_config {
        say(&config_text::commented_toml(&config));
    } else if arguments.check_config {
        say("the configuration makes sense\n");
    } else {
        log_output::start_logging(&config.log);
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(serve(config, arguments.demo))?;
    }
    Ok(())
}

async fn serve(mut config: Config, with_demo: bool) -> Result<(), Box<dyn Error>> {
    // Taken first, so that a signal during the start is not lost.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    match raise_descriptor_limit() {
        Ok(most) => tracing::debug!(most, "descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of open files and sockets stays as it is"),
    }
    let drawn = (with_demo && config.http.api_key.is_none()).then(demo::draw_api_key);
    config.http.api_key = config.http.api_key.or_else(|| drawn.clone());
    let api_key = config.http.api_key.clone();
    let data_dir = config.store.data_dir.clone();
    let gateway = Gateway::start(config).await?;
    let addresses = gateway.addresses().clone();
    let ports: std::collections::BTreeSet<u16> = addresses.media.iter().map(|it| it.port()).collect();
    let mut notice = format!(
        "page      {}/\nmetrics   http://{}/metrics\nmedia     UDP {}\n",
        addresses.page,
        addresses.admin,
        ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
    );
    notice += &match (&drawn, &api_key, gateway.drawn_api_key()) {
        (Some(key), ..) => format!("API key   {} (drawn for this run)\n", key.reveal()),
        (None, _, Some(key)) => {
            format!("API key   {} (drawn now; kept in {})\n", key.reveal(), data_dir.display())
        }
        (None, Some(_), None) => "API key   as configured\n".to_owned(),
        (None, None, None) => format!("API key   in {}\n", data_dir.display()),
    };
    if let (true, Some(key)) = (with_demo, &api_key) {
        let links = demo::open_consult(addresses.http, key).await?;
        notice += &format!("doctor    {}\npatient   {}\n", links.doctor, links.patient);
    }
    say(&notice);
    gateway
        .serve_until(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
        })
        .await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the operator asked for, or needs to open the page")]
fn say(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "without a configuration there is no log")]
fn say_error(error: &dyn Error) {
    eprintln!("gateway: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
