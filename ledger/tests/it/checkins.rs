//! The door: scans asked and reported, repeated, at once, from two devices without a network; and what scanners are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::TicketId;
use domain::keyring::Kid;
use jiff::{SignedDuration, Timestamp};
use ledger::checkins::{
    Checked, Conflict, ConflictPage, Cursor, Door, Extent, Scan, Verdict, checkin_conflicts, checkins_apply,
    tickets_closed,
};
use ledger::refunds::RefundWish;
use ledger::tickets::{Asker, Rotation, TicketState, ticket_rotate};
use ledger::{Ledger, PoolConfig, Role};
use sandbox::{Durability, Postgres, PostgresOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::dice::Dice;
use crate::soak;
use crate::world::{Paying, Price, TestSale, World, connect, kid};

/// A device whose clock is right.
struct Device<'w> {
    sale: &'w TestSale<'w>,
    name: &'static str,
}

fn new_kid() -> Kid {
    Kid::from_bytes(*b"t2\0\0\0\0\0\0").expect("a kid")
}

fn scan(ticket: TicketId, at: Timestamp, door: Door) -> Scan {
    Scan { id: Uuid::now_v7(), ticket, rotation: 0, kid: kid(), at, door }
}

impl Device<'_> {
    async fn sends(&self, scans: &[Scan]) -> Vec<Checked> {
        let now = self.sale.world.now().await;
        checkins_apply(&self.sale.world.gateway, self.sale.id, self.name, now, scans).await.expect("an answer")
    }

    async fn sends_one(&self, scan: Scan) -> Checked {
        self.sends(&[scan]).await.remove(0)
    }
}

async fn tickets(sale: &TestSale<'_>, paying: &Paying) -> Vec<TicketId> {
    sale.looks_at(paying.order.id).await.tickets.iter().map(|ticket| ticket.id).collect()
}

async fn conflicts(sale: &TestSale<'_>) -> usize {
    let page = ConflictPage { after: None, limit: 1_000 };
    checkin_conflicts(&sale.world.gateway, sale.id, page).await.expect("a list").len()
}

#[tokio::test]
async fn the_first_scan_opens_the_door_and_every_other_is_told_when_and_where() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let tickets = tickets(&sale, &paying).await;
    let [front, back] = ["front", "back"].map(|name| Device { sale: &sale, name });
    let first = scan(tickets[0], world.now().await, Door::Closed);
    let opened = front.sends_one(first).await;
    assert_eq!((opened.verdict, opened.conflict), (Verdict::Valid, Conflict::None));
    let again = back.sends_one(scan(tickets[0], world.now().await, Door::Closed)).await;
    let used = again.used.expect("a use");
    assert_eq!((again.verdict, again.conflict, used.device.as_str()), (Verdict::AlreadyUsed, Conflict::None, "front"));
    for _ in 0..3 {
        assert_eq!(front.sends_one(first).await, opened, "whose answer was lost gets the same");
    }
    assert_eq!(sale.looks_at(paying.order.id).await.tickets[0].state, TicketState::Used);
    assert_eq!(world.number("SELECT count(*) FROM checkins").await, 2);
    assert_eq!(conflicts(&sale).await, 0, "nobody went in twice");
    world.audits_clean().await;
}

/// A question whose answer was lost is decided by the device, and reported under the same name: its own use is no conflict, and who was
/// let in although the lost answer said no is one.
#[tokio::test]
async fn what_was_asked_first_and_opened_then_is_one_scan() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let tickets = tickets(&sale, &paying).await;
    let [front, back] = ["front", "back"].map(|name| Device { sale: &sale, name });
    let now = world.now().await;
    let alone = scan(tickets[1], now, Door::Closed);
    assert_eq!(front.sends_one(alone).await.verdict, Verdict::Valid);
    let own = front.sends_one(Scan { door: Door::Opened, ..alone }).await;
    assert_eq!((own.verdict, own.conflict, conflicts(&sale).await), (Verdict::Valid, Conflict::None, 0));

    front.sends_one(scan(tickets[0], now, Door::Closed)).await;
    let lost = scan(tickets[0], now, Door::Closed);
    let asked = back.sends_one(lost).await;
    assert_eq!((asked.verdict, asked.conflict, conflicts(&sale).await), (Verdict::AlreadyUsed, Conflict::None, 0));
    for _ in 0..2 {
        let reported = back.sends_one(Scan { door: Door::Opened, ..lost }).await;
        assert_eq!((reported.verdict, reported.conflict), (Verdict::AlreadyUsed, Conflict::Reported));
        assert_eq!(conflicts(&sale).await, 1, "two went in");
    }
    let asked = back.sends_one(lost).await;
    assert_eq!((asked.conflict, conflicts(&sale).await), (Conflict::Reported, 1), "who went in stays in");
    world.audits_clean().await;
}

/// Two devices without a network let one ticket in: whoever was earlier used it, in whichever order they are heard.
#[tokio::test]
async fn of_two_doors_that_were_opened_the_earlier_used_the_ticket() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let now = world.now().await;
    let [early, late] = [now - SignedDuration::from_secs(600), now - SignedDuration::from_secs(60)];
    let [front, back] = ["front", "back"].map(|name| Device { sale: &sale, name });
    for (ticket, early_first) in tickets(&sale, &paying).await.into_iter().zip([true, false]) {
        let (of_front, of_back) = (scan(ticket, early, Door::Opened), scan(ticket, late, Door::Opened));
        let (front_told, back_told) = if early_first {
            let told = front.sends_one(of_front).await;
            (told, back.sends_one(of_back).await)
        } else {
            let told = back.sends_one(of_back).await;
            (front.sends_one(of_front).await, told)
        };
        assert_eq!(front_told.verdict, Verdict::Valid);
        assert_eq!(
            back_told.verdict,
            if early_first { Verdict::AlreadyUsed } else { Verdict::Valid },
            "as far as was known"
        );
        let asked = front.sends_one(scan(ticket, now, Door::Closed)).await;
        assert_eq!((asked.verdict, asked.used.expect("a use").device.as_str()), (Verdict::AlreadyUsed, "front"));
    }
    let page = ConflictPage { after: None, limit: 10 };
    let listed = checkin_conflicts(&world.gateway, sale.id, page).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(
        listed.iter().all(|row| row.device == "back" && row.used.as_ref().is_some_and(|used| used.device == "front"))
    );
    let next = ConflictPage { after: Some(listed[0].id), limit: 10 };
    assert_eq!(checkin_conflicts(&world.gateway, sale.id, next).await.unwrap(), listed[1..]);
    world.audits_clean().await;
}

/// A device whose clock is an hour ahead is put right by the time at which it sends.
#[tokio::test]
async fn a_clock_that_is_wrong_decides_nothing() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let ticket = tickets(&sale, &paying).await[0];
    let (now, hour) = (world.now().await, SignedDuration::from_hours(1));
    let (early, late) = (now - SignedDuration::from_secs(600), now - SignedDuration::from_secs(60));
    let right = Device { sale: &sale, name: "right" };
    right.sends_one(scan(ticket, late, Door::Opened)).await;
    let ahead = [scan(ticket, early + hour, Door::Opened)];
    let told =
        checkins_apply(&world.gateway, sale.id, "ahead", world.now().await + hour, &ahead).await.unwrap().remove(0);
    let used = told.used.expect("a use");
    assert_eq!((told.verdict, used.device.as_str(), told.conflict), (Verdict::Valid, "ahead", Conflict::Reported));
    assert!((used.at.duration_since(early)).abs() < SignedDuration::from_secs(30), "{} and {early}", used.at);
    let future = [scan(ticket, now + hour + hour, Door::Closed)];
    checkins_apply(&world.gateway, sale.id, "far", now, &future).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM checkins WHERE scanned_at > onsale_now()").await, 0);
}

#[tokio::test]
async fn what_was_given_back_or_replaced_opens_no_door_and_is_reported_where_it_did() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.paid_order([0, 1, 2]).await;
    let tickets = tickets(&sale, &paying).await;
    let gate = Device { sale: &sale, name: "gate" };
    sale.refunds(&paying, RefundWish::Tickets(vec![tickets[0]])).await;
    let rotation = Rotation { sale: sale.id, order: paying.order.id, ticket: tickets[1], from: 0, kid: new_kid() };
    ticket_rotate(&world.gateway, &rotation, Asker::Organizer, "x").await.unwrap();
    let now = world.now().await;
    let asked: Vec<_> = tickets.iter().map(|ticket| scan(*ticket, now, Door::Closed)).collect();
    let told = gate.sends(&asked).await;
    assert_eq!(
        told.iter().map(|told| told.verdict).collect::<Vec<_>>(),
        [Verdict::Void, Verdict::Void, Verdict::Valid]
    );
    assert_eq!(conflicts(&sale).await, 0);
    let replaced = Scan { rotation: 1, kid: new_kid(), ..scan(tickets[1], now, Door::Closed) };
    assert_eq!(gate.sends_one(replaced).await.verdict, Verdict::Valid, "the new code is good");
    let opened = gate.sends_one(scan(tickets[0], now, Door::Opened)).await;
    assert_eq!((opened.verdict, opened.conflict), (Verdict::Void, Conflict::Reported));
    assert_eq!(conflicts(&sale).await, 1);
    let unknown = TicketId::from_uuid(Uuid::new_v4());
    assert_eq!(gate.sends_one(scan(unknown, now, Door::Closed)).await.verdict, Verdict::Forged);
    let other = world.sale(1, Price::Paid).await;
    let elsewhere = Device { sale: &other, name: "gate" };
    assert_eq!(
        elsewhere.sends_one(scan(tickets[2], now, Door::Closed)).await.verdict,
        Verdict::Forged,
        "no ticket of it"
    );
    world.audits_clean().await;
}

/// An old key that leaked signs whatever it likes, tickets of the keys after it included: only its own tickets are believed.
#[tokio::test]
async fn a_text_that_another_key_signed_than_the_tickets_opens_no_door() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let tickets = tickets(&sale, &paying).await;
    let gate = Device { sale: &sale, name: "gate" };
    let rotation = Rotation { sale: sale.id, order: paying.order.id, ticket: tickets[0], from: 0, kid: new_kid() };
    ticket_rotate(&world.gateway, &rotation, Asker::Organizer, "x").await.unwrap();
    let now = world.now().await;
    let genuine = Scan { rotation: 1, kid: new_kid(), ..scan(tickets[0], now, Door::Closed) };
    for ahead in [1, 2] {
        let leaked = Scan { id: Uuid::now_v7(), rotation: ahead, kid: kid(), ..genuine };
        let told = gate.sends_one(leaked).await;
        assert_eq!((told.verdict, told.used, told.conflict), (Verdict::WrongKey, None, Conflict::None));
        assert_eq!(gate.sends_one(leaked).await.verdict, Verdict::WrongKey, "again");
    }
    let replaced = scan(tickets[0], now, Door::Closed);
    assert_eq!(gate.sends_one(replaced).await.verdict, Verdict::Void, "the code before it was genuine once");
    let opened = Scan { door: Door::Opened, kid: new_kid(), ..scan(tickets[1], now, Door::Closed) };
    let told = gate.sends_one(opened).await;
    assert_eq!(
        (told.verdict, told.conflict),
        (Verdict::WrongKey, Conflict::Reported),
        "a door without a network cannot know"
    );
    assert_eq!(conflicts(&sale).await, 1);
    let own = gate.sends(&[genuine, scan(tickets[1], now, Door::Closed)]).await;
    assert!(own.iter().all(|told| told.verdict == Verdict::Valid), "who has the ticket goes in: {own:?}");
    assert_eq!(gate.sends_one(Scan { id: Uuid::now_v7(), kid: kid(), ..genuine }).await.verdict, Verdict::WrongKey);
    world.audits_clean().await;
}

/// A name that is another scan's says so for that scan alone, whoever sends it and however often.
#[tokio::test]
async fn a_name_of_a_scan_is_one_devices_and_one_texts() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let tickets = tickets(&sale, &paying).await;
    let [front, back] = ["front", "back"].map(|name| Device { sale: &sale, name });
    let first = scan(tickets[0], world.now().await, Door::Closed);
    let valid = front.sends_one(first).await;
    for other in [
        Scan { ticket: tickets[1], ..first },
        Scan { rotation: 1, ..first },
        Scan { kid: new_kid(), ..first },
        Scan { ticket: TicketId::from_uuid(Uuid::new_v4()), ..first },
    ] {
        let told = front.sends_one(other).await;
        let expected = if tickets.contains(&other.ticket) { Verdict::IdTaken } else { Verdict::Forged };
        assert_eq!((told.verdict, told.used, told.conflict), (expected, None, Conflict::None), "{other:?}");
    }
    let taken = back.sends_one(Scan { door: Door::Opened, ..first }).await;
    assert_eq!((taken.verdict, taken.conflict), (Verdict::IdTaken, Conflict::Reported), "somebody went in");
    let good = scan(tickets[1], first.at, Door::Closed);
    for _ in 0..2 {
        let told = front.sends(&[Scan { ticket: tickets[1], ..first }, good, first]).await;
        let verdicts: Vec<_> = told.iter().map(|told| told.verdict).collect();
        assert_eq!(verdicts, [Verdict::IdTaken, Verdict::Valid, Verdict::Valid], "the others are judged and kept");
        assert_eq!(told[2], valid, "and the scan whose name it is has its answer");
    }
    assert_eq!(world.number("SELECT count(*) FROM checkins").await, 2);
    let later = Scan { id: Uuid::now_v7(), at: world.now().await, door: Door::Opened, ..first };
    let again = back.sends_one(later).await;
    assert_eq!((again.verdict, again.conflict, conflicts(&sale).await), (Verdict::AlreadyUsed, Conflict::Reported, 1));
    world.audits_clean().await;
}

/// Two scans of one name at once, of two tickets: one is judged, and the other changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_scans_of_one_name_at_once_one_is_judged() {
    let world = World::new().await;
    let pairs = if soak::is_on() { 200 } else { 10 };
    let sale = world.sale(2 * pairs, Price::Paid).await;
    for pair in 0..pairs {
        let paying = sale.paid_order([2 * pair, 2 * pair + 1]).await;
        let tickets = tickets(&sale, &paying).await;
        let gate = Device { sale: &sale, name: "gate" };
        let first = scan(tickets[0], world.now().await, Door::Closed);
        let (one, other) = tokio::join!(gate.sends_one(first), gate.sends_one(Scan { ticket: tickets[1], ..first }));
        let mut verdicts = [one.verdict, other.verdict].map(Verdict::word);
        verdicts.sort_unstable();
        assert_eq!(verdicts, ["id_taken", "valid"]);
        let used = sale.looks_at(paying.order.id).await.tickets;
        assert_eq!(used.iter().filter(|ticket| ticket.state == TicketState::Used).count(), 1);
    }
    world.audits_clean().await;
}

/// Many gates at once, every ticket at several of them: each is let in once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_many_gates_is_let_in_once_each() {
    let world = Arc::new(World::new().await);
    let units = if soak::is_on() { 2_000 } else { 40 };
    let sale = world.sale(units, Price::Paid).await;
    let mut all = Vec::new();
    for unit in 0..units {
        let paying = sale.paid_order([unit]).await;
        all.extend(tickets(&sale, &paying).await);
    }
    let (id, now, mut gates) = (sale.id, world.now().await, JoinSet::new());
    for gate in 0..6_u64 {
        let (world, mut order) = (Arc::clone(&world), all.clone());
        gates.spawn(async move {
            let mut dice = Dice::of_seed(gate);
            order.sort_by_cached_key(|_| dice.below(u64::MAX));
            let mut let_in = Vec::new();
            for batch in order.chunks(7) {
                let scans: Vec<_> = batch.iter().map(|ticket| scan(*ticket, now, Door::Closed)).collect();
                let told =
                    checkins_apply(&world.gateway, id, &format!("gate-{gate}"), now, &scans).await.expect("an answer");
                let valid = batch.iter().zip(told).filter(|(_, told)| told.verdict == Verdict::Valid);
                let_in.extend(valid.map(|(ticket, _)| *ticket));
            }
            let_in
        });
    }
    let mut times: BTreeMap<TicketId, u32> = BTreeMap::new();
    while let Some(let_in) = gates.join_next().await {
        for ticket in let_in.expect("nobody panics") {
            *times.entry(ticket).or_default() += 1;
        }
    }
    assert_eq!(times.len(), all.len());
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    world.audits_clean().await;
}

#[tokio::test]
async fn scanners_are_told_everything_and_then_what_came() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.paid_order([0, 1, 2]).await;
    let tickets = tickets(&sale, &paying).await;
    let told = async |since: Option<&Cursor>| tickets_closed(&world.gateway, sale.id, since).await.expect("an answer");
    let first = told(None).await;
    assert_eq!((first.extent, first.tickets.len()), (Extent::Whole, 0));
    sale.refunds(&paying, RefundWish::Tickets(vec![tickets[0]])).await;
    let second = told(Some(&first.cursor)).await;
    assert_eq!((second.extent, &*second.tickets), (Extent::Since, &[(tickets[0], None)][..]));
    let rotation = Rotation { sale: sale.id, order: paying.order.id, ticket: tickets[1], from: 0, kid: new_kid() };
    ticket_rotate(&world.gateway, &rotation, Asker::Organizer, "x").await.unwrap();
    let third = told(Some(&second.cursor)).await;
    // Other tests' transactions hold the cursor back: what was told before may be told again, and nothing is left out.
    assert!(third.tickets.contains(&(tickets[1], Some(1))), "{third:?}");
    assert!(third.tickets.iter().all(|told| told.0 != tickets[2]), "{third:?}");
    let mut all = told(None).await.tickets;
    all.sort_unstable();
    let mut expected = vec![(tickets[0], None), (tickets[1], Some(1))];
    expected.sort_unstable();
    assert_eq!(all, expected);
    let elsewhere: Cursor =
        format!("0123456789abcdef-{}", third.cursor.to_string().split_once('-').unwrap().1).parse().unwrap();
    let of_another_database = told(Some(&elsewhere)).await;
    assert_eq!((of_another_database.extent, of_another_database.tickets), (Extent::Whole, expected));
    let gate = Device { sale: &sale, name: "gate" };
    gate.sends_one(scan(tickets[2], world.now().await, Door::Closed)).await;
    let fourth = told(Some(&third.cursor)).await;
    assert!(fourth.tickets.iter().all(|told| told.0 != tickets[2]), "a ticket that was used is none that was closed");
}

/// What is void when its transaction ends is told by the next answer, though one came in between: no cursor passes what still runs.
#[tokio::test]
async fn what_commits_late_is_not_missed() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let tickets = tickets(&sale, &paying).await;
    let mut slow = connect(&world.database.url).await;
    let slow = slow.transaction().await.unwrap();
    let void = |ticket: TicketId| format!("UPDATE tickets SET state = 'void' WHERE id = '{}'", ticket.uuid());
    slow.batch_execute(&void(tickets[0])).await.unwrap();
    world.database.execute(&void(tickets[1])).await.unwrap();
    let told = async |since: Option<&Cursor>| tickets_closed(&world.gateway, sale.id, since).await.expect("an answer");
    let early = told(None).await;
    assert_eq!(early.tickets, [(tickets[1], None)]);
    slow.commit().await.unwrap();
    let late = told(Some(&early.cursor)).await;
    assert!(late.tickets.contains(&(tickets[0], None)), "{late:?}");
}

/// A backup is put back and goes on with numbers of transactions that were given before: nobody who knows them is told too little.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_before_a_restore_is_not_believed() {
    let fast = PostgresOptions { durability: Durability::Fast };
    let postgres = Postgres::start(fast).await.expect("a private Postgres");
    let template = postgres.template("ledger", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let lost = World::in_database(template.fresh_database().await.unwrap());
    let sale = lost.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let (id, ticket) = (sale.id, tickets(&sale, &paying).await[0]);
    let restored = postgres.copy().await.expect("a backup");
    postgres.restart().await.expect("it goes on");
    let of =
        |postgres: &Postgres| Ledger::connect(&postgres.url(&lost.database.name), Role::Gateway, PoolConfig::default());
    goes_on(&postgres, &lost.database.name, 200).await;
    let before = tickets_closed(&of(&postgres).unwrap(), id, None).await.expect("an answer");
    assert_eq!(before.tickets, []);

    connect(&restored.url(&lost.database.name)).await.batch_execute("UPDATE tickets SET state = 'void'").await.unwrap();
    goes_on(&restored, &lost.database.name, 400).await;
    let gateway = of(&restored).unwrap();
    let after = tickets_closed(&gateway, id, Some(&before.cursor)).await.expect("an answer");
    let number = |cursor: &Cursor| cursor.to_string().split_once('-').unwrap().1.parse::<u64>().unwrap();
    assert!(number(&after.cursor) > number(&before.cursor), "the numbers were given again: {after:?} and {before:?}");
    assert_eq!((after.extent, &*after.tickets), (Extent::Whole, &[(ticket, None)][..]));
    let later = tickets_closed(&gateway, id, Some(&after.cursor)).await.expect("an answer");
    assert_eq!(later.extent, Extent::Since, "its own are believed");
}

/// So many transactions more.
async fn goes_on(postgres: &Postgres, database: &str, transactions: u32) {
    let client = connect(&postgres.url(database)).await;
    for _ in 0..transactions {
        client.batch_execute("SELECT pg_current_xact_id()").await.expect("Postgres answers");
    }
}
