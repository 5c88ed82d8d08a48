//! All units of a sale as Redis has them at one moment, and whether what says so agrees with itself.
//!
//! A unit's state is written down more than once, so that scripts find it quickly: two bits, two counts a tier, the bitmaps of
//! rows, the record of its hold, the claim of its pass. Scripts change them together; [`Inventory::faults`] shows that they
//! did. Reading costs Redis some milliseconds for a large sale: for audits, not for requests.
//!
//! What it does not do: it does not know what a tier has in all, nor what Postgres says; whoever audits compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::hold::HoldState;
use domain::{HoldId, PlaceNumber, SaleId, TierId, UnitNo};
use fred::types::Value;

use super::Holds;
use super::record::{self, HoldView};
use crate::AdmissionError;
use crate::queue::expect_word;
use crate::rows;
use crate::scripts::{self, Reply};
use crate::units::HeldUnit;

/// The units of a sale in Redis.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Those whose bit says free.
    pub free: BTreeSet<HeldUnit>,
    /// The live holds, each with its units, those of nobody's ([`crate::NOBODY`]) among them.
    pub holds: Vec<HoldView>,
    /// Units whose bit says held.
    held: BTreeSet<HeldUnit>,
    tiers: BTreeMap<TierId, Tier>,
    /// Claims of passes whose hold is not there or not live.
    stale: Vec<(PlaceNumber, HoldId)>,
}

/// What is written down of a tier as a whole.
#[derive(Debug, Clone, Default)]
struct Tier {
    free: i64,
    held: i64,
    rows: Vec<u32>,
    runs: Vec<u8>,
}

/// Where Redis contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InventoryFault {
    /// A unit is in two live holds.
    HeldTwice {
        /// The unit.
        unit: HeldUnit,
        /// The holds.
        holds: [HoldId; 2],
    },
    /// A unit's bit says free, and a live hold has it.
    FreeAndHeld {
        /// The unit.
        unit: HeldUnit,
        /// The hold.
        hold: HoldId,
    },
    /// A unit's bit says held, and no live hold has it.
    HeldByNone {
        /// The unit.
        unit: HeldUnit,
    },
    /// A live hold has a unit, and the unit's bit does not say so.
    HeldUnmarked {
        /// The unit.
        unit: HeldUnit,
        /// The hold.
        hold: HoldId,
    },
    /// The count of free units is not the number of free bits.
    FreeMiscounted {
        /// The tier.
        tier: TierId,
        /// The count.
        counted: i64,
        /// The bits.
        found: usize,
    },
    /// The count of held units is not the number of units in live holds.
    HeldMiscounted {
        /// The tier.
        tier: TierId,
        /// The count.
        counted: i64,
        /// The units.
        found: usize,
    },
    /// What is said of how many seats are free side by side in a row is not so.
    RowMisread {
        /// The tier.
        tier: TierId,
        /// The row, from 0.
        row: usize,
    },
    /// A pass is kept from holding by a hold that is not live.
    ClaimStale {
        /// Whose pass.
        number: PlaceNumber,
        /// Its hold.
        hold: HoldId,
    },
}

impl Holds {
    /// Reads the units of a sale.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn inventory(&self, sale: SaleId) -> Result<Inventory, AdmissionError> {
        let reply = self.run(&scripts::STOCK_LOOK, sale, Vec::new()).await?;
        expect_word(&reply, "looked")?;
        Inventory::parse(reply)
    }
}

impl Inventory {
    /// Where Redis contradicts itself; nowhere, as long as units change hands in scripts alone.
    #[must_use]
    pub fn faults(&self) -> Vec<InventoryFault> {
        let mut faults = Vec::new();
        let mut holder_of = BTreeMap::new();
        for hold in &self.holds {
            for unit in &hold.units {
                if self.free.contains(unit) {
                    faults.push(InventoryFault::FreeAndHeld { unit: unit.clone(), hold: hold.id });
                }
                if !self.held.contains(unit) {
                    faults.push(InventoryFault::HeldUnmarked { unit: unit.clone(), hold: hold.id });
                }
                if let Some(first) = holder_of.insert(unit, hold.id) {
                    faults.push(InventoryFault::HeldTwice { unit: unit.clone(), holds: [first, hold.id] });
                }
            }
        }
        let of_none = self.held.iter().filter(|unit| !holder_of.contains_key(unit));
        faults.extend(of_none.map(|unit| InventoryFault::HeldByNone { unit: unit.clone() }));
        for (name, tier) in &self.tiers {
            self.miscounts(name, tier, &mut faults);
            faults.extend(tier.misread_rows(name, &self.free_of(name)));
        }
        faults.extend(
            self.stale.iter().map(|(number, hold)| InventoryFault::ClaimStale { number: *number, hold: *hold }),
        );
        faults
    }

    fn miscounts(&self, name: &TierId, tier: &Tier, faults: &mut Vec<InventoryFault>) {
        let free = self.free_of(name).len();
        let held = self.holds.iter().flat_map(|hold| &hold.units).filter(|unit| unit.tier == *name).count();
        let differs = |counted: i64, found: usize| usize::try_from(counted) != Ok(found);
        if differs(tier.free, free) {
            faults.push(InventoryFault::FreeMiscounted { tier: name.clone(), counted: tier.free, found: free });
        }
        if differs(tier.held, held) {
            faults.push(InventoryFault::HeldMiscounted { tier: name.clone(), counted: tier.held, found: held });
        }
    }

    fn free_of(&self, tier: &TierId) -> Vec<UnitNo> {
        let from = HeldUnit { tier: tier.clone(), unit: UnitNo(0) };
        self.free.range(from..).take_while(|unit| unit.tier == *tier).map(|unit| unit.unit).collect()
    }

    fn parse(mut reply: Reply) -> Result<Self, AdmissionError> {
        let mut bases = BTreeMap::new();
        for (tier, base) in pairs(&mut reply)? {
            bases.insert(parsed::<usize>(&reply, base)?, parsed::<TierId>(&reply, tier)?);
        }
        let mut inventory = Self::default();
        inventory.tiers.extend(bases.values().map(|tier| (tier.clone(), Tier::default())));
        inventory.read_counts(&mut reply)?;
        for (tier, packed) in pairs(&mut reply)? {
            let packed = packed.into_owned_bytes().ok_or_else(|| reply.odd("no bytes"))?;
            inventory.tier(&reply, &parsed(&reply, tier)?)?.rows = rows::sizes(&packed);
        }
        inventory.free = units_set(&bases, &reply.bytes()?);
        inventory.held = units_set(&bases, &reply.bytes()?);
        let runs = reply.bytes()?;
        for (ordinal, tier) in bases.values().enumerate() {
            inventory.tier(&reply, tier)?.runs = rows::runs_of_tier(&runs, ordinal);
        }
        inventory.read_claims(&mut reply)?;
        Ok(inventory)
    }

    fn read_counts(&mut self, reply: &mut Reply) -> Result<(), AdmissionError> {
        for (field, count) in pairs(reply)? {
            let field: String = parsed(reply, field)?;
            match field.split_once(':') {
                Some(("free", tier)) => self.named(reply, tier)?.free = parsed(reply, count)?,
                Some(("held", tier)) => self.named(reply, tier)?.held = parsed(reply, count)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_claims(&mut self, reply: &mut Reply) -> Result<(), AdmissionError> {
        let mut claims = reply.texts()?.into_iter();
        while let (Some(number), Some(hold), Some(text)) = (claims.next(), claims.next(), claims.next()) {
            let number = PlaceNumber(number.parse().map_err(|_| reply.odd("no number"))?);
            let hold: HoldId = hold.parse().map_err(|_| reply.odd("no hold"))?;
            match record::read(hold, &text).filter(is_live) {
                Some(view) => self.holds.push(view),
                None => self.stale.push((number, hold)),
            }
        }
        Ok(())
    }

    fn named(&mut self, reply: &Reply, tier: &str) -> Result<&mut Tier, AdmissionError> {
        let tier = tier.parse().map_err(|_| reply.odd("no tier"))?;
        self.tier(reply, &tier)
    }

    fn tier(&mut self, reply: &Reply, tier: &TierId) -> Result<&mut Tier, AdmissionError> {
        self.tiers.get_mut(tier).ok_or_else(|| reply.odd("a tier without a place in the bitmap"))
    }
}

impl Tier {
    fn misread_rows(&self, name: &TierId, free: &[UnitNo]) -> Vec<InventoryFault> {
        let misread = rows::differing(&self.rows, free, &self.runs);
        misread.into_iter().map(|row| InventoryFault::RowMisread { tier: name.clone(), row }).collect()
    }
}

/// The units whose bit is set. All tiers share a bitmap: a bit is of the last tier that begins before it.
fn units_set(bases: &BTreeMap<usize, TierId>, bitmap: &[u8]) -> BTreeSet<HeldUnit> {
    let set = (0..bitmap.len() * 8).filter(|bit| bitmap[bit / 8] & (0x80 >> (bit % 8)) != 0);
    let unit = |bit: usize| {
        let (base, tier) = bases.range(..=bit).next_back()?;
        Some(HeldUnit { tier: tier.clone(), unit: UnitNo(u32::try_from(bit - base).ok()?) })
    };
    set.filter_map(unit).collect()
}

fn is_live(hold: &HoldView) -> bool {
    matches!(hold.state, HoldState::Held | HoldState::Frozen)
}

/// The names and values of a hash.
fn pairs(reply: &mut Reply) -> Result<Vec<(Value, Value)>, AdmissionError> {
    let mut values = reply.value()?.into_array().into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn parsed<T: std::str::FromStr>(reply: &Reply, value: Value) -> Result<T, AdmissionError> {
    let text = value.into_string().ok_or_else(|| reply.odd("no text"))?;
    text.parse().map_err(|_| reply.odd("a text that does not parse"))
}

impl fmt::Display for InventoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldTwice { unit: HeldUnit { tier, unit }, holds: [one, other] } => {
                write!(f, "unit {unit} of {tier} is in two live holds, {one} and {other}")
            }
            Self::FreeAndHeld { unit: HeldUnit { tier, unit }, hold } => {
                write!(f, "unit {unit} of {tier} is free and in the live hold {hold}")
            }
            Self::HeldByNone { unit: HeldUnit { tier, unit } } => {
                write!(f, "unit {unit} of {tier} is marked as held, and no live hold has it")
            }
            Self::HeldUnmarked { unit: HeldUnit { tier, unit }, hold } => {
                write!(f, "unit {unit} of {tier} is in the live hold {hold}, and not marked as held")
            }
            Self::FreeMiscounted { tier, counted, found } => {
                write!(f, "{tier}: {counted} counted free, {found} bits are set")
            }
            Self::HeldMiscounted { tier, counted, found } => {
                write!(f, "{tier}: {counted} counted held, live holds have {found}")
            }
            Self::RowMisread { tier, row } => {
                write!(f, "row {row} of {tier}: not so many are free side by side as it says")
            }
            Self::ClaimStale { number, hold } => {
                write!(f, "the pass of {number} is in use for {hold}, which is no live hold")
            }
        }
    }
}
