//! Redis: whether it agrees with itself, and unit by unit with Postgres. Read by `onsale audit`, and by the reconciler of the stock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use admission::{AdmissionError, HeldUnit, Holds, Inventory, NOBODY};
use domain::{HoldId, SaleId, TierId, UnitNo};
use ledger::audit::{AuditLine, BREACHES_MAX};
use ledger::units::{UnitState, units_of_sale, units_returning};
use ledger::{Ledger, LedgerError, sales};

/// Redis and Postgres are read one after the other, and units move meanwhile: only a unit that two looks this far apart both
/// show to differ is a breach.
const LOOKS_APART: Duration = Duration::from_secs(2);

/// Looks at both stores; once more at a sale where they differ. Redis itself is read at one moment, so where it contradicts
/// itself one look is enough.
///
/// # Errors
/// Postgres is away. A sale that Redis does not have is counted.
pub async fn agree(ledger: &Ledger, holds: &Holds, sale: Option<SaleId>) -> Result<[AuditLine; 2], LedgerError> {
    let mut found = Found::default();
    for (sale, seen) in looks(ledger, holds, sale).await? {
        found.adds(sale, seen);
    }
    Ok(found.lines())
}

/// A sale whose Redis is wrong, unit by unit, and in what words.
pub(crate) struct Disagreement {
    pub(crate) sale: SaleId,
    pub(crate) told: Vec<String>,
}

/// Sales in which the same units differ in the same way at three looks, or in which Redis contradicts itself, and how many units
/// were looked at. Of units that move only two looks may say anything else: what is about to be rebuilt must stand still.
pub(crate) async fn disagreements(ledger: &Ledger, holds: &Holds) -> Result<(u64, Vec<Disagreement>), LedgerError> {
    let seen = looks(ledger, holds, None).await?;
    let units = seen.iter().filter_map(|(_, seen)| seen.as_ref().ok()).map(|seen| seen.units.unsigned_abs()).sum();
    let differing: Vec<_> = seen.into_iter().filter_map(|(sale, seen)| Some((sale, seen.ok()?))).collect();
    let differing: Vec<_> =
        differing.into_iter().filter(|(_, seen)| seen.differs() || !seen.faults.is_empty()).collect();
    if !differing.is_empty() {
        tokio::time::sleep(LOOKS_APART).await;
    }
    let mut stands = Vec::new();
    for (sale, before) in differing {
        let Ok(now) = look(ledger, holds, sale).await? else { continue };
        let faults = if before.faults.is_empty() { Vec::new() } else { now.faults.clone() };
        let same = before.stands_in(&now);
        let told: Vec<_> = faults.into_iter().chain(same.differences_told()).collect();
        if !told.is_empty() {
            stands.push(Disagreement { sale, told });
        }
    }
    Ok((units, stands))
}

async fn looks(
    ledger: &Ledger,
    holds: &Holds,
    sale: Option<SaleId>,
) -> Result<Vec<(SaleId, Result<Seen, AdmissionError>)>, LedgerError> {
    let mut looks = Vec::new();
    for row in sales::sales_live(ledger).await?.into_iter().filter(|row| sale.is_none_or(|sale| sale == row.id)) {
        looks.push((row.id, look(ledger, holds, row.id).await?));
    }
    if looks.iter().any(|(_, look)| look.as_ref().is_ok_and(Seen::differs)) {
        tokio::time::sleep(LOOKS_APART).await;
    }
    let mut seen_of = Vec::new();
    for (sale, look_1) in looks {
        let seen = match look_1 {
            Ok(seen) if seen.differs() => Ok(seen.confirmed_by(look(ledger, holds, sale).await?)),
            look_1 => look_1,
        };
        seen_of.push((sale, seen));
    }
    Ok(seen_of)
}

/// What the looks at all sales come to.
#[derive(Default)]
struct Found {
    sales: i64,
    not_loaded: i64,
    units: i64,
    free: i64,
    holds: i64,
    returning: i64,
    faults: Vec<String>,
    differences: Vec<String>,
}

/// What a look at a sale shows.
#[derive(Debug, Default)]
struct Seen {
    units: i64,
    free: i64,
    holds: i64,
    /// Units that are free in Postgres, and a worker is about to tell Redis.
    returning: i64,
    faults: Vec<String>,
    differences: BTreeMap<HeldUnit, Difference>,
    /// Why there was no second look at what differs.
    unconfirmed: Option<String>,
}

/// What either store says of a unit, where they do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    redis: InRedis,
    postgres: String,
}

/// What Redis says of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum InRedis {
    Free,
    Held(HoldId),
    /// In a hold without a pass, on its way to be withheld.
    KeptBack(HoldId),
    Gone,
}

/// What is about to return is asked for first: what returns meanwhile is free when Redis is read.
async fn look(ledger: &Ledger, holds: &Holds, sale: SaleId) -> Result<Result<Seen, AdmissionError>, LedgerError> {
    let returning = units_returning(ledger, sale).await?;
    Ok(match holds.inventory(sale).await {
        Ok(inventory) => Ok(Seen::of(&inventory, &units_of_sale(ledger, sale).await?, &returning)),
        Err(error) => Err(error),
    })
}

impl Found {
    fn adds(&mut self, sale: SaleId, seen: Result<Seen, AdmissionError>) {
        match seen {
            Ok(seen) => self.adds_seen(sale, seen),
            Err(AdmissionError::NotLoaded | AdmissionError::Unavailable(_)) => self.not_loaded += 1,
            Err(error @ AdmissionError::Script(_)) => self.faults.push(format!("sale {sale}: {error}")),
        }
    }

    fn adds_seen(&mut self, sale: SaleId, seen: Seen) {
        self.sales += 1;
        self.units += seen.units;
        self.free += seen.free;
        self.holds += seen.holds;
        self.returning += seen.returning;
        self.faults.extend(seen.faults.iter().map(|fault| format!("sale {sale}: {fault}")));
        self.differences.extend(seen.differences_told().map(|difference| format!("sale {sale}: {difference}")));
    }

    fn lines(mut self) -> [AuditLine; 2] {
        let most = usize::try_from(BREACHES_MAX).unwrap_or(usize::MAX);
        self.faults.truncate(most);
        self.differences.truncate(most);
        let within = AuditLine {
            invariant: "I1",
            title: "in Redis a unit is free or in one live hold, and counts and rows say so",
            figures: vec![("sales", self.sales), ("free", self.free), ("holds", self.holds)],
            breaches: self.faults,
        };
        let between = AuditLine {
            invariant: "I2",
            title: "Redis free + held = Postgres free, unit by unit",
            figures: vec![("units", self.units), ("returning", self.returning), ("not_loaded", self.not_loaded)],
            breaches: self.differences,
        };
        [within, between]
    }
}

impl Seen {
    fn of(inventory: &Inventory, units: &Units, returning: &BTreeSet<(TierId, UnitNo)>) -> Self {
        let mut differences = differences(inventory, units);
        let differing = differences.len();
        differences.retain(|HeldUnit { tier, unit }, difference| {
            difference.redis != InRedis::Gone || !returning.contains(&(tier.clone(), *unit))
        });
        Self {
            units: count(units.len()),
            free: count(inventory.free.len()),
            holds: count(inventory.holds.len()),
            returning: count(differing - differences.len()),
            faults: inventory.faults().iter().map(ToString::to_string).collect(),
            differences,
            unconfirmed: None,
        }
    }

    fn differs(&self) -> bool {
        !self.differences.is_empty()
    }

    /// Of what differs, what a second look shows to differ still, in whatever way: on a busy sale it is hardly the same one.
    /// A Redis that cannot be read again takes nothing back.
    fn confirmed_by(self, look_2: Result<Self, AdmissionError>) -> Self {
        match look_2 {
            Ok(mut again) => {
                again.differences.retain(|unit, _| self.differences.contains_key(unit));
                if !self.faults.is_empty() {
                    again.faults = self.faults;
                }
                again
            }
            Err(error) => Self { unconfirmed: Some(error.to_string()), ..self },
        }
    }

    /// Of what differs, what differs in the same way now.
    fn stands_in(mut self, now: &Self) -> Self {
        self.differences.retain(|unit, difference| now.differences.get(unit) == Some(difference));
        self
    }

    fn differences_told(&self) -> impl Iterator<Item = String> {
        let unconfirmed = self.unconfirmed.as_ref();
        let unconfirmed =
            unconfirmed.map(|why| format!(" (seen once; the second look failed: {why})")).unwrap_or_default();
        self.differences.iter().map(move |(HeldUnit { tier, unit }, difference)| {
            format!("unit {unit} of {tier} is {difference}{unconfirmed}")
        })
    }
}

/// The units of a sale in Postgres.
type Units = BTreeMap<(TierId, UnitNo), UnitState>;

fn differences(inventory: &Inventory, units: &Units) -> BTreeMap<HeldUnit, Difference> {
    let mut in_redis: BTreeMap<_, _> = inventory.free.iter().map(|unit| (unit, InRedis::Free)).collect();
    for hold in &inventory.holds {
        let held = if hold.number == NOBODY { InRedis::KeptBack(hold.id) } else { InRedis::Held(hold.id) };
        in_redis.extend(hold.units.iter().map(|unit| (unit, held)));
    }
    let mut differences = BTreeMap::new();
    for (unit, redis) in &in_redis {
        let state = units.get(&(unit.tier.clone(), unit.unit));
        if !state.is_some_and(|state| redis.agrees_with(state)) {
            let postgres = state.map_or("unknown", |state| state.word.as_str()).to_owned();
            differences.insert((*unit).clone(), Difference { redis: *redis, postgres });
        }
    }
    for ((tier, unit), state) in units.iter().filter(|(_, state)| state.is_free()) {
        let unit = HeldUnit { tier: tier.clone(), unit: *unit };
        if !in_redis.contains_key(&unit) {
            differences.insert(unit, Difference { redis: InRedis::Gone, postgres: state.word.clone() });
        }
    }
    differences
}

impl InRedis {
    /// A unit in a live hold is free in Postgres, or what the hold is for has come to pass, which Redis is yet to hear.
    fn agrees_with(self, state: &UnitState) -> bool {
        state.is_free()
            || match self {
                Self::Free | Self::Gone => false,
                Self::Held(hold) => state.order.is_some_and(|order| order.uuid() == hold.uuid()),
                Self::KeptBack(_) => state.is_withheld(),
            }
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { redis, postgres } = self;
        match redis {
            InRedis::Free => write!(f, "free in Redis and {postgres} in Postgres"),
            InRedis::Held(hold) | InRedis::KeptBack(hold) => {
                write!(f, "held by {hold} in Redis and {postgres} in Postgres")
            }
            InRedis::Gone => write!(f, "neither free nor held in Redis and {postgres} in Postgres"),
        }
    }
}

#[cfg(test)]
mod tests;
