//! Workers killed between the money and the ticket, again and again: every paid line has its ticket, and no line has two.
//!
//! Round after round a few banks say yes. A worker dies when Stripe has taken the money and nobody here knows; so does the next one,
//! and the next, at that point or before it; the last one dies while it issues or is told of what it has issued. Then others bring
//! the round to its end. After all of them, each line of each order is counted against the tickets.

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use domain::{PlaceNumber, UnitNo};
use ledger::orders::OrderRow;
use sandbox::Authentication;
use workers::points::Point::{self, Begun, Between, Ended};

use crate::dice::Dice;
use crate::soak;
use crate::world::{Answer, PRICE, Post, Postman, Sale, World};

const CAPTURE: &str = "payment_capture";

/// Kills of each round while the money is taken and there is no ticket.
const GAPS: usize = 3;
/// Orders of a round: as many as the workers capture at once, or fewer.
const ORDERS_MAX: usize = 3;
const UNITS_MAX: usize = 3;
const SEED: u64 = 12_021;

/// The first of them is where nobody here knows of the money; those after it come back to it, or do not get as far.
const AGAIN: [Point; 2] = [Begun, Between];
/// How the last one of a round dies: as a job, or over the event of the same capture.
const LAST: [(&str, Point); 4] = [(CAPTURE, Between), (CAPTURE, Ended), ("inbox", Begun), ("inbox", Ended)];

impl World {
    /// Orders whose buyers' banks have just said yes, as many and of as many units as the dice say; from that unit on.
    async fn are_promised(&self, sale: &Sale, dice: &mut Dice, first_unit: u32) -> Vec<OrderRow> {
        let (mut orders, mut unit) = (Vec::new(), first_unit);
        for _ in 0..=dice.below(ORDERS_MAX) {
            let count = 1 + u32::try_from(dice.below(UNITS_MAX)).expect("few");
            let units = (unit..unit + count).map(|unit| (sale.tier.clone(), UnitNo(unit))).collect();
            // Orders are told apart by the number of their buyer.
            let order = self.orders_unheld(sale, PlaceNumber(u64::from(unit) + 1), units).await;
            let history = self.goes_to_the_bank(order, Manual, Answer::Heard).await;
            self.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
            orders.push(history.order);
            unit += count;
        }
        self.posts_events().await;
        orders
    }

    /// What Stripe has taken and no book of ours shows, in cents.
    async fn unknown_here(&self) -> i64 {
        let known = self.count("SELECT coalesce(sum(captured), 0)::bigint FROM payments").await;
        self.stripe.captured_total("eur") - known
    }

    /// Lines of paid orders that do not have exactly one ticket, and tickets of no such line, with their counts.
    async fn wrong_lines(&self) -> String {
        let query = "
            WITH lines AS (
                SELECT u.sale_id, u.order_id, u.tier_id, u.unit_no FROM order_units u
                  JOIN orders o ON o.sale_id = u.sale_id AND o.id = u.order_id AND o.state = 'paid'),
            issued AS (
                SELECT sale_id, order_id, tier_id, unit_no, count(*) AS n FROM tickets WHERE state = 'valid' GROUP BY 1, 2, 3, 4)
            SELECT coalesce(string_agg(format('%s has %s', unit_no, coalesce(n, 0)), ', ' ORDER BY unit_no), '')
              FROM (SELECT unit_no, n, order_id, l.unit_no IS NOT NULL AS paid
                      FROM lines l FULL JOIN issued i USING (sale_id, order_id, tier_id, unit_no)) AS compared
             WHERE n IS DISTINCT FROM 1 OR NOT paid";
        self.database.text(query).await.expect("Postgres answers")
    }
}

/// One round; how many units were sold in it, and in how many orders.
async fn dies_again_and_again(world: &World, sale: &Sale, dice: &mut Dice, first_unit: u32) -> Vec<OrderRow> {
    let orders = world.are_promised(sale, dice, first_unit).await;
    for gap in 0..GAPS {
        let point = if gap == 0 { Between } else { AGAIN[dice.below(AGAIN.len())] };
        world.kills_at(CAPTURE, point, Postman::StaysAtHome).await;
        assert!(world.unknown_here().await >= PRICE, "it was not killed between the money and the ticket");
    }
    let (work, point) = LAST[dice.below(LAST.len())];
    let postman = if work == CAPTURE { Postman::StaysAtHome } else { Postman::GoesRound };
    world.kills_at(work, point, postman).await;
    world.works_off(sale).await;
    orders
}

/// 6 kills in the gap, and 2 while issuing; in the long run 1,000 and 334.
#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_between_the_money_and_the_ticket_issue_each_line_once() {
    let rounds = if soak::is_on() { 1_000_usize.div_ceil(GAPS) } else { 2 };
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let units = u32::try_from(rounds * ORDERS_MAX * UNITS_MAX).expect("few");
    let sale = world.open_sale(units, Manual).await;
    workers.stop().await;
    let (mut dice, mut orders, mut sold) = (Dice::of_seed(SEED), Vec::new(), 0);
    for _ in 0..rounds {
        let round = dies_again_and_again(&world, &sale, &mut dice, sold).await;
        sold += round.iter().map(|order| u32::try_from(order.units.len()).expect("few")).sum::<u32>();
        orders.extend(round);
    }
    for order in &orders {
        let order = world.order(order).await;
        assert_eq!((order.state, order.tickets.len()), (OrderState::Paid, order.units.len()));
    }
    assert_eq!(world.wrong_lines().await, "");
    assert_eq!(world.stripe.captured_total("eur"), i64::from(sold) * PRICE, "taken once");
    assert_eq!(world.letters(), orders.len(), "told once");
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state NOT IN ('done', 'dropped')").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    eprintln!("{sold} lines of {} orders, after {} kills", orders.len(), rounds * (GAPS + 1));
}

/// The control: were the work of a dead worker forgotten, or issued twice, its lines would be named.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_a_ticket_and_one_with_two_are_named() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(3, Manual).await;
    workers.stop().await;
    let whole = |unit: u32| {
        let units = vec![(sale.tier.clone(), UnitNo(unit))];
        world.orders_unheld(&sale, PlaceNumber(u64::from(unit) + 1), units)
    };
    let orders = [whole(0).await, whole(1).await];
    for order in orders {
        let history = world.goes_to_the_bank(order, Manual, Answer::Heard).await;
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    world.works_off(&sale).await;
    assert_eq!(world.wrong_lines().await, "");
    let wrong = "
        DROP INDEX tickets_one_valid_key;
        DELETE FROM tickets WHERE unit_no = 0;
        INSERT INTO tickets (sale_id, id, order_id, payment_reference, tier_id, unit_no, qr_kid, issued_at)
        SELECT sale_id, gen_random_uuid(), order_id, 'another', tier_id, unit_no, qr_kid, issued_at FROM tickets";
    world.database.execute(wrong).await.expect("Postgres answers");
    assert_eq!(world.wrong_lines().await, "0 has 0, 1 has 2");
}
