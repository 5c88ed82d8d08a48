//! `onsale preflight`: everything good is a go; each thing that is wrong is named, alone, and is a no-go.

mod answerer;
mod tls;

use std::collections::BTreeMap;
use std::process::{Command, ExitStatus};

use futures_util::future::join_all;
use rustix::process::{Resource, getrlimit, setrlimit};
use sandbox::{
    Account, BeaconFault, FakeBeacon, FakeStripe, FakeStripeOptions, Persistence, Postgres, PostgresOptions, Redis,
    RedisOptions, WebhookEndpoint,
};
use serde_json::{Value, json};

use crate::world::{ONSALE, Reach, World, command};
use answerer::Answerer;
use tls::Terminator;

/// As long as Stripe's are.
const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";

/// A run: its exit status, and the checks by name.
struct Flight {
    status: ExitStatus,
    checks: BTreeMap<String, Value>,
    printed: String,
}

impl Flight {
    fn with(&self, mark: &str) -> Vec<&str> {
        self.checks.iter().filter(|(_, check)| check["mark"] == mark).map(|(name, _)| name.as_str()).collect()
    }

    /// It is a no-go for this one reason, which says what it saw and what to do.
    fn fails_by(&self, name: &str, seen: &str) {
        assert_eq!((self.with("fail"), self.status.code()), (vec![name], Some(1)), "{name}: {}", self.printed);
        let check = &self.checks[name];
        assert!(check["seen"].as_str().unwrap().contains(seen), "{seen} in {check}");
        assert!(!check["wanted"].as_str().unwrap().is_empty() && !check["do"].as_str().unwrap().is_empty(), "{check}");
    }

    fn is_go(&self) {
        assert_eq!((self.with("fail"), self.status.code()), (vec![], Some(0)), "{}", self.printed);
    }
}

/// A world in which all is good, and what a run is told of it.
struct Pad {
    world: World,
    beacon: FakeBeacon,
    dns: Answerer,
    tls: Terminator,
    sale: String,
    /// A presale is promised more than is not withheld.
    promised: String,
    keys: [String; 2],
}

type Told<'a> = &'a [(&'static str, &'a str)];

impl Pad {
    async fn build() -> Self {
        // A limit that a shell set for its children is none of the test's.
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }).unwrap();
        let keys = ["signing", "ticket"].map(|purpose| {
            let printed = command(&["keys", "generate", purpose], &[]).output().unwrap().stdout;
            String::from_utf8(printed).unwrap().trim().to_owned()
        });
        let beacon = FakeBeacon::start().await.unwrap();
        let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
        let redis = Redis::start(RedisOptions { persistence: Persistence::AppendOnly }).await.unwrap();
        redis.command(&["CONFIG", "SET", "appendfsync", "everysec"]).await.unwrap();
        redis.set_memory_max(1 << 30).await.unwrap();
        let url = beacon.url();
        let more = [
            ("ONSALE_SIGNING_KEYS", keys[0].as_str()),
            ("ONSALE_TICKET_KEYS", keys[1].as_str()),
            ("ONSALE_BEACON_URL", url.as_str()),
        ];
        let world = World::start_over((postgres, redis), Reach::Direct, &more, None).await;
        let dns = Answerer::start(&[
            ("example.com", "v=spf1 include:_spf.example.com -all"),
            ("s1._domainkey.example.com", "v=DKIM1; k=rsa; p=MIGfMA0G"),
            ("_dmarc.example.com", "v=DMARC1; p=none"),
        ])
        .await;
        let tls = Terminator::start(world.edge.base().strip_prefix("http://").unwrap().parse().unwrap()).await;
        let urls = [world.edge.base(), &tls.url(), &tls.url_by_address(), &world.stripe.base_url()]
            .map(|base| WebhookEndpoint::of(&format!("{base}/v1/stripe/webhook")));
        world.stripe.set_endpoints(urls.to_vec());
        let sale = world.organizer.publishes(&wish(json!({}))).await.unwrap();
        let promised = json!({ "withheld": { "ga": 60 }, "phases": [
            { "id": "presale", "opens_at": "2099-01-01T10:00:00Z", "allocation": { "ga": 50 } },
            { "id": "general", "opens_at": "2099-01-02T10:00:00Z" },
        ] });
        let promised = world.organizer.publishes(&wish(promised)).await.unwrap();
        for sale in [&sale, &promised] {
            world.organizer.waits_until_open(sale).await.unwrap();
        }
        Self { world, beacon, dns, tls, sale, promised, keys }
    }

    async fn flies(&self) -> Flight {
        self.flies_with(&[], &[]).await
    }

    /// Runs it with more variables and arguments; the last of a name counts.
    async fn flies_with(&self, more: Told<'_>, arguments: &[&str]) -> Flight {
        let (gateway, workers) = (self.world.gateway.admin.base(), self.world.workers.admin.base());
        let ready = ["--ready", gateway, "--ready", workers];
        self.flies_as(Command::new(ONSALE), more, &[&[self.sale.as_str()], &ready[..], arguments].concat()).await
    }

    async fn flies_as(&self, mut command: Command, more: Told<'_>, arguments: &[&str]) -> Flight {
        let dns = self.dns.address().to_string();
        command.args(["preflight", "--json", "--dns", &dns, "--dkim-selector", "s1"]).args(arguments);
        command.arg("--ca-file").arg(self.tls.ca_file());
        command
            .env_clear()
            .envs(self.world.variables())
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .envs(more.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let report: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{said}"));
        let checks = report["checks"].as_array().unwrap().iter();
        let checks = checks.map(|check| (check["check"].as_str().unwrap().to_owned(), check.clone())).collect();
        assert_eq!(report["go"], output.status.success(), "{printed}");
        for secret in [&self.keys[0], &self.keys[1]].map(|key| key.split_once(':').unwrap().1).iter().chain(&[SECRET]) {
            assert!(!printed.contains(secret) && !said.contains(secret));
        }
        Flight { status: output.status, checks, printed }
    }
}

fn wish(more: Value) -> Value {
    let mut wish = json!({
        "name": "Night", "slug": format!("night-{}", uuid::Uuid::new_v4().simple()), "currency": "eur",
        "opens_at": "2099-01-01T10:00:00Z", "prequeue_opens_at": "2026-01-01T10:00:00Z", "terms": "No refunds.",
        "performances": [{ "starts_at": "2099-06-01T19:00:00Z" }],
        "tiers": [{ "id": "ga", "name": "Standing", "price": 4500, "capacity": 100 }],
        "admission": { "rate_per_s": 30, "burst": 30, "max_shoppers": 1000 },
    });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

#[tokio::test(flavor = "multi_thread")]
async fn all_good_is_a_go_and_each_fault_is_named_alone() {
    let pad = Pad::build().await;
    let good = pad.flies().await;
    good.is_go();
    assert_eq!(good.checks.len(), 41, "{}", good.printed);
    // What nobody can tell from here is said, and is not ok; a single Postgres without a standby is worth a word.
    assert_eq!(good.with("open"), ["keys.webhook"], "{}", good.printed);
    assert!(good.with("warn").iter().all(|name| ["files", "postgres.standby"].contains(name)), "{}", good.printed);
    says_it_in_words(&pad);
    what_was_told_wrong(&pad).await;
    what_is_wrong_at_stripe(&pad).await;
    what_is_wrong_with_redis(&pad).await;
    what_is_wrong_with_postgres(&pad).await;
    what_is_wrong_elsewhere(&pad).await;
    pad.flies().await.is_go();
}

/// Text for people: a line each, and the verdict; what is asked for wrongly is bad usage.
fn says_it_in_words(pad: &Pad) {
    let (status, printed) = pad.world.runs(&["preflight", &pad.sale, "--redis-url", "redis://127.0.0.1:1"]);
    assert_eq!(status.code(), Some(1), "{printed}");
    let line = printed.lines().find(|line| line.contains("redis.role")).unwrap();
    assert!(line.starts_with("FAIL  ") && line.contains(" · wanted: ") && line.contains(" · do: "), "{line}");
    assert!(printed.lines().last().unwrap().starts_with("NO-GO: "), "{printed}");
    for arguments in [&["preflight"][..], &["preflight", "no-such-sale"]] {
        assert_eq!(pad.world.runs(arguments).0.code(), Some(64), "{arguments:?}");
    }
}

/// Faults of the configuration: a run each, of which several go at once.
async fn what_was_told_wrong(pad: &Pad) {
    let nobody = "redis://127.0.0.1:1";
    let example = "test:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    let (https, by_address, not_us) = (pad.tls.url(), pad.tls.url_by_address(), pad.world.stripe.base_url());
    let faults: [(Told<'_>, &[&str], &str, &str); 11] = [
        (&[("STRIPE_PUBLISHABLE_KEY", "pk_live_1")], &[], "stripe.mode", "the publishable key is not"),
        (&[("SMTP_URL", "smtp://127.0.0.1:1")], &[], "mail.server", "refused"),
        (&[("REDIS_URL", nobody)], &[], "redis.role", ""),
        (&[("ONSALE_SIGNING_KEYS", example)], &[], "keys.signing", "test is the key of an example"),
        (&[("ONSALE_TICKET_KEYS", example)], &[], "keys.tickets", "test is the key of an example"),
        (&[("STRIPE_WEBHOOK_SECRET", "hunter2")], &[], "keys.webhook", "whsec_"),
        (&[("ONSALE_PUBLIC_URL", &not_us)], &[], "public_url", "not as we do"),
        (&[("ONSALE_PUBLIC_URL", &by_address)], &[], "certificate", "of another name"),
        (&[], &["--ready", "http://127.0.0.1:1"], "readyz", "http://127.0.0.1:1"),
        (&[], &["--gateways", "100"], "postgres.connections", "102 processes × 17 = 1734"),
        (&[], &["--dkim-selector", "s2"], "mail.dkim", "no key under s2"),
    ];
    for some in faults.chunks(3) {
        let flights = join_all(some.iter().map(|(more, arguments, ..)| pad.flies_with(more, arguments))).await;
        for ((.., name, seen), flight) in some.iter().zip(flights) {
            flight.fails_by(name, seen);
        }
    }
    pad.flies_with(&[("ONSALE_PUBLIC_URL", &https)], &[]).await.is_go();
    pad.tls.lets_expire();
    pad.flies_with(&[("ONSALE_PUBLIC_URL", &https)], &[]).await.fails_by("certificate", "expired");
    // Without the addresses of processes, what they may open is not known, and this command's own limit counts.
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", ONSALE]);
    let flight = pad.flies_as(few, &[], &[&pad.sale]).await;
    flight.fails_by("files", "256 open files");
    assert_eq!(flight.checks["readyz"]["mark"], "open");
}

async fn what_is_wrong_at_stripe(pad: &Pad) {
    let stripe = &pad.world.stripe;
    let (endpoints, ours) = (stripe.endpoints(), stripe.endpoints()[0].clone());
    let events = vec!["payment_intent.succeeded".to_owned()];
    for (wrong, seen) in [
        (WebhookEndpoint { url: format!("{}x", ours.url), ..ours.clone() }, "none for"),
        (WebhookEndpoint { enabled: false, ..ours.clone() }, "is disabled"),
        (WebhookEndpoint { api_version: Some("2020-08-27".to_owned()), ..ours.clone() }, "writes version 2020-08-27"),
        (WebhookEndpoint { api_version: None, ..ours.clone() }, "whatever version"),
        (WebhookEndpoint { events, ..ours.clone() }, "does not hear payment_intent.amount_capturable_updated"),
    ] {
        stripe.set_endpoints(vec![wrong]);
        pad.flies().await.fails_by("stripe.endpoint", seen);
    }
    stripe.set_endpoints(endpoints);
    for (account, name, seen) in [
        (Account { charges_enabled: false, ..Account::default() }, "stripe.account", "may not take money"),
        (
            Account { payment_currencies: vec!["usd".to_owned()], ..Account::default() },
            "stripe.currency",
            "cannot charge eur",
        ),
        (Account { methods: vec!["klarna".to_owned()], ..Account::default() }, "stripe.methods", "at once: klarna"),
    ] {
        stripe.set_account(account);
        pad.flies().await.fails_by(name, seen);
    }
    stripe.set_account(Account::default());
}

async fn what_is_wrong_with_redis(pad: &Pad) {
    for (setting, wrong, right, name) in [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "redis.memory"),
        ("appendfsync", "no", "everysec", "redis.persistence"),
        ("appendonly", "no", "yes", "redis.persistence"),
    ] {
        pad.world.redis.command(&["CONFIG", "SET", setting, wrong]).await.unwrap();
        pad.flies().await.fails_by(name, wrong);
        pad.world.redis.command(&["CONFIG", "SET", setting, right]).await.unwrap();
    }
}

async fn what_is_wrong_with_postgres(pad: &Pad) {
    let database = &pad.world.database;
    let set = async |what: &str| database.execute(&format!("ALTER DATABASE {} {what}", database.name)).await.unwrap();
    set("SET synchronous_commit = off").await;
    pad.flies().await.fails_by("postgres.durability", "synchronous_commit off");
    set("RESET synchronous_commit").await;
    database
        .execute(
            "CREATE TABLE kept AS SELECT * FROM refinery_schema_history ORDER BY version DESC LIMIT 1;
             DELETE FROM refinery_schema_history WHERE version IN (SELECT version FROM kept)",
        )
        .await
        .unwrap();
    pad.flies().await.fails_by("postgres.migrations", "not applied: V");
    database.execute("INSERT INTO refinery_schema_history SELECT * FROM kept; DROP TABLE kept").await.unwrap();
    database.set_clock_offset(60_000).await.unwrap();
    pad.flies().await.fails_by("postgres.clock", "ahead of the server");
    database.set_clock_offset(0).await.unwrap();
}

async fn what_is_wrong_elsewhere(pad: &Pad) {
    pad.dns.forgets("example.com");
    pad.flies().await.fails_by("mail.spf", "example.com has 0 SPF records");
    pad.dns.says("example.com", "v=spf1 -all");
    pad.beacon.set_fault(BeaconFault::Down).await.unwrap();
    pad.flies().await.fails_by("sale.draw", "refused");
    pad.beacon.set_fault(BeaconFault::None).await.unwrap();
    pad.flies_as(Command::new(ONSALE), &[], &[&pad.promised]).await.fails_by("sale.allocations", "ga: 50 of 40");
    let asks = async |act: &str| {
        let path = format!("sales/{}/{act}", pad.sale);
        let answer = pad.world.organizer.asks(http::Method::POST, &path, &Value::Null).await.unwrap();
        answer.expect(http::StatusCode::OK).unwrap();
    };
    asks("pause").await;
    pad.flies().await.fails_by("sale.state", "is paused");
    asks("resume").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_made_once_mended_where_it_can_be_and_left_alone_where_it_is_right() {
    let stripe = FakeStripe::start(FakeStripeOptions::default()).await.unwrap();
    let variables = [
        ("STRIPE_SECRET_KEY", "sk_test_1".to_owned()),
        ("STRIPE_API_BASE", stripe.base_url()),
        ("ONSALE_PUBLIC_URL", "https://tickets.example".to_owned()),
    ];
    let sets_up = async || {
        let mut command = command(&["stripe", "setup"], &variables);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, secret) = sets_up().await;
    assert!(status == Some(0) && secret.starts_with("whsec_"), "{secret}");
    let made = stripe.endpoints();
    assert_eq!((made.len(), made[0].url.as_str()), (1, "https://tickets.example/v1/stripe/webhook"));
    let (status, said) = sets_up().await;
    assert!(status == Some(0) && said.contains("is as it should be"), "{said}");
    assert_eq!(stripe.endpoints(), made);

    stripe.set_endpoints(vec![WebhookEndpoint { enabled: false, events: Vec::new(), ..made[0].clone() }]);
    let (status, said) = sets_up().await;
    assert!(status == Some(0) && said.contains("was mended: is disabled"), "{said}");
    assert_eq!(stripe.endpoints(), made);

    stripe.set_endpoints(vec![WebhookEndpoint { api_version: None, ..made[0].clone() }]);
    assert_eq!(sets_up().await.0, Some(1));
}
