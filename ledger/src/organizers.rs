//! Organizers and their API keys. A key is shown once; the database keeps its SHA-256 only.

use domain::{KeyId, OrganizerId};
use sha2::{Digest as _, Sha256};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Ledger, LedgerError};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// Everything of every organizer.
    Admin,
    /// Everything of its organizer.
    Organizer,
    /// Scanning at the door.
    Door,
    /// Looking up orders.
    Support,
}

impl KeyRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Organizer, Self::Door, Self::Support];

    /// The word in the database and on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Organizer => "organizer",
            Self::Door => "door",
            Self::Support => "support",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// A key that was just made.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id, for lists and logs.
    pub id: KeyId,
    /// Whose it is.
    pub organizer: OrganizerId,
    /// What it allows.
    pub role: KeyRole,
    /// `osk_…`: shown now and never again.
    pub secret: String,
}

/// Whose key was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHolder {
    /// The key.
    pub key: KeyId,
    /// Whose it is.
    pub organizer: OrganizerId,
    /// What it allows.
    pub role: KeyRole,
}

pub(crate) const STATEMENTS: &[&str] = &[KEY_CREATE, KEY_FIND];

/// So that a leaked key is found by those who look for them.
const SECRET_PREFIX: &str = "osk_";

const KEY_CREATE: &str = "
    WITH owner AS (
        INSERT INTO organizers (id, name) VALUES ($1, $2)
            ON CONFLICT ON CONSTRAINT organizers_name_key DO UPDATE SET name = excluded.name
        RETURNING id)
    INSERT INTO api_keys (id, organizer_id, role, name, secret_hash)
    SELECT $3, id, $4, $5, $6 FROM owner
    RETURNING organizer_id";

const KEY_FIND: &str = "SELECT id, organizer_id, role FROM api_keys WHERE secret_hash = $1 AND revoked_at IS NULL";

/// Makes a key and, when the organizer's name is new, the organizer.
///
/// # Errors
/// The database is away or refuses.
pub async fn key_create(
    ledger: &Ledger,
    role: KeyRole,
    organizer_name: &str,
    key_name: &str,
) -> Result<ApiKey, LedgerError> {
    let secret = format!("{SECRET_PREFIX}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let (organizer, key) = (Uuid::now_v7(), Uuid::now_v7());
    let params: [&(dyn ToSql + Sync); 6] =
        [&organizer, &organizer_name, &key, &role.word(), &key_name, &digest(&secret).to_vec()];
    let row = ledger.one(KEY_CREATE, &params).await?;
    let organizer = OrganizerId::from_uuid(row.try_get(0)?);
    Ok(ApiKey { id: KeyId::from_uuid(key), organizer, role, secret })
}

/// Whose key that is, if it is one.
///
/// # Errors
/// The database is away or refuses.
pub async fn key_find(ledger: &Ledger, secret: &str) -> Result<Option<KeyHolder>, LedgerError> {
    let Some(row) = ledger.row(KEY_FIND, &[&digest(secret).to_vec()]).await? else {
        return Ok(None);
    };
    let word: &str = row.try_get(2)?;
    let role = KeyRole::from_word(word).ok_or_else(|| LedgerError::Corrupt(format!("key role {word}")))?;
    let (key, organizer) = (KeyId::from_uuid(row.try_get(0)?), OrganizerId::from_uuid(row.try_get(1)?));
    Ok(Some(KeyHolder { key, organizer, role }))
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
