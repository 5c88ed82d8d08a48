//! `onsale audit` finds what is broken.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use admission::keys::SaleKeys;
use http::StatusCode;
use sandbox::actors::{Hold, Visitor};
use serde_json::json;

use crate::world::{World, sale};

/// A leg that no function of ours could have written: as superuser, with every trigger off.
const HAND_MADE_BREACH: &str = "
    SET session_replication_role = replica;
    INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
    SELECT sale_id, transfer_id, 99, account, unit_of_account, 1 FROM entries LIMIT 1;
    SET session_replication_role = DEFAULT;";

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_slipped_in_past_the_triggers_is_named_by_its_invariant() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;
    world.holds_every_invariant();

    world.database.execute(HAND_MADE_BREACH).await.unwrap();

    let (status, printed) = world.audit();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("I3 ") && line.contains("BROKEN")), "{printed}");
}

/// A mistyped sale has nothing to find fault with, and must not look like one without fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_is_none_has_no_clean_audit() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    assert!(world.audit_with(&["--sale", &sale]).0.success());
    let (status, printed) = world.audit_with(&["--sale", &format!("sale_{}", uuid::Uuid::nil())]);
    assert!(!status.success() && printed.is_empty(), "{printed}");
}

/// Both legs of a payment doubled: every transfer still sums to zero, and only the chain tells. Then the last block goes, which
/// only a head that was kept elsewhere tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_entry_is_located_by_the_chain() {
    const DOUBLED: &str = "SET session_replication_role = replica;
        UPDATE entries SET amount = amount * 2 WHERE transfer_id IN (SELECT id FROM transfers WHERE kind = 'captured')";
    const DOUBLED_BACK: &str = "SET session_replication_role = replica;
        UPDATE entries SET amount = amount / 2 WHERE transfer_id IN (SELECT id FROM transfers WHERE kind = 'captured')";
    let mut world = World::start().await;
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;
    let unsealed = "SELECT count(*) FROM transfers
                     WHERE xid >= coalesce((SELECT upto_xid FROM seals ORDER BY block DESC LIMIT 1), '0')";
    world.waits_until_counted(unsealed, |count| count == 0).await;

    let (status, printed) = world.audit_with(&["--chain"]);
    assert!(status.success() && printed.lines().any(|line| line.starts_with("seal ok")), "{printed}");
    let head = printed.lines().find_map(|line| line.strip_prefix("head ")).unwrap().to_owned();

    world.database.execute(DOUBLED).await.unwrap();
    let (status, printed) = world.audit_with(&["--chain", "--json"]);
    assert_eq!(status.code(), Some(1), "{printed}");
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let seal = report["lines"].as_array().unwrap().iter().find(|line| line["invariant"] == "seal").unwrap();
    assert!(seal["breaches"][0].as_str().unwrap().ends_with("was changed"), "{seal}");
    world.database.execute(DOUBLED_BACK).await.unwrap();

    assert!(world.audit_with(&["--chain", "--head", &head]).0.success());
    let cut = "SET session_replication_role = replica;
               DELETE FROM seals WHERE block = (SELECT max(block) FROM seals)";
    world.workers.is_killed();
    world.database.execute(cut).await.unwrap();
    let (status, printed) = world.audit_with(&["--chain", "--head", &head]);
    assert!(status.code() == Some(1) && printed.contains("was kept and is gone"), "{printed}");
}

/// Lines that nobody could have taken out of the log, nor changed in the grants; and a draw whose root is of other leaves.
const BREACHES_OF_THE_LINE: [(&str, &str, &str); 4] = [
    ("I9 ", "nothing in the log between", "DELETE FROM admission_log WHERE seq = 1"),
    ("I9 ", "log and grants differ", "UPDATE grants SET granted_at = granted_at + interval '1 s'"),
    (
        "I9 ",
        "was given a turn again",
        "INSERT INTO admission_log (sale_id, seq, epoch, kind, number, at)
         SELECT sale_id, (SELECT max(seq) + 1 FROM admission_log), epoch, kind, number, at + interval '2 s'
           FROM admission_log WHERE kind = 'granted' LIMIT 1",
    ),
    ("I7 ", "the leaves do not hash to the root", "UPDATE draws SET root = sha256('other leaves')"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_tampered_with_is_named_by_its_invariant() {
    let world = World::start().await;
    let id = world.organizer.publishes_to_open(&sale(5), Duration::ZERO, Duration::from_secs(4)).await.unwrap();
    world.organizer.waits_until_open(&id).await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &id);
    visitor.registers().await.unwrap();
    let buyer = visitor.waits_for_turn(Duration::from_secs(60)).await.unwrap();
    buyer.asks_to_hold("ga", 1).await.unwrap().expect(StatusCode::CREATED).unwrap();
    world.holds_every_invariant();

    for (invariant, breach, tampering) in BREACHES_OF_THE_LINE {
        let with_triggers_off = format!("SET session_replication_role = replica; {tampering}");
        world.database.execute(&with_triggers_off).await.unwrap();
        let (status, printed) = world.audit();
        assert_eq!(status.code(), Some(1), "{printed}");
        assert!(printed.lines().any(|line| line.starts_with(invariant) && line.contains("BROKEN")), "{printed}");
        assert!(printed.contains(breach), "{breach}: {printed}");
    }
}

/// In `runs`: behind the 20 bitmaps of 4,096 rows that the first tier has room for, the first of the second one's.
const ROW_3_OF_THE_SECOND_TIER: &str = "81923";

/// A sale whose Redis is tampered with.
struct Tampered {
    world: World,
    sale: String,
}

/// Commands that make a breach, those that take it back, and by what it is named.
struct Breach {
    invariant: &'static str,
    named: &'static str,
    make: Vec<Vec<String>>,
    undo: Vec<Vec<String>>,
}

impl Tampered {
    fn key(&self, name: &str) -> String {
        SaleKeys::new(self.sale.parse().unwrap()).epoch().replace(":epoch", &format!(":{name}"))
    }

    async fn runs(&self, commands: &[Vec<String>]) {
        for command in commands {
            let words: Vec<_> = command.iter().map(String::as_str).collect();
            self.world.redis.command(&words).await.unwrap();
        }
    }

    fn bit(&self, unit: u32, bit: u32) -> Vec<String> {
        ["SETBIT", &self.key("free"), &unit.to_string(), &bit.to_string()].map(str::to_owned).to_vec()
    }

    fn counts(&self, field: &str, by: i32) -> Vec<String> {
        ["HINCRBY", &self.key("stock"), field, &by.to_string()].map(str::to_owned).to_vec()
    }

    async fn record(&self, hold: &Hold) -> String {
        self.world.redis.command(&["HGET", &self.key("holds"), &hold.id]).await.unwrap()
    }

    fn records(&self, hold: &Hold, record: &str) -> Vec<String> {
        ["HSET", &self.key("holds"), &hold.id, record].map(str::to_owned).to_vec()
    }

    /// With unit 0 sold, 1 in one hold and 2 in the other, 3 and on free, and one row of six free seats.
    async fn breaches(&self, one: &Hold, other: &Hold) -> Vec<Breach> {
        let breach = |invariant, named, make, undo| Breach { invariant, named, make, undo };
        let (record, runs) = (self.record(other).await, self.key("runs"));
        let of_both = record.replace("ga=2", "ga=1");
        let (of_one, ended) = (self.record(one).await, self.record(one).await.replace("held ", "released "));
        let held = self.key("held");
        let marked = |unit: &str, bit: &str| vec![["SETBIT", &held, unit, bit].map(str::to_owned).to_vec()];
        let row = |bit: &str| vec![["SETBIT", &runs, ROW_3_OF_THE_SECOND_TIER, bit].map(str::to_owned).to_vec()];
        vec![
            // Counts alone would not tell: as many are free as before.
            breach(
                "I2 ",
                "unit 0 of ga is free in Redis and sold in Postgres",
                vec![self.bit(0, 1), self.bit(3, 0)],
                vec![self.bit(0, 0), self.bit(3, 1)],
            ),
            breach(
                "I2 ",
                "unit 3 of ga is neither free nor held in Redis and free in Postgres",
                vec![self.bit(3, 0), self.counts("free:ga", -1)],
                vec![self.bit(3, 1), self.counts("free:ga", 1)],
            ),
            breach(
                "I2 ",
                "unit 400 of ga is free in Redis and unknown in Postgres",
                vec![self.bit(400, 1), self.counts("free:ga", 1)],
                vec![self.bit(400, 0), self.counts("free:ga", -1)],
            ),
            breach(
                "I2 ",
                "unit 0 of ga is held by",
                vec![self.records(other, &record.replace("ga=2", "ga=0"))],
                vec![self.records(other, &record)],
            ),
            breach(
                "I1 ",
                "unit 1 of ga is in two live holds",
                vec![self.records(other, &of_both)],
                vec![self.records(other, &record)],
            ),
            breach("I1 ", "unit 1 of ga is free and in the live hold", vec![self.bit(1, 1)], vec![self.bit(1, 0)]),
            breach(
                "I1 ",
                "ga: 8 counted free, 7 bits are set",
                vec![self.counts("free:ga", 1)],
                vec![self.counts("free:ga", -1)],
            ),
            breach(
                "I1 ",
                "ga: 1 counted held, live holds have 2",
                vec![self.counts("held:ga", -1)],
                vec![self.counts("held:ga", 1)],
            ),
            breach(
                "I1 ",
                "unit 3 of ga is marked as held, and no live hold has it",
                marked("3", "1"),
                marked("3", "0"),
            ),
            breach("I1 ", "unit 1 of ga is in the live hold", marked("1", "0"), marked("1", "1")),
            breach("I1 ", "row 3 of stalls", row("1"), row("0")),
            breach("I1 ", "which is no live hold", vec![self.records(one, &ended)], vec![self.records(one, &of_one)]),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_tampered_with_is_named_unit_by_unit() {
    let world = World::start().await;
    let mut wish = sale(10);
    let stalls = json!({ "id": "stalls", "name": "Stalls", "price": 4500, "rows": [{ "row": "A", "seats": 6 }] });
    wish["tiers"].as_array_mut().unwrap().push(stalls);
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();
    world.has_bought(&sale).await;
    let one = world.has_turn(&sale).await.holds("ga", 1).await.unwrap();
    let other = world.has_turn(&sale).await.holds("ga", 1).await.unwrap();
    let tampered = Tampered { world, sale };
    tampered.world.holds_every_invariant();

    for Breach { invariant, named, make, undo } in tampered.breaches(&one, &other).await {
        tampered.runs(&make).await;
        let (status, printed) = tampered.world.audit();
        assert_eq!(status.code(), Some(1), "{named}: {printed}");
        assert!(
            printed.lines().any(|line| line.starts_with(invariant) && line.contains("BROKEN")),
            "{named}: {printed}"
        );
        assert!(printed.contains(named), "{named}: {printed}");
        tampered.runs(&undo).await;
    }
    tampered.world.holds_every_invariant();
}

impl Tampered {
    /// The audit, while a count that is wrong goes on moving: no two looks find the same.
    async fn audit_while_counts_move(self: &Arc<Self>) -> (ExitStatus, String) {
        let audited = Arc::clone(self);
        let audit = tokio::task::spawn_blocking(move || audited.world.audit());
        while !audit.is_finished() {
            self.runs(&[self.counts("free:ga", 1)]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        audit.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_moves_while_it_is_wrong_is_named() {
    let world = World::start().await;
    let sale = world.sells(10).await;
    let tampered = Arc::new(Tampered { world, sale });
    tampered.runs(&[tampered.bit(400, 1), tampered.counts("free:ga", 400)]).await;
    let (status, printed) = tampered.audit_while_counts_move().await;
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.contains("counted free, 11 bits are set"), "{printed}");
    assert!(printed.contains("unit 400 of ga is free in Redis and unknown in Postgres"), "{printed}");
}

/// A job for the stock queue that no worker takes for now.
const RETURNS_UNIT_3: &str = "
    INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload, next_at)
    SELECT id, gen_random_uuid(), 'stock', 'units_return', 'late', jsonb_build_object('epoch', epoch, 'units', '[[\"ga\", 3]]'::jsonb),
           onsale_now() + interval '1 hour'
      FROM sales";

/// What may become of that job so that nobody tells Redis any more.
const RETURNS_NOTHING: [&str; 3] = [
    "UPDATE outbox SET payload = payload || '{\"epoch\": 0}' WHERE dedup_key = 'late'",
    "UPDATE outbox SET state = 'parked' WHERE dedup_key = 'late'",
    "DELETE FROM outbox WHERE dedup_key = 'late'",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_about_to_return_is_counted_and_no_breach() {
    let world = World::start().await;
    let sale = world.sells(10).await;
    let tampered = Tampered { world, sale };
    tampered.runs(&[tampered.bit(3, 0), tampered.counts("free:ga", -1)]).await;
    tampered.world.database.execute(RETURNS_UNIT_3).await.unwrap();
    let (status, printed) = tampered.world.audit();
    assert!(status.success() && printed.contains("returning=1"), "{printed}");

    for late in RETURNS_NOTHING {
        tampered.world.database.execute(late).await.unwrap();
        let (status, printed) = tampered.world.audit();
        assert_eq!(status.code(), Some(1), "{late}: {printed}");
        assert!(printed.contains("unit 3 of ga is neither free nor held in Redis"), "{late}: {printed}");
        tampered.world.database.execute("DELETE FROM outbox WHERE dedup_key = 'late'").await.unwrap();
        tampered.world.database.execute(RETURNS_UNIT_3).await.unwrap();
    }
}
