//! I11 of long histories: it takes about as long as they are, and finds the one breach in them.

use std::time::{Duration, Instant};

use ledger::audit::audit;

use super::long_lines::{nothing_on_sale, stand_in_line};
use crate::soak;
use crate::world::World;

/// Entries, and offers that were made to the first of them.
const HISTORY: (u32, u32) = (5_000, 2_000);
const HISTORY_SOAK: (u32, u32) = (50_000, 10_000);
/// What the longer one may take, with all other invariants.
const SOAK_MAX: Duration = Duration::from_secs(5);

/// Of each four in line the first wants two and is passed over three times, then served. Every offer lapsed.
const SERVED: &str = "
    WITH placed AS (
        SELECT sale_id, id, rank, quantity, row_number() OVER (ORDER BY rank) - 1 AS place FROM waitlist_entries),
    served AS (
        UPDATE waitlist_entries e
           SET quantity = CASE place % 4 WHEN 0 THEN 2 ELSE 1 END, state = 'lapsed',
               served_at = (SELECT onsale_now()) + (place / 4 * 4 + (place + 3) % 4) * interval '1 ms'
          FROM placed WHERE e.sale_id = placed.sale_id AND e.id = placed.id AND place < {offers}
        RETURNING e.*),
    gone AS (DELETE FROM waitlist_wants w USING served WHERE w.sale_id = served.sale_id AND w.entry_id = served.id)
    INSERT INTO offers (sale_id, id, entry_id, rank, tier_id, unit_nos, state, made_at, until, paused_for, ended_at)
    SELECT sale_id, gen_random_uuid(), id, rank, 'ga', (ARRAY[0, 1])[:quantity], 'lapsed', served_at, served_at + interval '1 hour',
           '0', served_at + interval '1 hour' FROM served";

/// The last offer is made to somebody who stands eight places further back: four of those between still wait.
const BREACH: &str = "UPDATE offers SET rank = rank + 8 WHERE made_at = (SELECT max(made_at) FROM offers)";

#[tokio::test]
async fn a_long_history_is_audited_in_about_the_time_that_it_is_long() {
    let (entries, offers) = if soak::is_on() { HISTORY_SOAK } else { HISTORY };
    let world = World::new().await;
    let sale = nothing_on_sale(&world, 4).await;
    stand_in_line(&world, &sale, entries, 1).await;
    world.database.execute(&SERVED.replace("{offers}", &offers.to_string())).await.expect("a history");
    let began = Instant::now();
    world.audits_clean().await;
    let took = began.elapsed();
    eprintln!("{entries} entries and {offers} offers: audited in {took:.1?}");
    assert!(took < SOAK_MAX || !soak::is_on(), "{took:?}");

    world.database.execute(BREACH).await.expect("a breach");
    let report = audit(&world.readonly, None).await.expect("an audit");
    let of_the_line = report.lines.iter().find(|line| line.invariant == "I11").expect("it");
    assert_eq!(of_the_line.breaches.len(), 4, "those between: {of_the_line:#?}");
    assert!(of_the_line.breaches.iter().all(|told| told.contains("which would have fitted")), "{of_the_line:#?}");
}
