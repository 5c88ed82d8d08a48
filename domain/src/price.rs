//! What a buyer pays, all in, and of what it is made.
//!
//! Every unit of a tier costs the same, so fees and taxes are computed for one unit and multiplied: the total of an
//! order is exactly the sum of its lines, and the price on the first page is exactly the price paid. Each fee and each
//! tax of a unit is rounded by itself, half away from zero, to a whole minor unit ([`Money::share`]). Taxes are taken
//! on base price and fees.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::ids::TierId;
use crate::money::{Money, MoneyError};
use crate::sale::{SaleConfig, TierConfig};

mod charge;

pub use charge::{CHARGE_MAX, charge_min};

/// What a line is for; the books send each kind to its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The base price: the organizer's.
    Base,
    /// A fee: the platform's.
    Fee,
    /// A tax: the state's.
    Tax,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// What it is for.
    pub kind: LineKind,
    /// What the buyer reads.
    pub name: String,
    /// The tier whose units it is for.
    pub tier: TierId,
    /// Of how many units.
    pub quantity: u32,
    /// For all of them together.
    pub amount: Money,
}

/// The price of one unit with its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitPrice {
    /// All in.
    pub total: Money,
    /// The organizer's.
    pub base: Money,
    /// All fees.
    pub fees: Money,
    /// All taxes.
    pub taxes: Money,
}

/// The price of one unit of a tier.
///
/// # Errors
/// Amounts out of range, which [`SaleConfig::faults`] keeps out.
pub fn unit_price(sale: &SaleConfig, tier: &TierConfig) -> Result<UnitPrice, MoneyError> {
    let sum_of = |kind: LineKind, lines: &[OrderLine]| {
        Money::sum(sale.currency, lines.iter().filter(|line| line.kind == kind).map(|line| line.amount))
    };
    let lines = lines_of(sale, tier, NonZeroU32::MIN)?;
    Ok(UnitPrice {
        total: total(sale, &lines)?,
        base: sum_of(LineKind::Base, &lines)?,
        fees: sum_of(LineKind::Fee, &lines)?,
        taxes: sum_of(LineKind::Tax, &lines)?,
    })
}

/// The lines of so many units of a tier: base, then fees, then taxes. Nothing is left out, also not a line of zero.
///
/// # Errors
/// Amounts out of range, which [`SaleConfig::faults`] keeps out.
pub fn lines_of(sale: &SaleConfig, tier: &TierConfig, quantity: NonZeroU32) -> Result<Vec<OrderLine>, MoneyError> {
    let line = |kind, name: &str, of_one: Money| {
        of_one.times(quantity.get()).map(|amount| OrderLine {
            kind,
            name: name.to_owned(),
            tier: tier.id.clone(),
            quantity: quantity.get(),
            amount,
        })
    };
    let base = sale.base_price(tier);
    let mut lines = vec![line(LineKind::Base, &tier.name, base)?];
    let mut taxed = base;
    for fee in &sale.fees {
        let of_one = Money::new(fee.per_unit, sale.currency).plus(base.share(fee.basis_points)?)?;
        taxed = taxed.plus(of_one)?;
        lines.push(line(LineKind::Fee, &fee.name, of_one)?);
    }
    for tax in &sale.taxes {
        lines.push(line(LineKind::Tax, &tax.name, taxed.share(tax.basis_points)?)?);
    }
    Ok(lines)
}

/// What the dearest order costs that one buyer may have: as many of the dearest units as the limits and the tiers allow.
///
/// # Errors
/// Amounts out of range, which [`SaleConfig::faults`] keeps out.
pub fn dearest_order(sale: &SaleConfig) -> Result<Money, MoneyError> {
    let priced = sale.tiers.iter().map(|tier| Ok((unit_price(sale, tier)?.total, tier)));
    let mut priced = priced.collect::<Result<Vec<_>, MoneyError>>()?;
    priced.sort_by_key(|(price, _)| std::cmp::Reverse(price.minor));
    let (mut total, mut room) = (Money::zero(sale.currency), sale.per_buyer_limit);
    for (price, tier) in priced {
        let units = tier.per_buyer_limit.unwrap_or(room).min(tier.capacity()).min(room);
        total = total.plus(price.times(units)?)?;
        room -= units;
    }
    Ok(total)
}

/// The sum of lines.
///
/// # Errors
/// Amounts out of range.
pub fn total(sale: &SaleConfig, lines: &[OrderLine]) -> Result<Money, MoneyError> {
    Money::sum(sale.currency, lines.iter().map(|line| line.amount))
}

#[cfg(test)]
mod tests;
