use secrecy::ExposeSecret as _;

use super::reader::Reader;
use super::*;
use crate::spans::Build;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn complete() -> Variables {
    Variables {
        database_url: some("postgres://localhost/onsale"),
        redis_url: some("redis://localhost"),
        stripe_secret_key: some("sk_test_1"),
        stripe_publishable_key: some("pk_test_1"),
        stripe_webhook_secret: some("whsec_new, whsec_old"),
        public_url: some("https://tickets.example.com"),
        signing_keys: some("a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
        ticket_keys: some("b:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="),
        ..Variables::default()
    }
}

fn faults(variables: &Variables) -> Vec<String> {
    GatewaySettings::read(variables).err().map(|faults| faults.lines().to_vec()).unwrap_or_default()
}

#[test]
fn the_required_ones_are_enough() {
    let gateway = GatewaySettings::read(&complete()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(gateway.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(gateway.process.admin_listen.to_string(), "127.0.0.1:9464");
    let secrets: Vec<_> = gateway.webhook_secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["whsec_new", "whsec_old"]);
    let workers = WorkersSettings::read(&complete()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(workers.process.admin_listen.to_string(), "127.0.0.1:9465");
    assert!(workers.mail.is_none());
    assert!(workers.beacon.is_none());
    assert_eq!(gateway.process.stripe_writes_per_s.get(), 100);
}

#[test]
fn every_fault_is_named_at_once() {
    let variables = Variables {
        database_url: some("elsewhere"),
        redis_url: None,
        listen: some("everywhere"),
        trusted_proxies: some("10.0.0.0/99"),
        signing_keys: some("a"),
        rate_limits: some("join"),
        stripe_writes_per_s: some("0"),
        ..complete()
    };
    let faults = faults(&variables);
    for name in [
        "DATABASE_URL",
        "REDIS_URL",
        "ONSALE_LISTEN",
        "ONSALE_TRUSTED_PROXIES",
        "ONSALE_SIGNING_KEYS",
        "ONSALE_RATE_LIMITS",
        "ONSALE_STRIPE_WRITES_PER_S",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(&format!("{name}: "))), "{name} in {faults:?}");
    }
    assert_eq!(faults.len(), 7, "{faults:?}");
}

#[test]
fn a_secret_comes_from_a_file_or_from_the_environment_but_not_from_both() {
    let folder = std::env::temp_dir().join(format!("onsale-config-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("redis");
    std::fs::write(&file, "redis://elsewhere\n").unwrap();
    let path = some(&file.to_string_lossy());

    let from_file = Variables { redis_url: None, redis_url_file: path.clone(), ..complete() };
    let gateway = GatewaySettings::read(&from_file).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(gateway.process.redis_url.expose_secret(), "redis://elsewhere");

    let from_both = Variables { redis_url_file: path, ..complete() };
    assert_eq!(faults(&from_both), ["REDIS_URL: is given twice, also as REDIS_URL_FILE"]);

    std::fs::remove_dir_all(&folder).unwrap();
    let faults = faults(&from_file);
    assert!(faults.len() == 1 && faults[0].starts_with("REDIS_URL: cannot read "), "{faults:?}");
}

#[test]
fn mail_needs_a_sender() {
    let variables = Variables { smtp_url: some("smtp://localhost"), ..complete() };
    let faults = WorkersSettings::read(&variables).err().map(|faults| faults.lines().to_vec());
    assert_eq!(faults, Some(vec!["MAIL_FROM: is required".to_owned()]));
}

#[test]
fn the_beacon_is_a_url_without_a_query_and_is_shown() {
    let with = |url: &str| WorkersSettings::read(&Variables { beacon_url: some(url), ..complete() });
    for bad in ["api.drand.sh", "ftp://api.drand.sh", "https://api.drand.sh/?chain=1", "https://user:pw@api.drand.sh"] {
        let faults = with(bad).err().map(|faults| faults.lines().to_vec()).unwrap_or_default();
        assert!(faults.len() == 1 && faults[0].starts_with("ONSALE_BEACON_URL: "), "{bad}: {faults:?}");
    }
    let url = "https://api.drand.sh/52db9ba7/";
    let workers = with(url).unwrap_or_else(|faults| panic!("{faults}"));
    let gateway = GatewaySettings::read(&Variables { beacon_url: some(url), ..complete() });
    let gateway = gateway.unwrap_or_else(|faults| panic!("{faults}"));
    for shown in [workers.without_secrets(), gateway.without_secrets()] {
        assert!(shown.contains("beacon           https://api.drand.sh/52db9ba7"), "{shown}");
    }
}

#[test]
fn the_write_limit_is_read_and_shown() {
    let raised = Variables { stripe_writes_per_s: some("400"), ..complete() };
    let gateway = GatewaySettings::read(&raised).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(gateway.process.stripe_writes_per_s.get(), 400);
    assert!(gateway.without_secrets().contains("Stripe writes    400 a second"));
}

#[test]
fn the_notice_of_a_drain_is_read_and_shown() {
    let shown = |notice: Option<&str>| {
        let variables = Variables { drain_notice_s: notice.and_then(some), ..complete() };
        GatewaySettings::read(&variables).unwrap_or_else(|faults| panic!("{faults}")).without_secrets()
    };
    assert!(shown(None).contains("drain notice     5 s"));
    assert!(shown(Some("20")).contains("drain notice     20 s"));
    for bad in ["-1", "soon", "70000"] {
        let faults = faults(&Variables { drain_notice_s: some(bad), ..complete() });
        assert!(faults.len() == 1 && faults[0].starts_with("ONSALE_DRAIN_NOTICE_S: "), "{bad}: {faults:?}");
    }
}

#[test]
fn a_build_that_can_send_spans_is_told_where_and_how_many_and_any_other_refuses_to_be() {
    let read = |endpoint: Option<&str>, one_in: Option<&str>, build| {
        let variables =
            Variables { otlp_endpoint: endpoint.and_then(some), otlp_one_in: one_in.and_then(some), ..complete() };
        let mut reader = Reader::default();
        let spans = reader.spans(&variables, build).map(|spans| spans.to_string());
        reader.finish(Some(spans)).map_err(|faults| faults.lines().to_vec())
    };
    let url = Some("http://127.0.0.1:4318/");
    let shown = |text: &str| Ok(some(text));
    assert_eq!(read(None, None, Build::Exports), Ok(None));
    assert_eq!(read(url, None, Build::Exports), shown("http://127.0.0.1:4318, of one trace in 100"));
    assert_eq!(read(url, Some("1"), Build::Exports), shown("http://127.0.0.1:4318, of one trace in 1"));
    assert_eq!(read(url, Some("0"), Build::Exports), shown("http://127.0.0.1:4318, of callers' traces alone"));
    let bad =
        [("127.0.0.1:4318", None), ("http://a/?b=1", None), ("https://user:pw@a", None), ("http://a", Some("-1"))];
    for (endpoint, one_in) in bad {
        let faults = read(Some(endpoint), one_in, Build::Exports).unwrap_err();
        assert!(faults.len() == 1 && faults[0].starts_with("ONSALE_OTLP_") && !faults[0].contains("pw"), "{faults:?}");
    }
    assert_eq!(read(Some(" "), None, Build::LogsOnly), Ok(None));
    for (endpoint, one_in, name) in [(url, None, "ENDPOINT"), (None, Some("5"), "ONE_IN")] {
        let fault = format!("ONSALE_OTLP_{name}: this build sends no spans: it was built without the feature otlp");
        assert_eq!(read(endpoint, one_in, Build::LogsOnly), Err(vec![fault]));
    }
}

#[test]
fn what_is_shown_has_no_secrets() {
    let gateway = GatewaySettings::read(&complete()).unwrap_or_else(|faults| panic!("{faults}"));
    let shown = gateway.without_secrets();
    for secret in ["sk_test_1", "whsec_new", "AQEB"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
