//! Bringing a database up to date, from any number of nodes at once.
//!
//! Order: the roles, which belong to the whole cluster, under a lock in the maintenance database; then, under a lock in the
//! database itself, the migrations that are missing, as the owner, each in a transaction of its own. Who comes second waits
//! and finds nothing to do. The login needs to be a superuser, or to own the database and have CREATEROLE.

use tokio_postgres::{Client, Config};

use crate::hosts::Hosts;
use crate::{LedgerError, Role};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that were applied now, in order.
    pub applied: Vec<String>,
    /// The version the database has.
    pub version: u32,
}

/// Every cluster has it, and roles are the cluster's.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Held while roles are made; the number spells "onsale", so that nobody else takes it by chance.
const LOCK: &str = "SELECT pg_advisory_lock(122520172850277)";

/// The versions of all migrations, in order.
pub(crate) fn versions() -> Vec<u32> {
    let mut versions: Vec<u32> = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .filter_map(|migration| u32::try_from(migration.version()).ok())
        .collect();
    versions.sort_unstable();
    versions
}

/// Creates the roles that are missing and applies the migrations that are missing.
///
/// # Errors
/// The database is away, the login may not create roles, or a migration fails.
pub async fn migrate(url: &str) -> Result<Migrated, LedgerError> {
    let database: Config = url.parse()?;
    let mut maintenance = database.clone();
    maintenance.dbname(MAINTENANCE_DATABASE);
    with_client(&maintenance, make_roles).await?;
    with_client(&database, apply_missing).await
}

async fn make_roles(client: &mut Client) -> Result<(), LedgerError> {
    client.batch_execute(LOCK).await?;
    for role in Role::ALL {
        client.batch_execute(&make_role(role.name())).await?;
    }
    Ok(())
}

/// Makes a role that cannot log in, and lets whoever migrates take it.
fn make_role(name: &str) -> String {
    format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} NOLOGIN; END IF;
             IF NOT pg_has_role(current_user, '{name}', 'MEMBER') THEN GRANT {name} TO CURRENT_USER; END IF;
         END $$"
    )
}

async fn apply_missing(client: &mut Client) -> Result<Migrated, LedgerError> {
    client.batch_execute(LOCK).await?;
    let owner = Role::Owner.name();
    client.batch_execute(&format!("GRANT USAGE, CREATE ON SCHEMA public TO {owner}; SET ROLE {owner}")).await?;
    let report = embedded::migrations::runner().run_async(client).await?;
    let applied = report.applied_migrations().iter().map(ToString::to_string).collect();
    let row = client.query_one("SELECT max(version) FROM refinery_schema_history", &[]).await?;
    let version = u32::try_from(row.get::<_, i32>(0)).map_err(|_| LedgerError::Corrupt("negative version".into()))?;
    Ok(Migrated { applied, version })
}

/// A connection of its own for one piece of work, driven by the caller's task.
async fn with_client<T>(
    config: &Config,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let (mut client, connection) = Hosts::of(config, |_| {}).connect().await?;
    let work = async {
        let done = work(&mut client).await;
        // The connection ends when its client does.
        drop(client);
        done
    };
    let (done, _) = tokio::join!(work, connection);
    done
}
