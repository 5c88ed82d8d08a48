//! The schema: brought up by many at once, prepared against, and in the words of the domain.

use std::collections::BTreeSet;

use domain::order::OrderState;
use domain::payment::PaymentState;
use domain::sale::StoredState;
use ledger::checkins::Verdict;
use ledger::draws::DrawState;
use ledger::organizers::KeyRole;
use ledger::outbox::Queue;
use ledger::queue::{EventKind, LogKind};
use ledger::tickets::TicketState;
use ledger::waitlist::EntryState;
use ledger::{Role, migrate};
use sandbox::{Durability, Postgres, PostgresOptions};

use crate::world::{World, connect};

/// A cluster without our roles: they are the cluster's, so the race for them needs one of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_at_once_on_an_empty_database_all_succeed() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Fast }).await.unwrap();
    let admin = connect(&postgres.url("postgres")).await;
    for database in ["first", "second"] {
        admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    }
    let (first, second) = (postgres.url("first"), postgres.url("second"));
    let (a, b, c, d) = tokio::join!(migrate(&first), migrate(&first), migrate(&first), migrate(&second));
    let same_database = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert_eq!(same_database.iter().filter(|migrated| !migrated.applied.is_empty()).count(), 1);
    assert!(same_database.iter().all(|migrated| migrated.version == same_database[0].version));
    assert!(!d.unwrap().applied.is_empty());
    assert_eq!(migrate(&first).await.unwrap().applied, Vec::<String>::new());
}

/// A login that is no superuser, as in production, may migrate its own database and play every role.
#[tokio::test]
async fn an_ordinary_login_is_enough() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Fast }).await.unwrap();
    let admin = connect(&postgres.url("postgres")).await;
    admin.batch_execute("CREATE ROLE app LOGIN CREATEROLE").await.unwrap();
    admin.batch_execute("CREATE DATABASE app OWNER app").await.unwrap();
    let url = postgres.url("app").replace("postgres@", "app@");
    migrate(&url).await.unwrap();
    for role in Role::ALL {
        ledger::Ledger::connect(&url, role, ledger::PoolConfig::default()).unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let world = World::new().await;
    let client = connect(&world.database.url).await;
    let mut prepared = 0;
    for statement in ledger::statements::all() {
        client.prepare(statement).await.unwrap_or_else(|error| panic!("{error:?}\n{statement}"));
        prepared += 1;
    }
    assert!(prepared > 50, "{prepared}");
}

/// A function without a search path of its own could be made to run somebody else's.
#[tokio::test]
async fn every_function_says_where_it_looks() {
    let world = World::new().await;
    let open = "SELECT count(*) FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
                 WHERE p.pronamespace = 'public'::regnamespace AND p.proname <> 'onsale_now'
                   AND NOT coalesce(p.proconfig::text, '') LIKE '%search_path=public, pg_temp%'";
    assert_eq!(world.number(open).await, 0);
    assert!(world.number(&open.replace("NOT coalesce", "coalesce")).await > 40);
}

#[tokio::test]
async fn the_database_has_the_words_of_the_domain() {
    let world = World::new().await;
    let words = async |constraint: &str| checked_words(&world, constraint).await;
    assert_eq!(words("orders_state_check").await, set(OrderState::ALL.map(OrderState::word)));
    assert_eq!(words("payments_state_check").await, set(PaymentState::ALL.map(PaymentState::word)));
    assert_eq!(words("sales_state_check").await, set(StoredState::ALL.map(StoredState::word)));
    assert_eq!(words("tickets_state_check").await, set(TicketState::ALL.map(TicketState::word)));
    let verdicts = Verdict::ALL
        .into_iter()
        .filter(|verdict| !matches!(verdict, Verdict::Forged | Verdict::IdTaken))
        .map(|verdict| verdict.word().to_owned());
    assert_eq!(
        words("checkins_verdict_check").await,
        verdicts.collect(),
        "what is forged, or has the name of another scan, is not kept"
    );
    assert_eq!(words("outbox_queue_check").await, set(Queue::ALL.map(Queue::word)));
    assert_eq!(words("api_keys_role_check").await, set(KeyRole::ALL.map(KeyRole::word)));
    assert_eq!(words("waitlist_entries_state_check").await, set(EntryState::ALL.map(EntryState::word)));
    assert_eq!(words("draws_state_check").await, set(DrawState::ALL.map(DrawState::word)));
    assert_eq!(words("admission_log_kind_check").await, set(LogKind::ALL.map(LogKind::word)));
    assert!(words("admission_log_kind_check").await.is_superset(&set(EventKind::ALL.map(EventKind::word))));
    assert_eq!(words("phases_access_check").await, set(["public", "code"]));
    assert_eq!(words("order_lines_kind_check").await, set(["base", "fee", "tax"]));
    assert_eq!(words("payments_capture_check").await, set(["manual", "automatic"]));
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// The words between quotes in a CHECK.
async fn checked_words(world: &World, constraint: &str) -> BTreeSet<String> {
    let client = connect(&world.database.url).await;
    let definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1";
    let definition: String = client.query_one(definition, &[&constraint]).await.expect("an answer").get(0);
    definition.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}
