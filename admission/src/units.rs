//! Units as scripts write them: `tier=0,1;tier=7`.

use std::fmt::Write as _;

use domain::{TierId, UnitNo};

/// One unit of a hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldUnit {
    /// Its tier.
    pub tier: TierId,
    /// Its number in the tier.
    pub unit: UnitNo,
}

/// The text of some units; units of one tier that follow each other share its name.
pub(crate) fn write(units: &[HeldUnit]) -> String {
    let mut text = String::new();
    for (index, HeldUnit { tier, unit }) in units.iter().enumerate() {
        let same_tier = index > 0 && units[index - 1].tier == *tier;
        let separator = if same_tier {
            ","
        } else if index > 0 {
            ";"
        } else {
            ""
        };
        let name = if same_tier { String::new() } else { format!("{tier}=") };
        write!(text, "{separator}{name}{unit}").expect("a String takes any text");
    }
    text
}

/// The units in such a text.
pub(crate) fn read(text: &str) -> Option<Vec<HeldUnit>> {
    let mut units = Vec::new();
    for item in text.split(';').filter(|item| !item.is_empty()) {
        let (tier, numbers) = item.split_once('=')?;
        let tier: TierId = tier.parse().ok()?;
        for number in numbers.split(',') {
            units.push(HeldUnit { tier: tier.clone(), unit: UnitNo(number.parse().ok()?) });
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests;
