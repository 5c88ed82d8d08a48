//! The door: scans, and what scanners without a network must know.
//!
//! Scans come in batches ([`checkins_apply`]), whole: all of them are kept or none, but for those whose name is another scan's. A scan is named by its device and counts once; its
//! verdict stays what it was, and a question whose answer was lost may be reported as opened afterwards. What each comes to is written in `V61__checkins.sql`. [`tickets_closed`] tells which tickets must be
//! refused though their texts verify, since a cursor: nothing is missed between two calls, whatever commits in between, and whatever
//! database answers the second.
//!
//! Bounds: the caller's, in scans of a batch. What it does not do: texts are verified before, by the domain.

use std::fmt;
use std::str::FromStr;

use domain::keyring::Kid;
use domain::{SaleId, TicketId};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// A scan of a text that verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Its name, made by the device.
    pub id: Uuid,
    /// The ticket it read.
    pub ticket: TicketId,
    /// The rotation it read.
    pub rotation: u16,
    /// The key that signed it.
    pub kid: Kid,
    /// When, by the device's clock.
    pub at: Timestamp,
    /// Whether the door was opened already.
    pub door: Door,
}

/// Whether somebody went in before we were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The device waits for the answer.
    Closed,
    /// The device had no network and decided itself.
    Opened,
}

/// What is said of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It opens the door.
    Valid,
    /// It opened the door before.
    AlreadyUsed,
    /// It was given back, or replaced by another text.
    Void,
    /// There is no such ticket in the sale.
    Forged,
    /// There is, and another key than its own signed this text: that key leaked.
    WrongKey,
    /// Its name is another scan's, of another device or text: it was not judged.
    IdTaken,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 6] =
        [Self::Valid, Self::AlreadyUsed, Self::Void, Self::Forged, Self::WrongKey, Self::IdTaken];

    /// The word in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::AlreadyUsed => "already_used",
            Self::Void => "void",
            Self::Forged => "forged",
            Self::WrongKey => "wrong_key",
            Self::IdTaken => "id_taken",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

/// What came of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What is said of it.
    pub verdict: Verdict,
    /// The scan that used the ticket, if one did.
    pub used: Option<Use>,
    /// Whether more than one went in with the ticket, or one who should not, or one of whom nothing is kept.
    pub conflict: Conflict,
}

/// Which scan used a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// When, by the device's clock put right.
    pub at: Timestamp,
    /// At which device.
    pub device: String,
}

/// Whether people should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// No.
    None,
    /// The door was opened when it should not have been.
    Reported,
}

/// Up to where a scanner was told what to refuse: a place in what one start of one database did, `origin-transaction`.
///
/// Who writes one by hand is told less than there is, and harms the own scanner alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    origin: String,
    upto: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.origin, self.upto)
    }
}

/// A text is no [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no cursor")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (origin, upto) = text.split_once('-').ok_or(NoCursor)?;
        let is_origin = origin.len() == ORIGIN_CHARS && origin.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_upto = !upto.is_empty() && upto.bytes().all(|byte| byte.is_ascii_digit());
        match upto.parse() {
            Ok(upto) if is_origin && is_upto => Ok(Self { origin: origin.to_owned(), upto }),
            _ => Err(NoCursor),
        }
    }
}

/// Tickets that must be refused though their texts verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Where the next question goes on.
    pub cursor: Cursor,
    /// Whether it is everything, or what came since the cursor that was given.
    pub extent: Extent,
    /// The tickets and the first rotation of each that is still good; none for one that is void. In the order of their ids.
    pub tickets: Vec<(TicketId, Option<u16>)>,
}

/// How much was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// What came since a cursor.
    Since,
}

/// A scan with which somebody went in, and did not use the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    /// The scan.
    pub id: Uuid,
    /// Its ticket.
    pub ticket: TicketId,
    /// Its device.
    pub device: String,
    /// When, by the device's clock put right.
    pub at: Timestamp,
    /// What was said of it.
    pub verdict: Verdict,
    /// The scan that used the ticket, if one did.
    pub used: Option<Use>,
}

/// Which conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConflictPage {
    /// Those after this scan.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

pub(crate) const STATEMENTS: &[&str] = &[APPLY, CLOSED, CONFLICTS];

const APPLY: &str = "
    SELECT verdict, used_at, used_device, conflict FROM checkins_apply($1, $2, $3, $4, $5, $6, $7, $8, $9) ORDER BY place";
const CLOSED: &str = "
    SELECT origin, upto, whole, coalesce(tickets, '{}'), coalesce(rotations, '{}') FROM tickets_closed($1, $2, ($3::text)::xid8)";

const CONFLICTS: &str = "
    SELECT c.id, c.ticket_id, c.device, c.scanned_at, c.verdict, u.scanned_at, u.device
      FROM checkins c LEFT JOIN checkins u ON u.sale_id = c.sale_id AND u.ticket_id = c.ticket_id AND u.used_it
     WHERE c.sale_id = $1 AND c.admitted AND NOT c.used_it AND ($2::uuid IS NULL OR c.id > $2)
     ORDER BY c.id LIMIT $3";

/// As many digits as `tickets_closed` takes of a hash.
const ORIGIN_CHARS: usize = 16;

/// One more than the last rotation: no rotation of a void ticket is good.
const VOID: i32 = 65_536;

/// Applies scans of one device in their order. `sent_at` is the device's clock when it sent them: it tells how wrong the clock is.
///
/// # Errors
/// The database is away or refuses.
pub async fn checkins_apply(
    ledger: &Ledger,
    sale: SaleId,
    device: &str,
    sent_at: Timestamp,
    scans: &[Scan],
) -> Result<Vec<Checked>, LedgerError> {
    let ids: Vec<Uuid> = scans.iter().map(|scan| scan.id).collect();
    let tickets: Vec<Uuid> = scans.iter().map(|scan| scan.ticket.uuid()).collect();
    let rotations: Vec<i32> = scans.iter().map(|scan| i32::from(scan.rotation)).collect();
    let kids: Vec<String> = scans.iter().map(|scan| scan.kid.to_string()).collect();
    let ats: Vec<Timestamp> = scans.iter().map(|scan| scan.at).collect();
    let admitted: Vec<bool> = scans.iter().map(|scan| scan.door == Door::Opened).collect();
    let sale = sale.uuid();
    let params: [&(dyn ToSql + Sync); 9] =
        [&sale, &device, &sent_at, &ids, &tickets, &rotations, &kids, &ats, &admitted];
    ledger.rows(APPLY, &params).await?.iter().map(checked).collect()
}

/// Conflicts of a sale, in the order of the scans' ids.
///
/// # Errors
/// The database is away or refuses.
pub async fn checkin_conflicts(
    ledger: &Ledger,
    sale: SaleId,
    page: ConflictPage,
) -> Result<Vec<ConflictRow>, LedgerError> {
    let rows = ledger.rows(CONFLICTS, &[&sale.uuid(), &page.after, &i64::from(page.limit)]).await?;
    rows.iter().map(conflict).collect()
}

fn conflict(row: &tokio_postgres::Row) -> Result<ConflictRow, LedgerError> {
    Ok(ConflictRow {
        id: row.try_get(0)?,
        ticket: TicketId::from_uuid(row.try_get(1)?),
        device: row.try_get(2)?,
        at: row.try_get(3)?,
        verdict: verdict(row.try_get(4)?)?,
        used: used(row.try_get(5)?, row.try_get(6)?),
    })
}

fn verdict(word: &str) -> Result<Verdict, LedgerError> {
    Verdict::from_word(word).ok_or_else(|| LedgerError::Corrupt(format!("verdict {word}")))
}

fn used(at: Option<Timestamp>, device: Option<String>) -> Option<Use> {
    at.zip(device).map(|(at, device)| Use { at, device })
}

fn checked(row: &tokio_postgres::Row) -> Result<Checked, LedgerError> {
    let conflict = if row.try_get(3)? { Conflict::Reported } else { Conflict::None };
    Ok(Checked { verdict: verdict(row.try_get(0)?)?, used: used(row.try_get(1)?, row.try_get(2)?), conflict })
}

/// Tickets whose texts were taken out of use, since a cursor of an answer before.
///
/// # Errors
/// The database is away or refuses.
pub async fn tickets_closed(ledger: &Ledger, sale: SaleId, since: Option<&Cursor>) -> Result<Closed, LedgerError> {
    let (origin, since) = since.map(|since| (&*since.origin, since.upto.to_string())).unzip();
    let row = ledger.one(CLOSED, &[&sale.uuid(), &origin, &since]).await?;
    let (origin, upto): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let upto = upto.parse().map_err(|_| LedgerError::Corrupt(format!("transaction {upto}")))?;
    let (tickets, rotations): (Vec<Uuid>, Vec<i32>) = (row.try_get(3)?, row.try_get(4)?);
    let closed = |(ticket, rotation): (Uuid, i32)| {
        let first_good = (rotation < VOID).then(|| fit::<_, u16>(rotation)).transpose()?;
        Ok((TicketId::from_uuid(ticket), first_good))
    };
    Ok(Closed {
        cursor: Cursor { origin, upto },
        extent: if row.try_get(2)? { Extent::Whole } else { Extent::Since },
        tickets: tickets.into_iter().zip(rotations).map(closed).collect::<Result<_, LedgerError>>()?,
    })
}
