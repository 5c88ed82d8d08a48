//! `docs/money.md` says what the database does: every account, and every act with its entries.

use std::collections::{BTreeMap, BTreeSet};

use domain::payment::IntentStatus;
use domain::price::LineKind;
use domain::{Currency, RefundId};
use ledger::audit::audit;
use ledger::balance_transactions::{BalanceTransactionFacts, Look, Match, Origin, balance_transaction_apply};
use ledger::disputes::{DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::orders::{OrderRow, order_cancel, orders_expire_due};
use ledger::outbox::{Queue, Work, claim};
use ledger::payments::{RefundFacts, RefundStatus, refund_apply};
use ledger::refunds::{RefundRow, RefundWish, refund_refused};
use ledger::waitlist::claims::Claim;
use ledger::withholdings::{ReleaseWish, StockAct, units_release};
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::waitlist::{GATHERED_MS, Line};
use crate::world::{Paying, Price, TestSale, World, connect};

const PAGE: &str = include_str!("../../../docs/money.md");

/// A transfer as the page and the database can both be asked for it: its kind, and its legs by account.
type Transfer = (String, BTreeMap<String, i64>);

/// What the words for amounts stand for.
type Words = BTreeMap<&'static str, i64>;

/// The cells of the table with that header, row by row.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let rows = PAGE.lines().skip_while(|line| *line != header).skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(!rows.is_empty(), "no table {header}");
    rows
}

/// The rows of the page, and what has been posted so far.
struct Page {
    client: Client,
    rows: Vec<Vec<&'static str>>,
    posted: BTreeSet<Uuid>,
    shown: BTreeSet<&'static str>,
}

impl Page {
    async fn open(world: &World) -> Self {
        let client = connect(&world.database.url).await;
        let rows = table("| act | transfer | debits | credits |");
        Self { client, rows, posted: BTreeSet::new(), shown: BTreeSet::new() }
    }

    /// What was posted since the last look.
    async fn news(&mut self) -> Vec<Transfer> {
        let posted = "SELECT t.id, t.kind, e.account, e.amount
                        FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id";
        let rows = self.client.query(posted, &[]).await.expect("the books");
        let mut news: BTreeMap<Uuid, Transfer> = BTreeMap::new();
        for row in rows.iter().filter(|row| !self.posted.contains(&row.get(0))) {
            let (_, legs) = news.entry(row.get(0)).or_insert_with(|| (row.get(1), BTreeMap::new()));
            *legs.entry(row.get(2)).or_default() += row.get::<_, i64>(3);
        }
        self.posted.extend(news.keys());
        sorted(news.into_values().collect())
    }

    /// What the page says of an act.
    fn says(&mut self, act: &str, words: &Words) -> Vec<Transfer> {
        let rows: Vec<_> = self.rows.iter().filter(|row| row[0] == act).collect();
        self.shown.extend(rows.iter().map(|row| row[0]));
        let transfer = |row: &&Vec<&str>| {
            let mut legs = cell(row[2], words, 1);
            legs.extend(cell(row[3], words, -1));
            (row[1].trim_matches('`').to_owned(), legs)
        };
        sorted(rows.iter().map(transfer).collect())
    }

    /// The act that just happened wrote what the page says of it.
    async fn tells(&mut self, act: &str, words: &Words) {
        let (said, posted) = (self.says(act, words), self.news().await);
        assert!(!said.is_empty(), "the page does not know that {act}");
        assert_eq!(said, posted, "{act}");
    }
}

/// `account` amount, `account` amount.
fn cell(text: &str, words: &Words, sign: i64) -> BTreeMap<String, i64> {
    let leg = |leg: &str| {
        let (account, word) = leg.trim().split_once(' ').unwrap_or_else(|| panic!("{leg:?} is no entry"));
        (account.trim_matches('`').to_owned(), sign * words.get(word).unwrap_or_else(|| panic!("{word} is no amount")))
    };
    text.split(',').map(leg).collect()
}

fn sorted(mut transfers: Vec<Transfer>) -> Vec<Transfer> {
    transfers.sort();
    transfers
}

/// The amounts of an order.
fn of(order: &OrderRow) -> Words {
    let sum = |kind| order.lines.iter().filter(|line| line.kind == kind).map(|line| line.amount.minor).sum();
    let units = i64::try_from(order.units.len()).expect("few units");
    [
        ("units", units),
        ("total", order.total.minor),
        ("base", sum(LineKind::Base)),
        ("fee", sum(LineKind::Fee)),
        ("tax", sum(LineKind::Tax)),
    ]
    .into()
}

async fn of_seats(world: &World, page: &mut Page) {
    let sale = world.sale(10, Price::Paid).await;
    page.tells("a sale is published", &[("capacity", 10)].into()).await;
    let withheld = world.sale_with(json!({ "withheld": { "ga": 1 } })).await;
    let published = page.says("a sale is published", &[("capacity", 4)].into());
    let kept_back = page.says("units are withheld, by configuration or in a live sale", &[("units", 1)].into());
    assert_eq!(page.news().await, sorted([published, kept_back].concat()));
    let act = StockAct {
        organizer: withheld.organizer,
        sale: withheld.id,
        tier: "ga".parse().expect("a tier"),
        request: [1; 32],
        by: "a test".to_owned(),
    };
    units_release(&world.gateway, &act, &ReleaseWish::Quantity(1)).await.expect("an answer");
    page.tells("withheld units are released", &[("units", 1)].into()).await;

    let order = sale.has_order([0, 1]).await;
    page.tells("an order is created", &of(&order)).await;
    order_cancel(&world.gateway, sale.id, order.id).await.expect("an answer");
    page.tells("an order is cancelled", &of(&order)).await;
    let order = sale.has_order([2, 3, 4]).await;
    page.news().await;
    expires(world).await;
    page.tells("an order expires", &of(&order)).await;
    let free = world.sale(2, Price::Free).await;
    page.news().await;
    let order = free.has_order([0, 1]).await;
    page.tells("a free order is created", &of(&order)).await;
    free.asks(&free.ask_of(order.id, RefundWish::Whole)).await;
    page.tells("tickets of a free order are given back", &of(&order)).await;
}

/// Units that come back while somebody waits.
async fn of_offers(world: &World, page: &mut Page) {
    let sale = world.sale(2, Price::Paid).await;
    let (first, second) = (sale.has_order([0]).await, sale.has_order([1]).await);
    let line = Line { world, sale: &sale };
    let [one, two] = line.wait_for([1, 2]).await;
    line.passes(GATHERED_MS).await;
    page.news().await;
    line.gives_back(first.id).await;
    page.tells("an order is cancelled while somebody waits", &of(&first)).await;
    let Claim::Created(claimed) = line.claims(one).await else { panic!("an order") };
    page.tells("an offer is claimed", &of(&first)).await;
    line.gives_back(second.id).await;
    page.tells("an order is cancelled while somebody waits", &of(&second)).await;
    line.leaves(two).await;
    page.tells("nobody waits any more for what was kept", &of(&second)).await;
    line.gives_back(claimed.id).await;
    page.tells("an order is cancelled", &of(&claimed)).await;
}

async fn expires(world: &World) {
    world.database.advance_clock(601_000).await.expect("a clock");
    assert_eq!(orders_expire_due(&world.workers, 10).await.expect("an answer").len(), 1);
}

async fn of_payments(world: &World, sale: &TestSale<'_>, page: &mut Page) {
    let paying = sale.order_being_paid([0, 1]).await;
    let words = of(&paying.order);
    page.news().await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    page.tells("a payment is authorised", &words).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    page.tells("an authorised payment is captured", &words).await;

    let paying = sale.order_being_paid([2]).await;
    page.news().await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    page.tells("a payment is captured at once", &of(&paying.order)).await;

    finds_fee(world, &paying, 150).await;
    page.tells("Stripe's fee of a payment is found in its balance", &[("cost", 150)].into()).await;

    let paying = sale.order_being_paid([3]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    page.news().await;
    world.applies(&paying.news(IntentStatus::Canceled)).await;
    page.tells("an authorisation is cancelled in time", &of(&paying.order)).await;
}

async fn finds_fee(world: &World, paying: &Paying, fee: i64) {
    let facts = BalanceTransactionFacts {
        id: format!("txn_{}", Uuid::new_v4().simple()),
        kind: "charge".to_owned(),
        amount: paying.order.total.minor,
        fee,
        currency: "eur".to_owned(),
        source: Some("ch_1".to_owned()),
        intent: Some(paying.intent.clone()),
        origin: Origin::Ours,
        created: "2026-11-21T12:00:00Z".parse().expect("a time"),
    };
    for _ in 0..2 {
        let matched = balance_transaction_apply(&world.workers, &facts, Look::First).await.expect("an answer");
        assert_eq!(matched.outcome, Match::Matched);
    }
}

async fn of_late_payments(world: &World, sale: &TestSale<'_>, page: &mut Page) {
    let paying = sale.order_being_paid([4]).await;
    expires(world).await;
    page.news().await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    page.tells("an expired order is paid while its units are still its own to take", &of(&paying.order)).await;

    let paying = loses_its_units(world, sale, 5).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    page.news().await;
    world.applies(&paying.news(IntentStatus::Canceled)).await;
    page.tells("an authorisation that came too late is cancelled", &of(&paying.order)).await;

    let paying = loses_its_units(world, sale, 6).await;
    page.news().await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    page.tells("a payment is captured too late for its units", &of(&paying.order)).await;
    of_a_refund_of_ours(world, &paying, page).await;
}

/// An order that expired, and whose units Redis was told of.
async fn loses_its_units(world: &World, sale: &TestSale<'_>, unit: u32) -> Paying {
    let paying = sale.order_being_paid([unit]).await;
    expires(world).await;
    claim(&world.workers, Queue::Stock, 10, 60).await.expect("an answer");
    paying
}

async fn of_a_late_dispute(world: &World, sale: &TestSale<'_>, page: &mut Page) {
    let paying = loses_its_units(world, sale, 8).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    disputes(world, &paying, DisputeStatus::Open, &movement(-paying.order.total.minor, 0)).await;
    page.news().await;
    disputes(world, &paying, DisputeStatus::Lost, &[]).await;
    let words = [("amount", paying.order.total.minor)].into();
    page.tells("a dispute of a payment that came too late is lost", &words).await;
}

async fn of_a_refund_of_ours(world: &World, paying: &Paying, page: &mut Page) {
    let jobs = claim(&world.workers, Queue::Stripe, 10, 60).await.expect("an answer");
    let refund = jobs.into_iter().find_map(|job| match job.work {
        Work::PaymentRefund { refund, .. } => Some(refund),
        _ => None,
    });
    let refund = refund.expect("late money goes back");
    let words = [("amount", paying.order.total.minor)].into();
    refunds(world, paying, Some(refund), paying.order.total.minor, RefundStatus::Pending).await;
    page.tells("a refund of ours goes out", &words).await;
    refunds(world, paying, Some(refund), paying.order.total.minor, RefundStatus::Failed).await;
    page.tells("a refund of money that came too late does not arrive", &words).await;
}

async fn refunds(world: &World, paying: &Paying, refund: Option<RefundId>, amount: i64, status: RefundStatus) {
    let (id, intent) = (format!("re_{amount}"), paying.intent.clone());
    let amount = crate::world::euros(amount);
    let facts = RefundFacts { event: None, id, refund, intent, amount, status };
    refund_apply(&world.workers, &facts).await.expect("an answer");
}

async fn of_refunds_asked_for(world: &World, sale: &TestSale<'_>, page: &mut Page) {
    let paying = sale.paid_order([0, 1]).await;
    let tickets = sale.looks_at(paying.order.id).await.tickets;
    page.news().await;
    let refund = sale.refunds(&paying, RefundWish::Tickets(vec![tickets[0].id])).await;
    page.tells("tickets of an order are given back", &of_refund(&refund)).await;
    hears(world, &paying, &refund, RefundStatus::Succeeded).await;
    page.tells("a refund of ours goes out", &of_refund(&refund)).await;
    hears(world, &paying, &refund, RefundStatus::Failed).await;
    page.tells("a refund that was asked for does not arrive", &of_refund(&refund)).await;

    let again = sale.refunds(&paying, RefundWish::Tickets(vec![tickets[0].id])).await;
    page.tells("tickets whose refund failed are given back again", &of_refund(&again)).await;

    let refund = sale.refunds(&paying, RefundWish::Amount(1000)).await;
    page.tells("an amount of an order is given back", &of_refund(&refund)).await;
    refund_refused(&world.workers, sale.id, refund.id).await.expect("an answer");
    page.tells("Stripe refuses to make a refund that was asked for", &of_refund(&refund)).await;
    let refund = sale.refunds(&paying, RefundWish::Whole).await;
    page.tells("all that is left of an order is given back", &of_refund(&refund)).await;
}

/// The amounts of a refund that an organizer asked for.
fn of_refund(refund: &RefundRow) -> Words {
    let units = i64::try_from(refund.tickets.len()).expect("few tickets");
    let parts = refund.parts.expect("parts");
    [("amount", refund.amount.minor), ("base", parts.base), ("fee", parts.fee), ("tax", parts.tax), ("units", units)]
        .into()
}

async fn hears(world: &World, paying: &Paying, refund: &RefundRow, status: RefundStatus) {
    refund_apply(&world.workers, &paying.refund_news(refund, status)).await.expect("an answer");
}

async fn of_disputes(world: &World, sale: &TestSale<'_>, page: &mut Page) {
    let paying = sale.paid_order([0]).await;
    let price = paying.order.total;
    page.news().await;
    let words = [("amount", price.minor), ("cost", 1500)].into();
    disputes(world, &paying, DisputeStatus::Open, &movement(-price.minor, 1500)).await;
    page.tells("a bank takes back what was paid", &words).await;
    disputes(world, &paying, DisputeStatus::Won, &movement(price.minor, -1500)).await;
    page.tells("a dispute is won, and its money and its cost come back", &words).await;

    let paying = sale.paid_order([1]).await;
    disputes(world, &paying, DisputeStatus::Open, &movement(-price.minor, 1500)).await;
    page.news().await;
    disputes(world, &paying, DisputeStatus::Lost, &[]).await;
    page.tells("a dispute is lost", &words).await;

    let paying = sale.paid_order([2]).await;
    page.news().await;
    disputes(world, &paying, DisputeStatus::Open, &movement(-price.minor - 300, 0)).await;
    let words = [("amount", price.minor + 300), ("left", price.minor)].into();
    page.tells("a bank takes back more than the payment has left", &words).await;

    let paying = sale.paid_order([3]).await;
    page.news().await;
    let mut dollars = movement(-6400, 0);
    dollars[0].currency = "usd".parse().expect("a currency");
    disputes(world, &paying, DisputeStatus::Open, &dollars).await;
    page.tells("a bank takes money back in another currency", &[("amount", 6400)].into()).await;
}

async fn disputes(world: &World, paying: &Paying, status: DisputeStatus, movements: &[DisputeMovement]) {
    let (id, intent) = (format!("du_{}", paying.intent), paying.intent.clone());
    let (amount, movements) = (paying.order.total, movements.to_vec());
    let facts = DisputeFacts { event: None, id, intent, amount, status, movements };
    dispute_apply(&world.workers, &facts).await.expect("an answer");
}

/// One balance transaction that was not told before.
fn movement(amount: i64, fee: i64) -> [DisputeMovement; 1] {
    let id = format!("txn_{}", Uuid::new_v4().simple());
    [DisputeMovement { id, amount, fee, currency: Currency::EUR }]
}

async fn of_refunds_at_stripe(world: &World, sale: &TestSale<'_>, page: &mut Page) {
    let paying = sale.order_being_paid([7]).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    page.news().await;
    let words = [("amount", 700)].into();
    refunds(world, &paying, None, 700, RefundStatus::Pending).await;
    page.tells("a refund is made at Stripe, not by us", &words).await;
    refunds(world, &paying, None, 700, RefundStatus::Failed).await;
    page.tells("a refund made at Stripe does not arrive", &words).await;
}

#[tokio::test]
async fn every_act_writes_the_entries_that_the_page_says() {
    let world = World::new().await;
    let mut page = Page::open(&world).await;
    of_seats(&world, &mut page).await;
    of_offers(&world, &mut page).await;
    let sale = world.sale(10, Price::Paid).await;
    page.news().await;
    of_payments(&world, &sale, &mut page).await;
    of_late_payments(&world, &sale, &mut page).await;
    of_refunds_at_stripe(&world, &sale, &mut page).await;
    of_a_late_dispute(&world, &sale, &mut page).await;
    let sale = world.sale(6, Price::Paid).await;
    page.news().await;
    of_refunds_asked_for(&world, &sale, &mut page).await;
    let sale = world.sale(4, Price::Paid).await;
    page.news().await;
    of_disputes(&world, &sale, &mut page).await;
    sale.grows_to(9).await;
    page.tells("a tier of a published sale grows", &[("units", 5)].into()).await;

    let on_the_page: BTreeSet<_> = page.rows.iter().map(|row| row[0]).collect();
    assert_eq!(page.shown, on_the_page, "every act of the page happened here");
    // I5 rightly names the late money whose refund did not arrive.
    let report = audit(&world.readonly, None).await.unwrap();
    assert!(report.lines.iter().all(|line| line.breaches.is_empty() || line.invariant == "I5"), "{report:#?}");
}

/// The kinds that some function of the database posts, quoted in its text.
#[tokio::test]
async fn every_kind_of_transfer_that_is_ever_posted_is_on_the_page() {
    let world = World::new().await;
    let client = connect(&world.database.url).await;
    let posted = "
        SELECT DISTINCT kind[1] FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''([a-z_]+)''', 'g') AS kind
         WHERE conname = 'transfers_kind_check'
           AND EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                                             AND position('''' || kind[1] || '''' IN prosrc) > 0)";
    let rows = client.query(posted, &[]).await.unwrap();
    let posted: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let table = table("| act | transfer | debits | credits |");
    let on_the_page: BTreeSet<String> = table.iter().map(|row| row[1].trim_matches('`').to_owned()).collect();
    assert_eq!(on_the_page, posted);
}

#[tokio::test]
async fn the_chart_of_accounts_is_that_of_a_published_sale() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let client = connect(&world.database.url).await;
    let opened =
        "SELECT account, CASE WHEN starts_with(unit_of_account, 'seats:') THEN 'seats' ELSE 'money' END FROM accounts";
    let opened: BTreeSet<(String, String)> =
        client.query(opened, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let chart = table("| account | counts | its balance says | usually |");
    let chart = chart.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned()));
    assert_eq!(chart.collect::<BTreeSet<_>>(), opened);
}

/// What the page on operations tells people to run is at least something that the owner can run.
#[tokio::test]
async fn every_deletion_that_is_told_to_operators_can_be_run() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await.has_order([0]).await;
    let client = connect(&world.database.url).await;
    client.batch_execute("SET ROLE onsale_owner").await.unwrap();
    let page = include_str!("../../../docs/operations.md");
    let told: Vec<_> = page.split('`').filter(|code| code.starts_with("DELETE FROM")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for statement in told {
        let statement = statement.replace('…', "(SELECT id FROM sales)");
        client.batch_execute(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    assert_eq!(world.number("SELECT count(*) FROM contacts").await, 0);
    world.audits_clean().await;
}
