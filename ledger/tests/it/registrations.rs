//! Registrations: who is in a draw, also when the opening comes while they register.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::SaleId;
use domain::fairness::leaf;
use domain::sale::PhaseNo;
use jiff::SignedDuration;
use ledger::LedgerError;
use ledger::draws::{DueDraw, Freeze, draw_finish, draw_freeze, draw_leaves, draws_due};
use ledger::queue::{numbers_reserve, numbers_reserve_behind};
use ledger::registrations::{
    Register, Registrations, registration_salt, registrations_add, registrations_erase, registrations_find,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::draws::{
    GENERAL, HOUR_MS, by_itself, commits, freezes, holder, holders, in_its_prequeue, registers, rule, the_draw,
};
use crate::world::{Price, World, connect, patiently, within_30_s};

#[tokio::test]
async fn registrations_are_dense_and_one_a_visitor() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    let at = |indices: &[u32]| indices.iter().copied().map(Register::At).collect::<Vec<_>>();
    assert_eq!(registers(&world, sale, GENERAL, &[]).await, []);
    assert_eq!(registers(&world, sale, GENERAL, &holders([7, 8, 7, 9])).await, at(&[0, 1, 0, 2]));
    assert_eq!(registers(&world, sale, GENERAL, &holders([10, 8])).await, at(&[3, 1]));
    assert_eq!(registers(&world, sale, PhaseNo(1), &holders([1])).await, [Register::Closed], "there is no such phase");
    assert_eq!(the_draw(&world, sale).await.count, 4);
    let found = registrations_find(&world.gateway, sale, &holders([9, 1, 7])).await.unwrap();
    assert_eq!(found, [vec![(GENERAL, 2)], vec![], vec![(GENERAL, 0)]]);
    let too_many = registrations_add(&world.gateway, sale, GENERAL, &holders(0..1_001)).await;
    assert_eq!(rule(too_many), "registrations_batch_max");

    world.database.advance_clock(HOUR_MS).await.unwrap();
    let late = registers(&world, sale, GENERAL, &holders([8, 11])).await;
    assert_eq!(late, [Register::At(1), Register::Closed], "at the opening, before anybody froze");
    freezes(&world, sale).await;
    assert_eq!(registers(&world, sale, GENERAL, &holders([8, 11])).await, [Register::At(1), Register::Closed]);
}

#[tokio::test]
async fn a_sale_that_is_over_registers_nobody() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await;
    ledger::sales::sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(
        registers(&world, sale.id, GENERAL, &holders([1])).await,
        [Register::At(0)],
        "a pause stops clocks only"
    );
    ledger::sales::sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(registers(&world, sale.id, GENERAL, &holders([2])).await, [Register::Closed]);
    let opened_at_once = world.sale(1, Price::Paid).await.id;
    assert_eq!(registers(&world, opened_at_once, GENERAL, &holders([1])).await, [Register::Closed]);
}

#[tokio::test]
async fn a_visitor_has_a_registration_for_each_phase_and_all_are_found() {
    let world = World::new().await;
    let now = world.now().await;
    let hours = |hours: i64| now + SignedDuration::from_hours(hours);
    let phase = |id: &str, opens_at| json!({"id": id, "opens_at": opens_at, "prequeue_opens_at": hours(-1)});
    let phases = [phase("fans", hours(1)), phase("general", hours(2))];
    let sale = world.sale_with(json!({"opens_at": hours(1), "phases": phases})).await.id;
    assert_eq!(registers(&world, sale, GENERAL, &holders([1, 2])).await, [Register::At(0), Register::At(1)]);
    assert_eq!(registers(&world, sale, PhaseNo(1), &holders([3, 2])).await, [Register::At(0), Register::At(1)]);
    let found = registrations_find(&world.gateway, sale, &holders([1, 2, 3, 4, 2])).await.unwrap();
    let of_both = vec![(GENERAL, 1), (PhaseNo(1), 1)];
    assert_eq!(found, [vec![(GENERAL, 0)], of_both.clone(), vec![(PhaseNo(1), 0)], vec![], of_both]);
    assert_eq!(registrations_find(&world.gateway, sale, &[]).await.unwrap(), Vec::<Registrations>::new());

    assert_eq!(draws_due(&world.workers).await.unwrap(), []);
    world.database.advance_clock(HOUR_MS).await.unwrap();
    assert_eq!(draws_due(&world.workers).await.unwrap(), [DueDraw { sale, phase: GENERAL }]);
    freezes(&world, sale).await;
    assert_eq!(numbers_reserve(&world.gateway, sale, 0, 100).await.unwrap(), 102, "walk-ups come behind the cohort");
    assert_eq!(draw_freeze(&world.workers, sale, PhaseNo(1)).await.unwrap(), Freeze::NotYet);
    world.database.advance_clock(HOUR_MS).await.unwrap();
    let Freeze::Frozen(second) = draw_freeze(&world.workers, sale, PhaseNo(1)).await.unwrap() else { panic!() };
    assert_eq!((second.first_number, second.last_number().map(|last| last.0)), (103, Some(104)));
    assert_eq!(numbers_reserve_behind(&world.gateway, sale, 1, 10).await.unwrap(), None, "one cohort is not known");
    assert_eq!(numbers_reserve_behind(&world.gateway, sale, 2, 10).await.unwrap(), Some(114));
}

#[tokio::test]
async fn leaves_are_what_the_domain_says_and_outlive_the_person() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    registers(&world, sale, GENERAL, &holders(0..300)).await;
    let leaves = draw_leaves(&world.workers, sale, GENERAL).await;
    assert_eq!(rule(leaves), "draws_leaves_after_freeze");
    world.database.advance_clock(HOUR_MS).await.unwrap();
    freezes(&world, sale).await;
    let leaves = draw_leaves(&world.workers, sale, GENERAL).await.unwrap();
    assert_eq!(leaves.len(), 300);
    for index in [0, 1, 255, 256, 299] {
        let (salt, person) = registration_salt(&world.gateway, sale, GENERAL, index).await.unwrap().unwrap();
        assert_eq!(person, holder(u64::from(index)));
        assert_eq!(leaves[usize::try_from(index).unwrap()], leaf(salt, index, person));
    }
    let early = registrations_erase(&world.workers, sale, GENERAL, 0..300).await;
    assert_eq!(rule(early), "registrations_erase_after_draw");
    commits(&world, sale, [1; 32], None).await;
    draw_finish(&world.workers, sale, GENERAL, &by_itself("no beacon configured")).await.unwrap();
    let mut erased = Vec::new();
    for indices in [0..200, 100..400, 0..400] {
        erased.push(registrations_erase(&world.workers, sale, GENERAL, indices).await.unwrap());
    }
    assert_eq!(erased, [200, 100, 0]);
    assert_eq!(registration_salt(&world.gateway, sale, GENERAL, 0).await.unwrap(), None);
    assert_eq!(registrations_find(&world.gateway, sale, &holders([0])).await.unwrap(), [vec![]]);
    assert_eq!(draw_leaves(&world.workers, sale, GENERAL).await.unwrap(), leaves);
    assert_eq!(world.number("SELECT count(*) FROM registrations WHERE num_nulls(salt, holder) = 2").await, 300);
    let rest = registration_salt(&world.workers, sale, GENERAL, 0).await;
    assert!(matches!(rest, Err(LedgerError::Database(_))), "whose it was concerns the gateway only: {rest:?}");
}

/// Gateways register while the opening comes and workers freeze: whoever was told an index is in the frozen set at that
/// index, and nobody else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_who_was_answered_is_in_the_frozen_set() {
    let world = Arc::new(World::new().await);
    let sale = in_its_prequeue(&world).await.id;
    let batches = Arc::new(AtomicUsize::new(0));
    let mut gateways = JoinSet::new();
    for gateway in 0..GATEWAYS {
        gateways.spawn(registers_until_closed(Arc::clone(&world), sale, gateway, Arc::clone(&batches)));
    }
    within_30_s(async || batches.load(Ordering::Relaxed) > 50).await;
    world.database.advance_clock(HOUR_MS).await.unwrap();
    let freeze = || patiently(|| draw_freeze(&world.workers, sale, GENERAL));
    let (a, b, c) = tokio::join!(freeze(), freeze(), freeze());
    assert!(a == b && b == c);
    let Freeze::Frozen(draw) = a else { panic!("it is time") };

    let mut told: BTreeMap<u64, u32> = BTreeMap::new();
    for (visitor, index) in gateways.join_all().await.into_iter().flatten() {
        assert_eq!(*told.entry(visitor).or_insert(index), index, "one index a visitor");
    }
    let visitors: Vec<u64> = told.keys().copied().collect();
    assert_eq!(usize::try_from(draw.count).unwrap(), visitors.len(), "nobody is in who was not answered");
    for chunk in visitors.chunks(1_000) {
        let rows = registrations_find(&world.gateway, sale, &holders(chunk.iter().copied())).await.unwrap();
        let expected: Vec<_> = chunk.iter().map(|visitor| vec![(GENERAL, told[visitor])]).collect();
        assert_eq!(rows, expected);
    }
    assert!(told.values().all(|index| *index < draw.count));
    assert_eq!(draw_leaves(&world.workers, sale, GENERAL).await.unwrap().len(), visitors.len());
}

const GATEWAYS: u64 = 6;

/// Batches of new visitors, every other of whom also asks at the next gateway. What each was told.
async fn registers_until_closed(
    world: Arc<World>,
    sale: SaleId,
    gateway: u64,
    batches: Arc<AtomicUsize>,
) -> BTreeMap<u64, u32> {
    const BATCH: u64 = 8;
    let mut told = BTreeMap::new();
    for batch in 0.. {
        let asking: Vec<u64> =
            (0..BATCH).map(|n| (gateway + n % 2) % GATEWAYS * 1_000_000 + batch * BATCH + n).collect();
        let asked = holders(asking.iter().copied());
        let answers = patiently(|| registrations_add(&world.gateway, sale, GENERAL, &asked)).await;
        let before = told.len();
        told.extend(asking.into_iter().zip(answers).filter_map(|(visitor, answer)| match answer {
            Register::At(index) => Some((visitor, index)),
            Register::Closed => None,
        }));
        batches.fetch_add(1, Ordering::Relaxed);
        if told.len() == before {
            break;
        }
    }
    told
}

const LOCK: &str = "PERFORM draw_enter(p_sale, p_phase);";

/// A gateway that reads the clock before the opening and commits after it: the freeze waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_freeze_waits_for_a_batch_that_is_being_written() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    let gateway = writes_a_batch(&world, sale, LOCK).await;
    let freeze = patiently(|| draw_freeze(&world.workers, sale, GENERAL));
    let commit = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        within_30_s(async || world.number(waiting).await > 0).await;
        gateway.batch_execute("COMMIT").await.expect("an answer");
    };
    let (freeze, ()) = tokio::join!(freeze, commit);
    let Freeze::Frozen(draw) = freeze else { panic!("it is time") };
    assert_eq!(draw.count, 2);
}

/// The same without the lock, to show that the test above sees what the lock is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_lock_a_registration_would_be_acknowledged_and_missing() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    let gateway = writes_a_batch(&world, sale, "").await;
    let frozen = freezes(&world, sale).await;
    gateway.batch_execute("COMMIT").await.unwrap();
    assert_eq!((frozen.count, world.number("SELECT count(*) FROM registrations").await), (0, 2));
}

/// A batch that is written and not committed while the opening comes, with that instead of the lock.
async fn writes_a_batch(world: &World, sale: SaleId, lock: &str) -> Client {
    let gateway = connect(&world.database.url).await;
    let function = "SELECT pg_get_functiondef('registrations_add'::regproc)";
    let function: String = gateway.query_one(function, &[]).await.expect("the function").get(0);
    assert!(function.contains(LOCK));
    gateway.batch_execute(&function.replace(LOCK, lock)).await.expect("another function");
    let asked = holders([1, 2]);
    let asked: Vec<&[u8]> = asked.iter().map(|holder| holder.0.as_slice()).collect();
    gateway.batch_execute("BEGIN").await.expect("an answer");
    let add = "SELECT registrations_add($1, 0::smallint, $2)";
    gateway.execute(add, &[&sale.uuid(), &asked]).await.expect("two registrations");
    world.database.advance_clock(HOUR_MS).await.expect("a clock");
    gateway
}
