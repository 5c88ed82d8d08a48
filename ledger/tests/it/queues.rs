//! Numbers, grants and epochs: what outlives Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::sale::PhaseNo;
use domain::token::Holder;
use domain::{PlaceNumber, SaleId, UnitNo};
use jiff::{SignedDuration, Timestamp};
use ledger::Role;
use ledger::draws::draw_freeze;
use ledger::epochs::{EpochBegin, EpochSnapshot, epoch_begin};
use ledger::orders::CreateOrder;
use ledger::queue::{
    Bypass, Event, EventKind, Grant, LogKind, LogRow, Returned, Stop, TickRecord, admission_log, admission_log_latest,
    bypass_log, numbers_reserve, tick_record,
};
use ledger::registrations::registrations_add;
use ledger::sales::{sale_pause, sale_resume};
use tokio::task::JoinSet;

use crate::world::{Price, World, connect, patiently};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_reserved_in_blocks_that_never_overlap() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(1, Price::Paid).await.id;
    assert_eq!(numbers_reserve(&world.gateway, sale, 1, 100).await.unwrap(), 100);
    assert_eq!(numbers_reserve(&world.gateway, sale, 100, 100).await.unwrap(), 100, "covered already");
    assert_eq!(numbers_reserve(&world.gateway, sale, 101, 100).await.unwrap(), 200);

    let mut gateways = JoinSet::new();
    for _ in 0..10 {
        let world = Arc::clone(&world);
        gateways.spawn(async move { numbers_reserve(&world.gateway, sale, 0, 100).await.unwrap() });
    }
    let tops: BTreeSet<u64> = gateways.join_all().await.into_iter().collect();
    assert_eq!(tops, (1..=10).map(|block| 200 + block * 100).collect());
    let holes = "SELECT count(*) FROM (SELECT first_number - lag(last_number) OVER (ORDER BY last_number) AS step
                                          FROM number_blocks) AS steps WHERE step <> 1";
    assert_eq!(world.number(holes).await, 0);
}

fn grants(numbers: impl IntoIterator<Item = u64>, at: &str) -> Vec<Grant> {
    let granted_at: Timestamp = at.parse().expect("a time");
    numbers.into_iter().map(|number| Grant { number: PlaceNumber(number), granted_at }).collect()
}

fn gives(granted: &[Grant]) -> TickRecord {
    TickRecord { granted: granted.to_vec(), ..TickRecord::default() }
}

async fn records(world: &World, sale: SaleId, epoch: u32, record: &TickRecord) -> u64 {
    patiently(|| tick_record(&world.gateway, sale, epoch, record, BOUND_S)).await
}

const BOUND_S: u32 = 900;

fn begun(begin: EpochBegin) -> EpochSnapshot {
    match begin {
        EpochBegin::Begun(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_epoch_starts_from_what_is_there() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    sale.has_order([1, 2]).await;
    numbers_reserve(&world.gateway, sale.id, 1, 100).await.unwrap();
    let soon = Timestamp::from_second(world.number("SELECT extract(epoch FROM now())::bigint").await).unwrap();
    let (live, over) = (grants([1, 2], &soon.to_string()), grants([3], "2026-01-01T00:00:00Z"));
    assert_eq!(records(&world, sale.id, 1, &gives(&live)).await, 2);
    assert_eq!(records(&world, sale.id, 1, &gives(&live)).await, 2, "the same tick again");
    assert_eq!(records(&world, sale.id, 1, &gives(&over)).await, 1);

    let snapshot = begun(epoch_begin(&world.workers, sale.id, Some(1)).await.unwrap());
    assert_eq!((snapshot.epoch, snapshot.reserved_number), (2, 100));
    assert_eq!(snapshot.grants.iter().map(|grant| grant.number.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((snapshot.tiers[0].capacity, &*snapshot.tiers[0].free), (4, &[UnitNo(0), UnitNo(3)][..]));

    assert_eq!(epoch_begin(&world.workers, sale.id, Some(1)).await.unwrap(), EpochBegin::Busy, "somebody was first");
    let unknown = SaleId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(epoch_begin(&world.workers, unknown, None).await.unwrap(), EpochBegin::NotFound);
    let stale = gives(&grants([9], "2026-11-21T12:00:00Z"));
    assert_eq!(records(&world, sale.id, 1, &stale).await, 0, "its epoch is over");
    assert_eq!(world.number("SELECT count(*) FROM grants WHERE number = 9").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM admission_log WHERE number = 9").await, 0);
    assert_eq!(sale.creates(&sale.order([0])).await, CreateOrder::EpochStale);
}

/// The window between the bump and the snapshot is closed by the gate: while a change is under way no epoch begins.
#[tokio::test]
async fn an_epoch_waits_for_what_is_under_way() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let change = connect(&world.database.url).await;
    change.batch_execute("BEGIN").await.unwrap();
    change.execute("SELECT gate_enter($1)", &[&sale.id.uuid()]).await.unwrap();
    change.execute("SELECT gate_enter($1)", &[&sale.id.uuid()]).await.unwrap();
    assert_eq!(epoch_begin(&world.workers, sale.id, None).await.unwrap(), EpochBegin::Busy);
    change.batch_execute("COMMIT").await.unwrap();
    assert_eq!(begun(epoch_begin(&world.workers, sale.id, None).await.unwrap()).epoch, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_begin_an_epoch_one_does() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await.id;
    let (a, b) = tokio::join!(epoch_begin(&world.workers, sale, Some(1)), epoch_begin(&world.workers, sale, Some(1)));
    let outcomes = [a.unwrap(), b.unwrap()];
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, EpochBegin::Begun(_))).count(), 1, "{outcomes:?}");
    assert!(outcomes.contains(&EpochBegin::Busy));
}

/// Seconds after the beginning of these tests' time.
fn at(second: i64) -> Timestamp {
    "2026-11-21T12:00:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_secs(second)
}

fn given(second: i64, number: u64) -> TickRecord {
    let granted = vec![Grant { number: PlaceNumber(number), granted_at: at(second) }];
    TickRecord { at: at(second), granted, ..TickRecord::default() }
}

fn became(second: i64, kind: EventKind, number: u64) -> TickRecord {
    let events = vec![Event { kind, number: PlaceNumber(number), at: at(second) }];
    TickRecord { at: at(second), events, ..TickRecord::default() }
}

/// Ticks in which: 1 shops, 2 left while waiting, 3 lapsed and waits, 4 lapsed and has another turn, 5 is through, 6 gave
/// its turn back, 7 lapsed and was given the next turn in the same tick.
fn a_sales_ticks() -> Vec<TickRecord> {
    use EventKind::{Bypassed, Ended, Lapsed, Left};
    let again = TickRecord { events: became(9, Lapsed, 7).events, ..given(9, 7) };
    let told = TickRecord {
        at: at(10),
        returned: Some(Returned { count: 12, lowest: PlaceNumber(31) }),
        stops: vec![Stop { why: Some("stripe"), at: at(7) }, Stop { why: None, at: at(10) }],
        ..TickRecord::default()
    };
    let mut ticks: Vec<_> = [1, 3, 4, 5, 6, 7].into_iter().map(|number| given(0, number)).collect();
    ticks.extend([became(1, Left, 2), became(2, Lapsed, 3), became(2, Lapsed, 4), given(3, 4), became(4, Ended, 5)]);
    ticks.extend([became(5, Left, 6), again, told, became(11, Bypassed, 40)]);
    ticks
}

async fn whole_log(world: &World, sale: SaleId) -> Vec<LogRow> {
    let log = admission_log(&world.readonly, sale, 0, 1_000).await.expect("a log");
    let holes = log.iter().zip(1..).find(|(row, seq)| row.seq != *seq);
    assert_eq!(holes, None, "lines are numbered without holes");
    log
}

/// What lines say of whom, and of how many.
type Said = BTreeMap<(&'static str, Option<u64>, Timestamp, Option<String>), Option<u32>>;

/// What lines say, whatever their order.
fn said(log: &[LogRow]) -> Said {
    let told = log.iter().filter(|row| row.kind != LogKind::Epoch);
    let line = |row: &LogRow| (row.kind.word(), row.number.map(|number| number.0), row.at, row.note.clone());
    told.map(|row| (line(row), row.count)).collect()
}

/// Whatever the order in which ticks arrive, and however often, the log says the same and the next epoch starts the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_in_any_order_end_the_same() {
    let world = Arc::new(World::new().await);
    let ticks = a_sales_ticks();
    let mut first = None;
    for round in 0..12_usize {
        let sale = world.sale(1, Price::Paid).await.id;
        let mut gateways = JoinSet::new();
        for index in 0..ticks.len() * 2 {
            // 7 has no factor in common with the 30 deliveries of 15 ticks: every tick comes twice, in an order of its own.
            let tick = ticks[(index * 7 + round * 4) % ticks.len()].clone();
            let deliver = async |world: &World| assert!(records(world, sale, 1, &tick).await > 0);
            if round % 2 == 0 {
                deliver(&world).await;
            } else {
                let world = Arc::clone(&world);
                gateways.spawn(async move { assert!(records(&world, sale, 1, &tick).await > 0) });
            }
        }
        gateways.join_all().await;
        let log = whole_log(&world, sale).await;
        let snapshot = begun(epoch_begin(&world.workers, sale, Some(1)).await.unwrap());
        let grants: Vec<_> = snapshot.grants.iter().map(|turn| (turn.number.0, turn.until)).collect();
        let left: Vec<_> = snapshot.left.iter().map(|number| number.0).collect();
        let until = |second| at(second) + SignedDuration::from_secs(i64::from(BOUND_S));
        assert_eq!(grants, [(1, until(0)), (4, until(3)), (7, until(9))], "inside");
        assert_eq!(left, [2, 5, 6], "3 waits again");
        let said = said(&log);
        assert_eq!(said.len(), log.len() - 1, "every line once, and the epoch's");
        assert_eq!(*first.get_or_insert_with(|| said.clone()), said);
    }
}

#[tokio::test]
async fn the_log_says_what_happened_and_why() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    numbers_reserve(&world.gateway, sale.id, 1, 100).await.unwrap();
    for tick in a_sales_ticks() {
        records(&world, sale.id, 1, &tick).await;
    }
    let reason = "wheelchair access opened late";
    let bypass = |organizer| bypass_log(&world.gateway, organizer, sale.id, PlaceNumber(40), reason, "key_1");
    assert_eq!(bypass(sale.organizer).await.unwrap(), Bypass::Logged);
    assert_eq!(bypass(world.organizer().await).await.unwrap(), Bypass::NotFound);
    epoch_begin(&world.workers, sale.id, None).await.unwrap();

    let log = whole_log(&world, sale.id).await;
    let line = |kind: LogKind| log.iter().find(|row| row.kind == kind).unwrap_or_else(|| panic!("no {kind:?}"));
    assert!(LogKind::ALL.into_iter().all(|kind| line(kind).kind == kind), "every kind has its line");
    assert_eq!((line(LogKind::Returned).number, line(LogKind::Returned).count), (Some(PlaceNumber(31)), Some(12)));
    let asked = line(LogKind::BypassAsked);
    assert_eq!((asked.number, asked.note.as_deref()), (Some(PlaceNumber(40)), Some(reason)));
    assert_eq!(
        (log[0].kind, log[0].number, log[0].epoch),
        (LogKind::Epoch, None, 1),
        "the first epoch, before any number"
    );
    let last = log.last().expect("lines");
    assert_eq!((last.kind, last.number, last.epoch), (LogKind::Epoch, Some(PlaceNumber(100)), 2));
    let stopped = line(LogKind::Stopped);
    assert_eq!((stopped.at, stopped.note.as_deref()), (at(7), Some("stripe")));
    assert_eq!((line(LogKind::Resumed).at, line(LogKind::Resumed).note.as_deref()), (at(10), None));
    let of_seven = log.iter().filter(|row| row.number == Some(PlaceNumber(7))).map(|row| row.kind);
    assert_eq!(
        of_seven.collect::<Vec<_>>(),
        [LogKind::Granted, LogKind::Lapsed, LogKind::Granted],
        "a tick lapses first"
    );
    let page = admission_log(&world.gateway, sale.id, 3, 2).await.unwrap();
    assert_eq!(page, log[3..5]);
    let latest = admission_log_latest(&world.gateway, sale.id, None, 2).await.unwrap();
    assert_eq!(latest, [log[log.len() - 1].clone(), log[log.len() - 2].clone()]);
    let before = admission_log_latest(&world.gateway, sale.id, Some(3), 9).await.unwrap();
    assert_eq!(before, [log[1].clone(), log[0].clone()]);
    assert_eq!(records(&world, sale.id, 2, &TickRecord::default()).await, 0, "nothing is written for nothing");
    let act =
        "SELECT count(*) FROM audit_log WHERE act = 'bypass_asked' AND actor = 'key_1' AND detail ->> 'number' = '40'";
    assert_eq!(world.number(act).await, 1);
}

/// Lines do not appear before lines that were read: with eight gateways at once a reader who goes on from the last line it
/// saw misses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_misses_no_line() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(1, Price::Paid).await.id;
    let mut gateways = JoinSet::new();
    for gateway in 0..8_u64 {
        let world = Arc::clone(&world);
        gateways.spawn(async move {
            for tick in 0..25_u64 {
                records(&world, sale, 1, &given(0, 1 + gateway * 25 + tick)).await;
            }
        });
    }
    let mut seen = Vec::new();
    while gateways.try_join_next().is_some() || !gateways.is_empty() {
        let after = seen.last().map_or(0, |row: &LogRow| row.seq);
        seen.extend(admission_log(&world.readonly, sale, after, 1_000).await.unwrap());
    }
    let after = seen.last().map_or(0, |row| row.seq);
    seen.extend(admission_log(&world.readonly, sale, after, 1_000).await.unwrap());
    assert_eq!(seen, whole_log(&world, sale).await);
    assert_eq!(seen.len(), 1 + 200);
}

#[tokio::test]
async fn no_role_rewrites_the_admission_log() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let rule = "admission_log_stay_as_written";
    let writes = [
        "UPDATE admission_log SET note = NULL",
        "DELETE FROM admission_log",
        "TRUNCATE admission_log",
        "INSERT INTO admission_log SELECT * FROM admission_log",
    ];
    for role in Role::ALL {
        let client = connect(&world.database.url).await;
        client.batch_execute(&format!("SET ROLE {}", role.name())).await.unwrap();
        for write in writes {
            let refused = client.batch_execute(write).await.expect_err(write);
            let refused = refused.as_db_error().expect("an answer of the database");
            match (role, refused.constraint()) {
                (Role::Owner, Some(constraint)) => {
                    assert!([rule, "admission_log_pkey"].contains(&constraint), "{write}")
                }
                (_, constraint) => assert!(
                    refused.message().starts_with("permission denied") && constraint.is_none(),
                    "{write} as {}: {refused}",
                    role.name()
                ),
            }
        }
    }
}

/// Redis stops the clocks of turns while a sale is paused; so does what Redis is rebuilt from.
#[tokio::test]
async fn the_time_of_a_pause_is_added_to_a_turn() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let minutes = |minutes: i64| minutes * 60_000;
    let pause = async || assert!(sale_pause(&world.gateway, sale.organizer, sale.id).await.is_ok());
    let resume = async || assert!(sale_resume(&world.gateway, sale.organizer, sale.id).await.is_ok());
    pause().await;
    world.database.advance_clock(minutes(7)).await.unwrap();
    resume().await;
    records(&world, sale.id, 1, &given(0, 1)).await;
    pause().await;
    world.database.advance_clock(minutes(10)).await.unwrap();
    resume().await;
    world.database.advance_clock(minutes(3)).await.unwrap();
    records(&world, sale.id, 1, &given(1, 2)).await;
    pause().await;
    world.database.advance_clock(minutes(20)).await.unwrap();
    let snapshot = begun(epoch_begin(&world.workers, sale.id, None).await.unwrap());
    let over = |turn: usize, given: i64| (snapshot.grants[turn].until.duration_since(at(given)).as_secs() - 900) / 60;
    assert_eq!((over(0, 0), over(1, 1)), (30, 20), "what was paused since it was given, to the minute");
}

/// Freezing and an epoch at once: the snapshot has the cohort and its numbers, or neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_has_a_cohort_with_its_numbers_or_not_at_all() {
    let world = World::new().await;
    for round in 0..20 {
        let opens_at = world.now().await + SignedDuration::from_hours(1);
        let sale = world.sale_with(serde_json::json!({"opens_at": opens_at})).await.id;
        let holders = [Holder::of_secret(b"a"), Holder::of_secret(b"b")];
        registrations_add(&world.gateway, sale, PhaseNo(0), &holders).await.unwrap();
        world.database.advance_clock(3_600_000).await.unwrap();
        let freeze = draw_freeze(&world.workers, sale, PhaseNo(0));
        let begin = epoch_begin(&world.workers, sale, None);
        let (begin, freeze) = if round % 2 == 0 {
            tokio::join!(begin, freeze)
        } else {
            let (freeze, begin) = tokio::join!(freeze, begin);
            (begin, freeze)
        };
        freeze.unwrap();
        let snapshot = begun(begin.unwrap());
        assert!([(0, 0), (1, 2)].contains(&(snapshot.cohorts, snapshot.reserved_number)), "{snapshot:?}");
        let after = begun(epoch_begin(&world.workers, sale, None).await.unwrap());
        assert_eq!((after.cohorts, after.reserved_number), (1, 2));
    }
}

/// How an epoch gives holds back: its window, and from which epoch on receipts are honoured.
async fn begins(world: &World, sale: SaleId) -> (u32, u32, u32) {
    let snapshot = begun(epoch_begin(&world.workers, sale, None).await.expect("Postgres answers"));
    (snapshot.epoch, snapshot.reclaim_window_s, snapshot.receipts_from)
}

#[tokio::test]
async fn receipts_reach_back_to_the_last_epoch_that_held_anything_new() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await.id;
    assert_eq!(begins(&world, sale).await, (2, 0, 1), "nobody is inside, so nobody has a receipt");
    assert_eq!(records(&world, sale, 2, &given(0, 7)).await, 1);
    assert_eq!(begins(&world, sale).await, (3, 30, 2), "epoch 2 had no window: it sold");
    assert_eq!(begins(&world, sale).await, (4, 30, 2), "lost again within the window: nothing new was held in 3");
    assert_eq!(begins(&world, sale).await, (5, 30, 2));
    world.database.set_clock_offset(30_000).await.unwrap();
    assert_eq!(begins(&world, sale).await, (6, 30, 5), "the window was over: 5 may have sold what 2 held");
    world.database.set_clock_offset(45_000).await.unwrap();
    assert_eq!(begins(&world, sale).await, (7, 30, 5));
}

#[tokio::test]
async fn the_window_is_as_long_as_the_sale_says_and_30_s_where_it_does_not() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await.id;
    assert_eq!(records(&world, sale, 1, &given(0, 7)).await, 1);
    let owner = connect(&world.database.url).await;
    for (config, window_s) in [
        ("jsonb_set(config, '{hold,reclaim_window_s}', '5')", 5),
        ("config #- '{hold,reclaim_window_s}'", i64::from(domain::sale::HoldConfig::default().reclaim_window_s)),
        ("config - 'hold'", 30),
    ] {
        owner.execute(&format!("UPDATE sales SET config = {config} WHERE id = $1"), &[&sale.uuid()]).await.unwrap();
        assert_eq!(i64::from(begins(&world, sale).await.1), window_s, "{config}");
    }
}
