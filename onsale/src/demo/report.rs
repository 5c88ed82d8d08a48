//! What the demo prints.

use super::buyers::{Ending, Story};

/// Who, what for, how it ended.
pub(super) fn line(ending: &Ending) -> String {
    let end = match &ending.result {
        Ok(outcome) if outcome.fits(ending.story) => outcome.to_string(),
        Ok(outcome) => format!("NOT AS TOLD: {outcome}"),
        Err(error) => format!("FAILED: {error}"),
    };
    format!("  {:<8} {:<30} {end}", ending.name, wish(ending.story))
}

/// Whether every story ended as it should.
pub(super) fn all_as_told(endings: &[Ending]) -> bool {
    endings.iter().all(|ending| ending.result.as_ref().is_ok_and(|outcome| outcome.fits(ending.story)))
}

fn wish(story: Story) -> String {
    match story {
        Story::Buys(quantity) => places(quantity),
        Story::TriesAgain(quantity) => format!("{}, first card declined", places(quantity)),
        Story::Declined => "1 place, card declined".to_owned(),
        Story::Leaves => "to leave the queue again".to_owned(),
        Story::LetsItExpire => "to let a hold run out".to_owned(),
    }
}

fn places(quantity: u32) -> String {
    if quantity == 1 { "1 place".to_owned() } else { format!("{quantity} places") }
}
