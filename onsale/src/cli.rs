//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::SaleId;
use domain::sale::LetterKind;
use http::Uri;
use jiff::Timestamp;
use ledger::seals::SealHead;

use crate::config::Variables;

/// Exit code for bad usage or configuration, as BSD's sysexits call it.
pub(crate) const EX_USAGE: u8 = 64;

/// Queue-fronted flash-sale gateway with a Postgres ledger.
#[derive(Debug, Parser)]
#[command(name = "onsale", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve visitors, buyers, organizers and Stripe's webhook
    Gateway(Variables),
    /// Apply payments, issue tickets, send mail, sweep what expired
    Workers(Variables),
    /// Bring the database up to date; safe to run at once from many nodes
    Migrate(Variables),
    /// Check the invariants on a running system; exit 1 on a breach
    Audit(Audit),
    /// Go or no-go before a sale: everything it stands on, looked at; exit 1 on no-go
    Preflight(Box<Preflight>),
    /// The account at Stripe
    #[command(subcommand)]
    Stripe(Stripe),
    /// Draw a sale's order again from its fairness file, offline; exit 1 when something does not fit
    VerifyShuffle(VerifyShuffle),
    /// What was given up: jobs that failed too often, events that nobody may believe
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// What the reconcilers looked at last, and what they found that people must look at
    Reconciliations(Reconciliations),
    /// Hear again from Stripe and Redis what a database has forgotten that was restored to an earlier moment; run it before
    /// gateways and workers, and again if it fails; exit 1 when the audit finds a breach
    Recover(Recover),
    /// Letters to buyers
    #[command(subcommand)]
    Letters(Letters),
    /// Make API keys and signing keys
    #[command(subcommand)]
    Keys(Keys),
    /// Everything in one process on private servers, with scripted buyers
    Demo(Demo),
    /// A sale with a crowd of simulated fans on private servers, and a report of how it went
    Rehearse(Rehearse),
    /// The fakes as servers of their own
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// Look at the configuration
    #[command(subcommand)]
    Config(Config),
    /// Ask a running process whether it is ready; exit 1 when it is not, or does not answer
    Healthcheck(Healthcheck),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
}

/// `onsale audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// Only this sale
    #[arg(long, value_name = "ID")]
    pub(crate) sale: Option<SaleId>,
    /// Also recompute the chain of seals, of all sales, and name the first block that does not fit
    #[arg(long)]
    pub(crate) chain: bool,
    /// A head that was printed earlier: the chain must still go through it
    #[arg(long, value_name = "BLOCK:HASH", requires = "chain")]
    pub(crate) head: Option<SealHead>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `onsale preflight`
#[derive(Debug, Args)]
pub(crate) struct Preflight {
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// The sale: its id or its slug
    #[arg(value_name = "SALE")]
    pub(crate) sale: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// How many gateways will run
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) gateways: u32,
    /// How many workers will run
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) workers: u32,
    /// The admin address of a process that runs; say it for each [default: the usual two, if they answer]
    #[arg(long, value_name = "URL")]
    pub(crate) ready: Vec<Uri>,
    /// A selector that the mail server signs with; may be said again [default: the usual names are tried]
    #[arg(long = "dkim-selector", value_name = "NAME")]
    pub(crate) dkim_selectors: Vec<String>,
    /// The resolver to ask [default: those of /etc/resolv.conf]
    #[arg(long, value_name = "ADDR")]
    pub(crate) dns: Option<SocketAddr>,
    /// Certificates to trust beside the public ones, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Test keys are what is wanted: nobody pays
    #[arg(long)]
    pub(crate) rehearsal: bool,
}

/// `onsale stripe`
#[derive(Debug, Subcommand)]
pub(crate) enum Stripe {
    /// Make the webhook's endpoint, or mend it: version, events; a new one's secret is printed once
    Setup(Box<StripeSetup>),
}

/// `onsale stripe setup`
#[derive(Debug, Args)]
pub(crate) struct StripeSetup {
    #[command(flatten)]
    pub(crate) variables: Variables,
}

/// `onsale dead-letters`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Print them, the oldest first
    List(ListLetters),
    /// Try them anew, once what was wrong is mended; what runs or waits is not touched
    Retry(RetryLetters),
    /// Give them up for good; why is written down
    Drop(DropLetters),
}

/// Which letters: all conditions that are given must hold.
#[derive(Debug, Args)]
pub(crate) struct WhichLetters {
    /// Only of this queue: inbox (events), stripe, stock or mail
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Option<LetterQueue>,
    /// Only of this kind, like payment_capture
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only jobs of this sale; of which sale an event is, is not known
    #[arg(long, value_name = "ID")]
    pub(crate) sale: Option<SaleId>,
    /// Only those that are there for so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) older_s: Option<u32>,
}

/// `onsale dead-letters list`
#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    #[command(flatten)]
    pub(crate) variables: Variables,
    #[command(flatten)]
    pub(crate) which: WhichLetters,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which letters are acted on, and by whom.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("named").required(true).multiple(true).args(["letter", "all", "queue", "kind", "sale", "older_s"]))]
pub(crate) struct ActOnLetters {
    #[command(flatten)]
    pub(crate) variables: Variables,
    #[command(flatten)]
    pub(crate) which: WhichLetters,
    /// This one: the id that `list` prints
    #[arg(value_name = "ID", conflicts_with = "all")]
    pub(crate) letter: Option<String>,
    /// Every one, or every one of those that the conditions leave
    #[arg(long)]
    pub(crate) all: bool,
    /// Who does it
    #[arg(long, env = "USER", value_name = "NAME", default_value = "unknown")]
    pub(crate) by: String,
}

/// `onsale dead-letters retry`
#[derive(Debug, Args)]
pub(crate) struct RetryLetters {
    #[command(flatten)]
    pub(crate) act: ActOnLetters,
    /// Why; kept with it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) why: String,
}

/// `onsale dead-letters drop`
#[derive(Debug, Args)]
pub(crate) struct DropLetters {
    #[command(flatten)]
    pub(crate) act: ActOnLetters,
    /// Why; kept with it
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
}

/// `onsale reconciliations`
#[derive(Debug, Args)]
pub(crate) struct Reconciliations {
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `onsale recover`
#[derive(Debug, Args)]
pub(crate) struct Recover {
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// The moment to which the database was restored, like 2026-12-05T19:02:11Z; an earlier one does no harm
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Timestamp,
    /// Only look: write nothing, pause nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How far numbers in the queue jump where Redis was lost, too: more than could join in the time that is lost
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) numbers_ahead: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A queue whose letters are looked at.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LetterQueue {
    /// Events of Stripe
    Inbox,
    /// Calls to Stripe
    Stripe,
    /// Units going back to Redis
    Stock,
    /// Mail
    Mail,
}

/// `onsale verify-shuffle`
#[derive(Debug, Args)]
pub(crate) struct VerifyShuffle {
    /// What `GET /v1/sales/{sale}/fairness` answered; `-` reads it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Your own: what `GET /v1/sales/{sale}/queue/place/proof` answered
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
}

/// `onsale letters`
#[derive(Debug, Subcommand)]
pub(crate) enum Letters {
    /// Print one as it would go over the wire, of a made-up order or wish; a mail program opens it
    Preview(PreviewLetter),
}

/// `onsale letters preview`
#[derive(Debug, Args)]
pub(crate) struct PreviewLetter {
    /// Which: `order_paid`, `order_expired`, `payment_released`, `payment_refunded`, `refund_made`, `refund_failed`, `tickets_again`,
    /// `sale_cancelled`, `waitlist_joined`, `waitlist_offer`, `waitlist_lapsed`, `waitlist_cancelled`
    #[arg(value_name = "KIND", value_parser = letter_kind)]
    pub(crate) kind: LetterKind,
    /// What `POST /v1/organizer/sales` takes, with `letters` of one's own; `-` reads it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) sale: PathBuf,
    /// Who reads it
    #[arg(long, value_name = "NAME", default_value = "Ada Lovelace")]
    pub(crate) name: String,
    /// Where
    #[arg(long, value_name = "ADDRESS", default_value = "ada@example.org")]
    pub(crate) email: String,
}

fn letter_kind(word: &str) -> Result<LetterKind, String> {
    LetterKind::from_word(word).ok_or_else(|| "there is no such letter".to_owned())
}

/// `onsale keys`
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make an API key and, when new, its organizer; the key is printed once
    Create(Box<CreateKey>),
    /// Print a fresh kid:base64
    Generate {
        /// What the key is for
        purpose: Purpose,
    },
}

/// `onsale keys create`
#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    #[command(flatten)]
    pub(crate) variables: Variables,
    /// What the key may do
    #[arg(long)]
    pub(crate) role: KeyRole,
    /// Whose key it is
    #[arg(long, value_name = "NAME")]
    pub(crate) organizer: String,
    /// What to call the key
    #[arg(long, value_name = "N", default_value = "")]
    pub(crate) name: String,
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyRole {
    /// Everything
    Admin,
    /// Sales of one organizer
    Organizer,
    /// Scanning
    Door,
    /// Looking things up
    Support,
}

/// What a fresh key is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Purpose {
    /// `ONSALE_SIGNING_KEYS`
    Signing,
    /// `ONSALE_TICKET_KEYS`
    Ticket,
}

/// `onsale demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Exit when the scripted buyers are done: 0 when they hold valid tickets and the audit passed
    #[arg(long)]
    pub(crate) once: bool,
    /// No scripted buyers: only the servers and the page; SIGUSR1 sets the clock of orders ahead by five minutes
    #[arg(long, conflicts_with = "once")]
    pub(crate) page_only: bool,
    /// Neither a sale nor buyers: only the servers, for load tests; the same signal. X-Forwarded-For of this machine is believed, so
    /// that each buyer of a script has an address
    #[arg(long, conflicts_with_all = ["once", "page_only"])]
    pub(crate) servers_only: bool,
    /// Where the gateway listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) latency: StripeLatency,
    /// Writes a second that the fake Stripe's account is said to take [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) stripe_writes_per_s: Option<u32>,
}

/// How long the fake Stripe takes for a call: log-normal, which has a long tail.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StripeLatency {
    /// Half the calls to the fake Stripe are quicker; 0 is as fast as it can
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) stripe_latency_ms: u64,
    /// How long its tail is: 0.5 puts the 99th percentile at 3.2 medians, 1.0 at 10
    #[arg(long, value_name = "SIGMA", default_value_t = 0.5)]
    pub(crate) stripe_latency_sigma: f64,
}

impl From<StripeLatency> for sandbox::Latency {
    fn from(StripeLatency { stripe_latency_ms, stripe_latency_sigma }: StripeLatency) -> Self {
        match stripe_latency_ms {
            0 => Self::None,
            median_ms => Self::LogNormal { median: Duration::from_millis(median_ms), sigma: stripe_latency_sigma },
        }
    }
}

/// `onsale rehearse`
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The sale: what `POST /v1/organizer/sales` takes or `GET …/sales/{sale}` answers; `-` reads it from standard input
    #[arg(value_name = "SALE.json")]
    pub(crate) sale: PathBuf,
    /// How the fans behave [default: as docs/rehearsing.md says]
    #[arg(long, value_name = "FILE")]
    pub(crate) crowd: Option<PathBuf>,
    /// How many fans come [default: ten for each unit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) fans: Option<u32>,
    /// The same seed is the same fans
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seconds of the sale pass in one second here [default: as many as these processors carry]
    #[arg(long, value_name = "X")]
    pub(crate) speed: Option<f64>,
    /// Ends the rehearsal after so many minutes here, whatever is left
    #[arg(long, value_name = "M", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub(crate) minutes_max: u32,
    /// Where report.html and report.json are written
    #[arg(long, value_name = "DIR", default_value = "rehearsal")]
    pub(crate) out: PathBuf,
    /// Only print what the fans have in mind, as JSON; nothing is started
    #[arg(long)]
    pub(crate) plan: bool,
}

/// `onsale sandbox`
#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// A Stripe to rehearse with
    Stripe {
        /// Where it listens
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:12111")]
        listen: SocketAddr,
        /// Where its events go
        #[arg(long, value_name = "URL")]
        webhook_url: Option<String>,
        /// What its events are signed with
        #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true, default_value = "whsec_sandbox")]
        webhook_secret: String,
        #[command(flatten)]
        latency: StripeLatency,
        /// How a browser reaches it, where that is not where it listens
        #[arg(long, value_name = "URL")]
        browser_base: Option<String>,
    },
    /// A mail server that keeps everything for you to read
    Mail {
        /// Where it takes mail
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1025")]
        listen: SocketAddr,
        /// Where it shows mail
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8025")]
        page_listen: SocketAddr,
    },
    /// A sale to try, made once through the API of a running gateway; stays until it is asked to end
    Sale(Box<SandboxSale>),
}

/// `onsale sandbox sale`
#[derive(Debug, Args)]
pub(crate) struct SandboxSale {
    /// The gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) variables: Variables,
}

/// `onsale config`
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print what would be used, without secrets; every fault named at once, exit 64
    Check(Box<CheckConfig>),
}

/// `onsale config check`
#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// Only what this command reads; both long-running processes when left out
    #[arg(value_name = "COMMAND")]
    pub(crate) of: Option<Configured>,
    #[command(flatten)]
    pub(crate) variables: Variables,
}

/// A command whose configuration is looked at.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Configured {
    /// What `onsale gateway` reads
    Gateway,
    /// What `onsale workers` reads
    Workers,
    /// What `onsale migrate` reads, and everything else that needs Postgres only
    Migrate,
}

/// `onsale healthcheck`
#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// Which one is asked, by its usual admin address
    #[arg(value_name = "PROCESS", default_value = "gateway")]
    pub(crate) process: LongRunning,
    /// Its admin address; where that says every address, loopback is asked
    #[arg(long, env = "ONSALE_ADMIN_LISTEN", value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// Only whether it lives, whatever became of what it needs
    #[arg(long)]
    pub(crate) live: bool,
    /// Ask this instead; 200 is well
    #[arg(long, value_name = "URL", conflicts_with = "live")]
    pub(crate) url: Option<Uri>,
}

/// A process that has an admin address.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LongRunning {
    /// A gateway
    Gateway,
    /// Workers
    Workers,
}

/// Prints what clap has to say, and turns its exit code into ours.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = !error.use_stderr();
    // Nothing is left to say when standard output or error is gone.
    let _ = error.print();
    if asked_for { ExitCode::SUCCESS } else { ExitCode::from(EX_USAGE) }
}
