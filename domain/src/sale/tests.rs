use super::*;

fn config(json: &str) -> SaleConfig {
    serde_json::from_str(json).unwrap()
}

fn smallest() -> SaleConfig {
    config(
        r#"{"name":"Night at the Opera","currency":"eur","opens_at":"2026-12-01T10:00:00Z",
            "tiers":[{"id":"ga","name":"Standing","price":4500,"capacity":50}]}"#,
    )
}

fn pointers(config: &SaleConfig) -> Vec<String> {
    config.faults().into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn four_fields_are_enough() {
    let sale = smallest();
    assert_eq!(sale.faults(), []);
    assert_eq!(sale.slug_or_from_name(), "night-at-the-opera");
    assert_eq!(sale.admission, AdmissionConfig::default());
    assert_eq!((sale.join.proof_of_work_bits, sale.admission.overbook), (0, 0), "both are asked for or not there");
}

#[test]
fn an_unknown_field_is_refused() {
    let error = serde_json::from_str::<SaleConfig>(r#"{"name":"x","colour":"red"}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `colour`"), "{error}");
}

#[test]
fn every_fault_is_named_at_once() {
    let mut sale = smallest();
    sale.name = " ".into();
    sale.time_zone = "Mars/Olympus".into();
    sale.closes_at = Some(sale.opens_at);
    sale.tiers.push(TierConfig { price: -1, capacity: Some(0), ..sale.tiers[0].clone() });
    sale.per_buyer_limit = 0;
    sale.join.proof_of_work_bits = 25;
    sale.admission.rate_per_s = 0;
    sale.admission.overbook = UNITS_MAX + 1;
    sale.hold.max_ttl_s = 1;
    sale.hold.reclaim_window_s = 2;
    sale.offer_ttl_s = Some(sale.hold.max_ttl_s - 1);
    assert_eq!(
        pointers(&sale),
        [
            "/name",
            "/slug",
            "/time_zone",
            "/closes_at",
            "/tiers/1/id",
            "/tiers/1/price",
            "/tiers/1/capacity",
            "/per_buyer_limit",
            "/join/proof_of_work_bits",
            "/admission/rate_per_s",
            "/admission/overbook",
            "/hold/max_ttl_s",
            "/hold/reclaim_window_s",
            "/offer_ttl_s",
        ]
    );
}

#[test]
fn a_performance_says_when_and_where() {
    let sale = |performances: &str| {
        config(&format!(
            r#"{{"name":"x","currency":"eur","opens_at":"2026-12-01T10:00:00Z","venue":"Hall","performances":{performances},
                "tiers":[{{"id":"ga","name":"Standing","price":4500,"capacity":50}}]}}"#,
        ))
    };
    let one = sale(r#"[{"starts_at":"2026-12-05T19:00:00Z","ends_at":"2026-12-05T22:00:00Z"}]"#);
    assert_eq!((one.faults(), one.place(), one.performance().unwrap().id.as_str()), (vec![], "Hall", "main"));
    let elsewhere = sale(r#"[{"starts_at":"2026-12-05T19:00:00Z","venue":"Barn"}]"#);
    assert_eq!((elsewhere.faults(), elsewhere.place()), (vec![], "Barn"));
    assert_eq!((smallest().performance(), smallest().place()), (None, ""));
    let mut wrong = sale(r#"[{"starts_at":"2026-12-05T19:00:00Z","ends_at":"2026-12-05T19:00:00Z","name":" "}]"#);
    wrong.terms = "no\u{7}".into();
    assert_eq!(pointers(&wrong), ["/performances/0/name", "/performances/0/ends_at", "/terms"]);
    wrong.performances = vec![elsewhere.performances[0].clone(); 2];
    wrong.terms = "x".repeat(TERMS_CHARS_MAX) + "\n";
    assert_eq!(pointers(&wrong), ["/performances", "/terms"]);
}

#[test]
fn letters_of_ones_own_are_checked_before_anybody_reads_them() {
    let sale = |letters: &str| {
        config(&format!(
            r#"{{"name":"x","currency":"eur","opens_at":"2026-12-01T10:00:00Z","letters":{letters},
                "tiers":[{{"id":"ga","name":"Standing","price":4500,"capacity":50}}]}}"#,
        ))
    };
    assert_eq!(sale(r#"{"order_paid":{"subject":"Hi {{name}}","opening":"One\nTwo {{sale}}"}}"#).faults(), []);
    let wrong = sale(r#"{"order_paid":{"subject":"{{nam}}","opening":"{{"},"refund_made":{"subject":"a\nb"}}"#);
    assert_eq!(
        pointers(&wrong),
        ["/letters/order_paid/subject", "/letters/order_paid/opening", "/letters/refund_made/subject"]
    );
    let waits =
        r#"{"waitlist_offer":{"subject":"{{offer}} until {{until}}"},"waitlist_lapsed":{"opening":"Dear {{name}}"}}"#;
    assert_eq!(pointers(&sale(waits)), ["/letters/waitlist_lapsed/opening"], "who waits has given no name");
    let unknown = r#"{"letters":{"birthday":{}},"name":"x"}"#;
    assert!(serde_json::from_str::<SaleConfig>(unknown).unwrap_err().to_string().contains("birthday"));
}

#[test]
fn an_offer_lives_at_least_as_long_as_a_hold_may_and_a_week_at_most() {
    let mut sale = smallest();
    for (ttl_s, is_good) in [(899, false), (900, true), (604_800, true), (604_801, false)] {
        sale.offer_ttl_s = Some(ttl_s);
        assert_eq!(sale.faults().is_empty(), is_good, "{ttl_s}");
    }
}

#[test]
fn a_sale_has_a_bounded_number_of_units() {
    let mut sale = smallest();
    sale.tiers[0].capacity = Some(UNITS_MAX);
    assert_eq!(sale.faults(), []);
    sale.tiers.push(TierConfig { id: "vip".parse().unwrap(), capacity: Some(1), ..sale.tiers[0].clone() });
    assert_eq!(pointers(&sale), ["/tiers"]);
}

fn rows(rows: &[(&str, u32)]) -> Vec<RowConfig> {
    rows.iter().map(|(row, seats)| RowConfig { row: (*row).to_owned(), seats: *seats }).collect()
}

#[test]
fn a_tier_has_a_capacity_or_rows() {
    let mut sale = smallest();
    let with = |capacity, rows| TierConfig { capacity, rows, ..smallest().tiers[0].clone() };
    sale.tiers = vec![with(None, rows(&[("A", 20), ("B", 22)]))];
    assert_eq!((sale.faults(), sale.tiers[0].capacity()), (vec![], 42));
    for (tier, pointer) in [
        (with(None, vec![]), "/tiers/0/capacity"),
        (with(Some(42), rows(&[("A", 42)])), "/tiers/0/rows"),
        (with(None, rows(&[("A", 1), ("A", 1)])), "/tiers/0/rows/1/row"),
        (with(None, rows(&[(" A", 1)])), "/tiers/0/rows/0/row"),
        (with(None, rows(&[("", 1)])), "/tiers/0/rows/0/row"),
        (with(None, rows(&[("the seventeenth c", 1)])), "/tiers/0/rows/0/row"),
        (with(None, rows(&[("A", 0)])), "/tiers/0/rows/0/seats"),
        (with(None, rows(&[("A", ROW_SEATS_MAX + 1)])), "/tiers/0/rows/0/seats"),
        (with(None, (0..=ROWS_MAX).map(|row| RowConfig { row: row.to_string(), seats: 1 }).collect()), "/tiers/0/rows"),
    ] {
        sale.tiers = vec![tier];
        assert_eq!(pointers(&sale), [pointer], "{:?}", sale.tiers[0].rows.first());
    }
    let hall = |tier: &str| {
        let rows = (0..100).map(|row| RowConfig { row: row.to_string(), seats: ROW_SEATS_MAX }).collect();
        TierConfig { id: tier.parse().unwrap(), ..with(None, rows) }
    };
    sale.tiers = vec![hall("left"), hall("right")];
    assert_eq!(sale.faults(), []);
    sale.tiers.push(TierConfig { id: "box".parse().unwrap(), ..with(None, rows(&[("A", 1)])) });
    assert_eq!(pointers(&sale), ["/tiers"]);
}

#[test]
fn a_tier_has_a_limit_of_its_own_within_that_of_the_sale() {
    let mut sale = smallest();
    for (limit, pointer) in [
        (None, vec![]),
        (Some(1), vec![]),
        (Some(6), vec![]),
        (Some(0), vec!["/tiers/0/per_buyer_limit"]),
        (Some(7), vec!["/tiers/0/per_buyer_limit"]),
    ] {
        sale.tiers[0].per_buyer_limit = limit;
        assert_eq!(pointers(&sale), pointer, "{limit:?}");
    }
}

#[test]
fn what_one_buyer_may_have_must_fit_one_payment() {
    let mut sale = smallest();
    sale.tiers[0].price = 99_999_999;
    assert_eq!(pointers(&sale), ["/tiers"]);
    sale.tiers[0].per_buyer_limit = Some(1);
    assert_eq!(sale.faults(), []);
    sale.taxes = vec![Tax { name: "VAT".into(), basis_points: 1 }];
    assert_eq!(pointers(&sale), ["/tiers"], "with taxes it is more");
}

#[test]
fn one_ticket_must_cost_nothing_or_what_stripe_takes() {
    for (currency, least) in [("eur", 50), ("gbp", 30), ("jpy", 50), ("huf", 17_500), ("usd", 50), ("xpf", 1)] {
        let mut sale = smallest();
        sale.currency = currency.parse().unwrap();
        sale.tiers.push(TierConfig { id: "box".parse().unwrap(), ..sale.tiers[0].clone() });
        sale.tiers[0].price = 1_000_000;
        for (price, pointer) in [(0, vec![]), (least, vec![]), (least - 1, vec!["/tiers/1/price"])] {
            sale.tiers[1].price = price;
            let expected = if price == 0 { vec![] } else { pointer };
            assert_eq!(pointers(&sale), expected, "{price} {currency}");
        }
    }
}

#[test]
fn fees_and_taxes_count_to_what_stripe_takes() {
    let mut sale = smallest();
    sale.tiers[0].price = 40;
    assert_eq!(pointers(&sale), ["/tiers/0/price"]);
    assert!(sale.faults()[0].detail.contains("at least 0.50 EUR"), "{:?}", sale.faults());
    sale.fees = vec![Fee { name: "Booking".into(), per_unit: 2, basis_points: 0 }];
    sale.taxes = vec![Tax { name: "VAT".into(), basis_points: 1_900 }];
    assert_eq!(pointers(&sale), [""; 0], "42 and 19 % are 50");
    sale.tiers[0].price = 0;
    assert_eq!(pointers(&sale), ["/tiers/0/price"], "a ticket for nothing with a small fee");
}

#[test]
fn a_tier_is_kept_as_it_was_given() {
    for tier in [
        r#"{"id":"ga","name":"Floor","price":100,"capacity":5}"#,
        r#"{"id":"ga","name":"Floor","price":100,"rows":[{"row":"A","seats":20}]}"#,
        r#"{"id":"ga","name":"Floor","price":100,"capacity":5,"per_buyer_limit":2}"#,
    ] {
        assert_eq!(serde_json::to_string(&serde_json::from_str::<TierConfig>(tier).unwrap()).unwrap(), tier);
    }
}

#[test]
fn each_decision_leads_where_the_table_says() {
    use Decision::{Cancel, Close, Pause, Publish, Resume};
    use StoredState::{Cancelled, Closed, Draft, Paused, Published};
    let table = [
        (Draft, [Some(Published), None, None, None, Some(Cancelled)]),
        (Published, [None, Some(Paused), None, Some(Closed), Some(Cancelled)]),
        (Paused, [None, None, Some(Published), Some(Closed), Some(Cancelled)]),
        (Closed, [None, None, None, None, Some(Cancelled)]),
        (Cancelled, [None; 5]),
    ];
    for (state, after) in table {
        assert_eq!([Publish, Pause, Resume, Close, Cancel].map(|decision| state.after(decision)), after, "{state:?}");
    }
}

#[test]
fn what_visitors_see_follows_the_time_and_the_stock() {
    let mut sale = smallest();
    sale.closes_at = Some("2026-12-02T10:00:00Z".parse().unwrap());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let published_at = at("2026-11-01T10:00:00Z");
    for (now, stock, seen) in [
        ("2026-12-01T09:29:59Z", Stock::Left, SaleState::Scheduled),
        ("2026-12-01T09:30:00Z", Stock::Left, SaleState::Prequeue),
        ("2026-12-01T09:59:59Z", Stock::Left, SaleState::Prequeue),
        ("2026-12-01T10:00:00Z", Stock::Left, SaleState::Open),
        ("2026-12-01T10:00:00Z", Stock::Gone, SaleState::SoldOut),
        ("2026-12-02T10:00:00Z", Stock::Left, SaleState::Closed),
    ] {
        assert_eq!(SaleState::of(StoredState::Published, &sale.phases(), published_at, at(now), stock), seen, "{now}");
    }
    let during = at("2026-12-01T11:00:00Z");
    let paused = SaleState::of(StoredState::Paused, &sale.phases(), published_at, during, Stock::Left);
    assert_eq!(paused, SaleState::Paused);
}

#[test]
fn a_hold_lasts_as_long_as_paying_takes_within_its_bounds() {
    let hold = HoldConfig { checkout_window_s: 100, min_ttl_s: 60, max_ttl_s: 300, ..HoldConfig::default() };
    for (p99_ms, ttl_s) in [(0, 100), (20_000, 160), (1_001, 104), (1_000_000, 300), (u64::MAX, 300)] {
        assert_eq!(hold.ttl_s(Duration::from_millis(p99_ms)), ttl_s, "p99 {p99_ms} ms");
    }
    assert_eq!(HoldConfig { checkout_window_s: 10, ..hold }.ttl_s(Duration::ZERO), 60);
}

#[test]
fn stored_states_read_back_from_their_words() {
    for state in StoredState::ALL {
        assert_eq!(StoredState::from_word(state.word()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.word());
    }
}
