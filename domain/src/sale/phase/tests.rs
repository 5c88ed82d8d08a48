use super::*;
use crate::sale::{SaleState, Stock, StoredState};

const EARLY: &str = "2026-01-01T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A time on the day of the sale.
fn day(time: &str) -> Timestamp {
    at(&format!("2026-12-01T{time}Z"))
}

fn sale(more: &str) -> SaleConfig {
    let json = format!(
        r#"{{"name":"Jazz","currency":"eur","opens_at":"2026-12-01T10:00:00Z",
            "tiers":[{{"id":"ga","name":"Standing","price":4500,"capacity":50}}]{more}}}"#
    );
    serde_json::from_str(&json).unwrap()
}

/// Members first, for an hour; then, after a pause of an hour, everybody. The general prequeue opens while members buy.
fn presale() -> SaleConfig {
    sale(
        r#","closes_at":"2026-12-01T20:00:00Z","phases":[
            {"id":"members","opens_at":"2026-12-01T10:00:00Z","closes_at":"2026-12-01T11:00:00Z","access":"code"},
            {"id":"general","opens_at":"2026-12-01T12:00:00Z","prequeue_opens_at":"2026-12-01T10:50:00Z"}]"#,
    )
}

fn pointers(sale: &SaleConfig) -> Vec<String> {
    sale.faults().into_iter().map(|fault| fault.pointer).collect()
}

fn doors(sale: &SaleConfig, published_at: &str, now: &str) -> Vec<(String, DoorKind)> {
    let phases = sale.phases();
    let doors = super::doors(&phases, at(published_at), day(now));
    doors.into_iter().map(|door| (door.phase.id.to_string(), door.kind)).collect()
}

#[test]
fn a_sale_without_phases_has_one_for_everybody() {
    let sale = sale(r#","closes_at":"2026-12-01T20:00:00Z""#);
    assert_eq!(
        sale.phases(),
        [Phase {
            no: PhaseNo(0),
            id: "general".parse().unwrap(),
            prequeue_opens_at: day("09:30:00"),
            opens_at: day("10:00:00"),
            closes_at: Some(day("20:00:00")),
            access: PhaseAccess::Public,
            allowed: BTreeMap::new(),
        }]
    );
}

#[test]
fn what_a_phase_leaves_out_follows_from_its_neighbours_and_the_sale() {
    let mut sale = presale();
    sale.phases[0].closes_at = None;
    sale.prequeue_opens_at = Some(day("08:00:00"));
    assert_eq!(sale.faults(), []);
    let [members, general] = sale.phases().try_into().unwrap();
    assert_eq!((members.prequeue_opens_at, members.closes_at), (day("08:00:00"), Some(day("12:00:00"))));
    assert_eq!((members.no, members.access), (PhaseNo(0), PhaseAccess::Code));
    assert_eq!((general.prequeue_opens_at, general.closes_at), (day("10:50:00"), Some(day("20:00:00"))));
    assert_eq!((general.no, general.access), (PhaseNo(1), PhaseAccess::Public));
}

#[test]
fn a_prequeue_needs_time_before_the_opening_and_to_be_published_by_then() {
    let [members, _] = presale().phases().try_into().unwrap();
    assert!(members.has_prequeue(at(EARLY)));
    assert!(members.has_prequeue(day("09:59:59")));
    assert!(!members.has_prequeue(day("10:00:00")));
    let without = Phase { prequeue_opens_at: members.opens_at, ..members };
    assert!(!without.has_prequeue(at(EARLY)));
}

#[test]
fn doors_open_and_close_with_the_phases() {
    use DoorKind::{Open, Prequeue};
    let sale = presale();
    type Moment<'a> = (&'a str, &'a [(&'a str, DoorKind)], SaleState, u32);
    let expected: [Moment<'_>; 8] = [
        ("09:29:59", &[], SaleState::Scheduled, 0),
        ("09:30:00", &[("members", Prequeue)], SaleState::Prequeue, 0),
        ("10:00:00", &[("members", Open)], SaleState::Open, 1),
        ("10:50:00", &[("members", Open), ("general", Prequeue)], SaleState::Open, 1),
        ("11:00:00", &[("general", Prequeue)], SaleState::Prequeue, 1),
        ("12:00:00", &[("general", Open)], SaleState::Open, 2),
        ("19:59:59", &[("general", Open)], SaleState::Open, 2),
        ("20:00:00", &[], SaleState::Closed, 2),
    ];
    for (now, open, state, draws) in expected {
        let open: Vec<_> = open.iter().map(|(id, kind)| ((*id).to_owned(), *kind)).collect();
        assert_eq!(doors(&sale, EARLY, now), open, "{now}");
        assert_eq!(opened_draws(&sale.phases(), at(EARLY), day(now)), draws, "{now}");
        let seen = SaleState::of(StoredState::Published, &sale.phases(), at(EARLY), day(now), Stock::Left);
        assert_eq!(seen, state, "{now}");
    }
}

#[test]
fn between_phases_without_a_prequeue_nothing_is_open() {
    let mut sale = presale();
    sale.phases[1].prequeue_opens_at = Some(day("12:00:00"));
    assert_eq!(doors(&sale, EARLY, "11:30:00"), []);
    let seen = SaleState::of(StoredState::Published, &sale.phases(), at(EARLY), day("11:30:00"), Stock::Gone);
    assert_eq!(seen, SaleState::Scheduled);
}

#[test]
fn published_late_a_sale_opens_at_once_without_a_draw() {
    let sale = presale();
    let published_at = "2026-12-01T10:15:00Z";
    assert_eq!(doors(&sale, published_at, "10:15:00"), [("members".to_owned(), DoorKind::Open)]);
    assert_eq!(opened_draws(&sale.phases(), at(published_at), day("10:15:00")), 0);
    assert_eq!(
        opened_draws(&sale.phases(), at(published_at), day("12:00:00")),
        1,
        "the later phase still has its draw"
    );
}

#[test]
fn sold_out_is_told_only_while_a_phase_is_open() {
    let sale = presale();
    let seen = |now| SaleState::of(StoredState::Published, &sale.phases(), at(EARLY), day(now), Stock::Gone);
    assert_eq!(seen("10:30:00"), SaleState::SoldOut);
    assert_eq!(seen("11:30:00"), SaleState::Prequeue);
}

#[test]
fn every_fault_of_a_phase_is_named() {
    type Spoil = fn(&mut SaleConfig);
    let faulty: [(Spoil, &[&str]); 13] = [
        (|_| {}, &[]),
        (|sale| sale.phases[1].closes_at = sale.closes_at, &[]),
        (|sale| sale.phases[0].closes_at = Some(sale.phases[1].opens_at), &[]),
        (|sale| sale.phases[0].closes_at = Some(day("12:00:01")), &["/phases/1/opens_at"]),
        (|sale| sale.phases.swap(0, 1), &["/opens_at", "/phases/1/opens_at"]),
        (|sale| sale.phases[1].id = sale.phases[0].id.clone(), &["/phases/1/id"]),
        (|sale| sale.phases[0].opens_at = day("10:00:01"), &["/opens_at"]),
        (|sale| sale.phases[1].prequeue_opens_at = Some(day("12:00:01")), &["/phases/1/prequeue_opens_at"]),
        (|sale| sale.phases[1].closes_at = Some(day("12:00:00")), &["/phases/1/closes_at"]),
        (|sale| sale.phases[1].closes_at = Some(day("20:00:01")), &["/phases/1/closes_at"]),
        (|sale| sale.closes_at = Some(day("12:00:00")), &["/closes_at"]),
        (|sale| sale.prequeue_opens_at = Some(day("10:00:01")), &["/prequeue_opens_at"]),
        (|sale| sale.phases[1].prequeue_opens_at = Some(Timestamp::MIN), &["/phases/1/prequeue_opens_at"]),
    ];
    for (case, (spoil, expected)) in faulty.into_iter().enumerate() {
        let mut sale = presale();
        spoil(&mut sale);
        assert_eq!(pointers(&sale), expected, "case {case}");
    }
}

#[test]
fn a_sale_has_a_bounded_number_of_phases() {
    let mut sale = sale("");
    let phase = |no: i64| PhaseConfig {
        id: format!("phase-{no}").parse().unwrap(),
        prequeue_opens_at: None,
        opens_at: day("10:00:00") + SignedDuration::from_hours(no),
        closes_at: None,
        access: PhaseAccess::Public,
        allocation: BTreeMap::new(),
    };
    sale.phases = (0..8).map(phase).collect();
    assert_eq!(sale.faults(), []);
    assert_eq!(sale.phases().last().unwrap().no, PhaseNo(7));
    sale.phases.push(phase(8));
    assert_eq!(pointers(&sale), ["/phases"]);
}

#[test]
fn phases_of_the_first_times_there_are_make_no_panic() {
    let mut sale = sale("");
    sale.opens_at = Timestamp::MIN;
    assert_eq!(sale.phases()[0].prequeue_opens_at, Timestamp::MIN);
    assert_eq!(pointers(&sale), ["/opens_at"]);
}

#[test]
fn a_phase_may_sell_what_it_was_given_and_what_the_phases_before_left_of_theirs() {
    let allocations = |given: [&str; 3]| {
        let phase = |(no, allocation): (usize, &&str)| {
            format!(r#"{{"id":"p{no}","opens_at":"2026-12-01T1{no}:00:00Z","allocation":{{{allocation}}}}}"#)
        };
        sale(&format!(r#","phases":[{}]"#, given.iter().enumerate().map(phase).collect::<Vec<_>>().join(",")))
    };
    let allowed = |sale: &SaleConfig| {
        assert_eq!(sale.faults(), []);
        let ga = "ga".parse().unwrap();
        sale.phases().iter().map(|phase| phase.allowed.get(&ga).copied()).collect::<Vec<_>>()
    };
    let adding = allocations([r#""ga":10"#, r#""ga":5"#, ""]);
    assert_eq!(allowed(&adding), [Some(10), Some(15), None], "a phase that says nothing sells all there is");
    assert_eq!(allowed(&allocations([r#""ga":0"#, "", r#""ga":50"#])), [Some(0), None, Some(50)]);
    let written = serde_json::to_value(&adding.phases).unwrap();
    assert_eq!((&written[0]["allocation"]["ga"], written[2].get("allocation")), (&10.into(), None));

    let wrong = allocations([r#""ga":51"#, r#""balcony":1"#, r#""ga":50"#]);
    assert_eq!(pointers(&wrong), ["/phases/0/allocation/ga", "/phases/1/allocation/balcony"]);
}
