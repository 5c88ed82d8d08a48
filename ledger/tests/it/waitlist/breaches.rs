//! I11 by hand: each way to break it is found and named.

use ledger::audit::audit;
use ledger::waitlist::EntryState;

use super::{GATHERED_MS, Line, sold_out};
use crate::world::{Price, World};

/// Of three in line for one unit each, two have offers; a third unit is kept for one who wants two.
#[tokio::test]
async fn every_breach_of_the_line_is_found() {
    let breaches = [
        ("which would have fitted", "UPDATE offers SET rank = rank + 100"),
        ("is in 2 live offers", "UPDATE offers SET unit_nos = '{0, 1}'"),
        ("is offered, in the line it is unknown", "DELETE FROM offered_units WHERE offer_id IS NULL"),
        ("is free, in the line it is kept", "UPDATE units SET state = 'free' WHERE unit_no = 2"),
        ("and of offer", "UPDATE offered_units SET offer_id = NULL"),
        ("is lapsed, its offer is live", "UPDATE waitlist_entries SET state = 'lapsed' WHERE state = 'offered'"),
        ("is offered, its offer is lapsed", "UPDATE offers SET state = 'lapsed', ended_at = now()"),
        (
            "is claimed, its offer is none",
            "UPDATE waitlist_entries SET state = 'claimed', served_at = now() WHERE state = 'waiting'",
        ),
        ("stands in the line of none", "DELETE FROM waitlist_wants"),
        (
            "stands in the line of ga",
            "UPDATE waitlist_entries SET state = 'left', served_at = now() WHERE state = 'waiting'",
        ),
        ("are free while somebody waits", "UPDATE units SET state = 'free', order_id = NULL WHERE unit_no = 3"),
    ];
    for (named, breach) in breaches {
        let world = World::new().await;
        let sale = world.sale(4, Price::Paid).await;
        let orders = sold_out(&sale, 4).await;
        let line = Line { world: &world, sale: &sale };
        let entries = line.wait_for([1, 1, 2, 1]).await;
        line.passes(GATHERED_MS).await;
        // The third unit is for the fourth in line, who then leaves: it is kept for the third.
        for order in &orders[..3] {
            line.gives_back(order.id).await;
        }
        line.leaves(entries[3]).await;
        let last = line.waits(&sale.wish(2)).await;
        assert_eq!(
            line.states([entries[0], entries[1], entries[2], last]).await,
            [EntryState::Offered, EntryState::Offered, EntryState::Waiting, EntryState::Waiting]
        );
        world.audits_clean().await;
        world.database.execute(&format!("SET session_replication_role = replica; {breach}")).await.unwrap();
        let report = audit(&world.readonly, None).await.unwrap();
        let of_the_line = report.lines.iter().find(|line| line.invariant == "I11").unwrap();
        assert!(of_the_line.breaches.iter().any(|told| told.contains(named)), "{breach}: {of_the_line:#?}");
    }
}

/// The rule for small and big wishes, with its count wiped out: the fourth time is named.
#[tokio::test]
async fn who_is_passed_over_a_fourth_time_is_named() {
    let world = World::new().await;
    let sale = world.sale(5, Price::Paid).await;
    let orders = sold_out(&sale, 5).await;
    let line = Line { world: &world, sale: &sale };
    line.wait_for([2, 1, 1, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    for order in &orders[..4] {
        world.database.execute("UPDATE waitlist_wants SET overtaken = 0").await.unwrap();
        line.gives_back(order.id).await;
    }
    let report = audit(&world.readonly, None).await.unwrap();
    let of_the_line = report.lines.iter().find(|line| line.invariant == "I11").unwrap();
    assert!(of_the_line.breaches.iter().any(|told| told.contains("was passed over 4 times")), "{of_the_line:#?}");
    assert_eq!(world.broken().await, ["I11"]);
}
