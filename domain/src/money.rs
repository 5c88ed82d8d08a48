//! Money: an amount in minor units and its currency.
//!
//! Minor units are counted as Stripe counts them, because that is what is charged. This differs from ISO 4217 in a few
//! currencies: Stripe counts ISK and UGX in hundredths although they have no minor unit, and the three-decimal
//! currencies in thousandths that must be a multiple of ten. Sources: Stripe's documentation, "Supported currencies".
//!
//! Arithmetic is checked and never mixes currencies; there are no floats and no implicit conversions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency: three lower-case letters, as Stripe writes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Currencies that Stripe counts in whole units.
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];

/// Currencies that Stripe counts in thousandths, the last digit of which must be 0.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"eur");

    /// The code, three lower-case letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is made of ASCII letters only")
    }

    /// How many decimals the amount has when people read it.
    #[must_use]
    pub fn decimals(self) -> u32 {
        match self.as_str() {
            code if ZERO_DECIMAL.contains(&code) => 0,
            code if THREE_DECIMAL.contains(&code) => 3,
            _ => 2,
        }
    }
}

/// Why a text is no currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency code of three letters, like eur")]
pub struct CurrencyError;

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let code: [u8; 3] = text.to_ascii_lowercase().into_bytes().try_into().map_err(|_| CurrencyError)?;
        if code.iter().all(u8::is_ascii_lowercase) { Ok(Self(code)) } else { Err(CurrencyError) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units as Stripe counts them.
    #[serde(rename = "amount")]
    pub minor: i64,
    /// The currency counted.
    pub currency: Currency,
}

/// Why an arithmetic step on money has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Amounts of two currencies.
    #[error("amounts of different currencies")]
    CurrencyMismatch,
    /// More than 2⁶³ minor units.
    #[error("amount out of range")]
    Overflow,
}

impl Money {
    /// An amount of minor units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Whether this is exactly nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// Two currencies, or a sum out of range.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.minor.checked_add(other.minor).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// Two currencies, or a difference out of range.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.minor.checked_sub(other.minor).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// So many times the amount.
    ///
    /// # Errors
    /// A product out of range.
    pub fn times(self, count: u32) -> Result<Self, MoneyError> {
        self.minor.checked_mul(i64::from(count)).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// The share of `basis_points` / 10,000, rounded half away from zero to a whole minor unit.
    ///
    /// # Errors
    /// A share out of range.
    pub fn share(self, basis_points: u32) -> Result<Self, MoneyError> {
        let scaled = i128::from(self.minor) * i128::from(basis_points);
        let half = if scaled < 0 { -5_000 } else { 5_000 };
        let minor = i64::try_from((scaled + half) / 10_000).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The sum of many, nothing for none.
    ///
    /// # Errors
    /// Two currencies, or a sum out of range.
    pub fn sum(currency: Currency, parts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        parts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::CurrencyMismatch) }
    }
}

/// As people read it: `12.50 EUR`, `900 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let scale = 10_u64.pow(decimals);
        let (sign, amount) = (if self.minor < 0 { "-" } else { "" }, self.minor.unsigned_abs());
        let code = self.currency.as_str().to_ascii_uppercase();
        if decimals == 0 {
            return write!(f, "{sign}{amount} {code}");
        }
        write!(f, "{sign}{}.{:0width$} {code}", amount / scale, amount % scale, width = decimals as usize)
    }
}

#[cfg(test)]
mod tests;
