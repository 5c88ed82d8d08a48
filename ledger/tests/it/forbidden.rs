//! Every write that must not be, by every role.
//!
//! The owner, who may write, meets a rule by its name; the roles of processes are not let near the table. Each write that
//! only a trigger refuses is shown to go through where triggers are off, so that none is refused for a slip of its own.
//!
//! What no rule can refuse is an owner who changes the schema, or a superuser: that is what seals are for.

use domain::payment::IntentStatus;
use ledger::Role;
use ledger::refunds::RefundWish;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, SqlState};

use crate::seals::seals_all;
use crate::soak;
use crate::world::{Price, World, connect};

/// What refuses a write of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// A trigger or a foreign key: off for a superuser who says so.
    Trigger,
    /// A key or a check: never off.
    Constraint,
}

use Guard::{Constraint, Trigger};

/// Statements of one transaction, and the rule that refuses them.
struct Write {
    rule: String,
    guard: Guard,
    statements: Vec<String>,
}

impl Write {
    fn new(guard: Guard, rule: &str, statements: impl IntoIterator<Item = String>) -> Self {
        Self { rule: rule.to_owned(), guard, statements: statements.into_iter().collect() }
    }
}

/// A sale in which something was ordered, authorised, captured, given back and sealed.
async fn books() -> World {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    sale.refunds(&paying, RefundWish::Whole).await;
    seals_all(&world).await;
    for table in STAY_AS_WRITTEN {
        let rows = world.number(&format!("SELECT count(*) FROM {}", table.name)).await;
        assert!(rows > 0 || table.name == "admission_log", "{} has nothing to be changed", table.name);
    }
    world
}

/// A table whose rows are never changed: its name, its key, and a column that could be set to what it is.
struct Table {
    name: &'static str,
    key: &'static str,
    column: &'static str,
}

const STAY_AS_WRITTEN: [Table; 7] = [
    Table { name: "transfers", key: "sale_id, id", column: "kind" },
    Table { name: "entries", key: "sale_id, transfer_id, leg", column: "amount" },
    Table { name: "accounts", key: "sale_id, account, unit_of_account", column: "account" },
    Table { name: "seals", key: "block", column: "hash" },
    Table { name: "refund_tickets", key: "sale_id, refund_id, ticket_id", column: "price" },
    Table { name: "audit_log", key: "sale_id, id", column: "act" },
    Table { name: "admission_log", key: "sale_id, seq", column: "count" },
];

/// Every way SQL has to change or remove rows.
fn rewrites() -> Vec<Write> {
    let of_table = |Table { name, key, column }: &Table| {
        let rule = format!("{name}_stay_as_written");
        let merge =
            format!("MERGE INTO {name} USING (SELECT {key} FROM {name}) AS o ON {} WHEN MATCHED THEN", same(name, key));
        [
            format!("UPDATE {name} SET {column} = {column}"),
            format!("UPDATE {name} SET {column} = {column} WHERE false"),
            format!("DELETE FROM {name}"),
            format!("TRUNCATE {name} CASCADE"),
            format!("{merge} UPDATE SET {column} = {name}.{column}"),
            format!("{merge} DELETE"),
            format!(
                "INSERT INTO {name} SELECT * FROM {name} ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}"
            ),
        ]
        .map(|statement| Write::new(Trigger, &rule, [statement]))
    };
    STAY_AS_WRITTEN.iter().flat_map(of_table).collect()
}

fn same(name: &str, key: &str) -> String {
    let equal: Vec<_> = key.split(", ").map(|column| format!("{name}.{column} = o.{column}")).collect();
    equal.join(" AND ")
}

/// A good transfer, or one with other columns than a good one.
fn transfer(number: u8, other: &[(&str, &str)]) -> String {
    let usual = [
        ("id", id(number)),
        ("kind", "'captured'".to_owned()),
        ("idem_key", format!("'forbidden:{number}'")),
        ("request_hash", "sha256('forbidden')".to_owned()),
        ("effective_at", "now()".to_owned()),
    ];
    let kept = usual.iter().filter(|(column, _)| other.iter().all(|(name, _)| name != column));
    let all: Vec<(&str, &str)> =
        kept.map(|(column, value)| (*column, value.as_str())).chain(other.iter().copied()).collect();
    let (columns, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    format!("INSERT INTO transfers (sale_id, {}) SELECT sales.id, {} FROM sales", columns.join(", "), values.join(", "))
}

fn id(number: u8) -> String {
    format!("'00000000-0000-4000-8000-0000000000{number:02}'::uuid")
}

/// One leg: its number, account, unit of account and amount.
type Leg = (u8, &'static str, &'static str, i64);

const GOOD: [Leg; 2] = [(1, "payment_clearing", "eur", 5), (2, "organizer_payable", "eur", -5)];

/// Legs of a transfer in one statement.
fn legs(transfer: &str, legs: &[Leg]) -> String {
    let value =
        |(leg, account, unit_of_account, amount): &Leg| format!("({leg}, '{account}', '{unit_of_account}', {amount})");
    let values: Vec<_> = legs.iter().map(value).collect();
    format!(
        "INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
         SELECT sales.id, {transfer}, l.* FROM sales, (VALUES {}) AS l",
        values.join(", ")
    )
}

fn good(number: u8, other: &[(&str, &str)]) -> [String; 2] {
    [transfer(number, other), legs(&id(number), &GOOD)]
}

/// Postings that are none.
fn postings() -> Vec<Write> {
    let with_legs = |guard, rule: &str, each: &[&[Leg]]| {
        let of_each = each.iter().map(|statement| legs(&id(1), statement));
        Write::new(guard, rule, std::iter::once(transfer(1, &[])).chain(of_each))
    };
    let sealed = "(SELECT id FROM transfers WHERE kind = 'captured' AND idem_key NOT LIKE 'forbidden:%')";
    vec![
        with_legs(Trigger, "entries_two_legs", &[&GOOD[..1]]),
        with_legs(Trigger, "entries_two_legs", &[&GOOD[..1], &GOOD[1..]]),
        with_legs(Trigger, "entries_sum_zero", &[&[GOOD[0], (2, "organizer_payable", "eur", -4)]]),
        // What is too little in one unit of account is not made good in another.
        with_legs(Trigger, "entries_two_legs", &[&[GOOD[0], (2, "seats_sold", "seats:ga", -5)]]),
        with_legs(
            Trigger,
            "entries_sum_zero",
            &[&[
                (1, "payment_clearing", "eur", 9),
                (2, "organizer_payable", "eur", -5),
                (3, "seats_sold", "seats:ga", -9),
                (4, "seats_available", "seats:ga", 5),
            ]],
        ),
        with_legs(
            Trigger,
            "entries_account_fkey",
            &[&[(1, "payment_clearing", "usd", 5), (2, "organizer_payable", "usd", -5)]],
        ),
        with_legs(
            Trigger,
            "entries_account_fkey",
            &[&[(1, "seats_sold", "eur", 5), (2, "organizer_payable", "eur", -5)]],
        ),
        with_legs(Constraint, "entries_amount_check", &[&[GOOD[0], GOOD[1], (3, "suspense", "eur", 0)]]),
        with_legs(Constraint, "entries_pkey", &[&GOOD, &GOOD]),
        Write::new(Trigger, "entries_same_transaction", [legs(sealed, &GOOD).replace("l.*", LATER)]),
        Write::new(Trigger, "entries_have_transfer", [legs(&id(9), &GOOD)]),
        Write::new(Trigger, "transfers_have_entries", [transfer(1, &[])]),
        Write::new(Trigger, "transfers_own_transaction", good(1, &[("xid", "'5'::xid8")]).into_iter().take(1)),
        Write::new(Constraint, "transfers_kind_check", good(1, &[("kind", "'gift'")])),
        Write::new(Constraint, "transfers_request_hash_check", good(1, &[("request_hash", "'short'")])),
        Write::new(
            Constraint,
            "transfers_idem_key_key",
            good(1, &[]).into_iter().chain(good(2, &[("idem_key", "'forbidden:1'")])),
        ),
        Write::new(Constraint, "transfers_pkey", good(1, &[]).into_iter().chain(good(2, &[("id", &id(1))]))),
        twice(Constraint, "transfers_resolves_key", "resolves"),
        twice(Constraint, "transfers_reverses_key", "reverses"),
        Write::new(Constraint, "transfers_ends_another_check", good(1, &[("resolves", &id(1))])),
        Write::new(Constraint, "transfers_ends_another_check", good(1, &[("reverses", &id(1))])),
        Write::new(Trigger, "transfers_resolves_fkey", good(1, &[("resolves", &id(9))])),
        Write::new(Trigger, "transfers_reverses_fkey", good(1, &[("reverses", &id(9))])),
        Write::new(
            Constraint,
            "accounts_unit_of_account_check",
            ["INSERT INTO accounts SELECT id, 'seats_sold', 'eur' FROM sales".to_owned()],
        ),
        Write::new(
            Constraint,
            "accounts_account_check",
            ["INSERT INTO accounts SELECT id, 'pocket', 'eur' FROM sales".to_owned()],
        ),
    ]
}

/// Legs behind those a transfer has.
const LATER: &str = "l.column1 + 90, l.column2, l.column3, l.column4";

/// One transfer, and two that each say they are the one that ends it.
fn twice(guard: Guard, rule: &str, column: &str) -> Write {
    let ends = |number| good(number, &[(column, &id(1))]);
    Write::new(guard, rule, good(1, &[]).into_iter().chain(ends(2)).chain(ends(3)))
}

/// Blocks that would make two chains of one, or none.
fn seals() -> Vec<Write> {
    // There may be several, when something else held the horizon back.
    let last = "(SELECT * FROM seals ORDER BY block DESC LIMIT 1) AS last";
    let block = |columns: &str| [format!("INSERT INTO seals SELECT {columns} FROM {last}")];
    let ok =
        "block + 1, format_version, hash, sha256('next'), upto_xid, '9000000000'::xid8, sealed_at, transfers, entries,
              sums, leaves";
    vec![
        Write::new(Constraint, "seals_pkey", block(&ok.replace("block + 1", "block"))),
        Write::new(Constraint, "seals_prev_hash_key", block(&ok.replace(" hash,", " prev_hash,"))),
        Write::new(Constraint, "seals_format_version_check", block(&ok.replace("format_version", "2::smallint"))),
        Write::new(Constraint, "seals_hash_check", block(&ok.replace("sha256('next')", "'short'::bytea"))),
        Write::new(Constraint, "seals_range_check", block(&ok.replace("'9000000000'::xid8", "upto_xid"))),
        Write::new(Constraint, "seals_leaves_check", block(&ok.replace("leaves", "''::bytea"))),
    ]
}

fn all() -> impl Iterator<Item = Write> {
    rewrites().into_iter().chain(postings()).chain(seals())
}

/// What refuses these statements, run as one transaction.
async fn refusal(client: &Client, write: &Write) -> Option<DbError> {
    let whole = format!("BEGIN; {}; COMMIT", write.statements.join("; "));
    let refused = client.batch_execute(&whole).await.err()?;
    client.batch_execute("ROLLBACK").await.expect("an answer");
    Some(refused.as_db_error().unwrap_or_else(|| panic!("{refused:?}")).clone())
}

async fn as_role(world: &World, role: Role) -> Client {
    let client = connect(&world.database.url).await;
    client.batch_execute(&format!("SET ROLE {}", role.name())).await.expect("an answer");
    client
}

/// Where names are looked up. In partitioned books also in the partition of the one sale there is, which has the names of
/// the whole.
#[derive(Debug, Clone, Copy)]
enum Path {
    Whole,
    Partition,
}

fn paths() -> Vec<Path> {
    if soak::is_partitioned() { vec![Path::Whole, Path::Partition] } else { vec![Path::Whole] }
}

async fn look_at(client: &Client, path: Path) {
    let schema = match path {
        Path::Whole => "public".to_owned(),
        Path::Partition => {
            let partition = "SELECT relnamespace::regnamespace::text FROM pg_class
                              WHERE oid = (SELECT tableoid FROM public.transfers LIMIT 1)";
            client.query_one(partition, &[]).await.expect("an answer").get(0)
        }
    };
    client.batch_execute(&format!("SET search_path = {schema}, public")).await.expect("an answer");
}

#[tokio::test]
async fn no_role_rewrites_the_books() {
    let world = books().await;
    for (role, path) in Role::ALL.into_iter().flat_map(|role| paths().into_iter().map(move |path| (role, path))) {
        let client = as_role(&world, role).await;
        look_at(&client, path).await;
        for write in all() {
            let refused = refusal(&client, &write).await;
            let refused = refused.unwrap_or_else(|| panic!("{} wrote {:?}", role.name(), write.statements));
            if role == Role::Owner {
                assert_eq!(refused.constraint(), Some(&*write.rule), "{:?}: {refused}", write.statements);
            } else {
                assert_eq!(refused.code(), &SqlState::INSUFFICIENT_PRIVILEGE, "{}: {refused}", role.name());
            }
        }
    }
    world.audits_clean().await;
}

/// The control: the same writes where no trigger is asked, and a good transfer where all are.
#[tokio::test]
async fn without_triggers_the_same_writes_go_through() {
    let world = books().await;
    let superuser = connect(&world.database.url).await;
    superuser.batch_execute("SET session_replication_role = replica").await.unwrap();
    for path in paths() {
        look_at(&superuser, path).await;
        for write in all().filter(|write| write.guard == Trigger) {
            let whole = format!("BEGIN; {}; ROLLBACK", write.statements.join("; "));
            superuser.batch_execute(&whole).await.unwrap_or_else(|error| panic!("{:?}: {error:?}", write.statements));
        }
    }
    let owner = as_role(&world, Role::Owner).await;
    let ends = good(2, &[("resolves", &id(1))]).into_iter().chain(good(3, &[("reverses", &id(1))]));
    let write = Write::new(Trigger, "", good(1, &[]).into_iter().chain(ends));
    assert_eq!(refusal(&owner, &write).await, None);
}

/// The owner of the tables can: it is the one that changes the schema, and no process runs as it. That is what seals are for.
#[tokio::test]
async fn no_role_of_a_process_switches_the_rules_off() {
    let world = books().await;
    let rules_off = "ALTER TABLE entries DISABLE TRIGGER USER";
    for role in Role::ALL {
        let client = as_role(&world, role).await;
        for switch in ["SET session_replication_role = replica", "ALTER TABLE entries DISABLE TRIGGER ALL", rules_off] {
            let refused = refusal(&client, &Write::new(Trigger, "", [switch.to_owned()])).await;
            let code = refused.map(|refused| refused.code().clone());
            let may = role == Role::Owner && switch == rules_off;
            let expected = (!may).then_some(SqlState::INSUFFICIENT_PRIVILEGE);
            assert_eq!(code, expected, "{switch} as {}", role.name());
        }
    }
}
