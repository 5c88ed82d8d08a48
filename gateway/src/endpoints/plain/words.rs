//! Times and amounts as people read them, for a page that has no script to do it.

use domain::sale::SaleState;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::availability::{Availability, Level};
use crate::odds::Odds;

const MINUTE_S: u64 = 60;

/// Up to here the number of units itself is worth knowing.
const COUNTED_MAX: u32 = 50;

/// How long a wait may be, rounded outward, so that what was said stays true.
pub(super) fn wait(from_s: u64, to_s: u64) -> String {
    if to_s <= MINUTE_S {
        return "less than a minute".to_owned();
    }
    // Finer steps would only twitch.
    let step_s = match to_s {
        0..=1_200 => MINUTE_S,
        1_201..=5_400 => 5 * MINUTE_S,
        _ => 30 * MINUTE_S,
    };
    let (from, to) = (from_s / step_s * step_s / MINUTE_S, to_s.div_ceil(step_s) * step_s / MINUTE_S);
    match (from, to) {
        (0, to) => format!("up to {}", minutes(to)),
        (from, to) if from == to => format!("about {}", minutes(to)),
        (from, to) if to < 60 => format!("{from} to {}", minutes(to)),
        (from, to) => format!("{} to {}", minutes(from), minutes(to)),
    }
}

/// Whether anything will be left at one's turn.
pub(super) const fn odds(odds: Odds) -> &'static str {
    match odds {
        Odds::Likely => "Tickets will probably be left at your turn.",
        Odds::Uncertain => "Tickets may run out around your turn: it could just do, or just not.",
        Odds::Unlikely => "Tickets will probably run out before your turn.",
        Odds::Waitlist => {
            "Tickets will very probably run out before your turn. What comes back is offered to the waitlist."
        }
    }
}

fn minutes(minutes: u64) -> String {
    let counted = |count: u64, unit: &str| match count {
        0 => String::new(),
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    };
    let words = [counted(minutes / 60, "hour"), counted(minutes % 60, "minute")];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A moment, read in the zone of the sale, which is named.
pub(super) fn moment(time: Timestamp, time_zone: &str) -> String {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    time.to_zoned(zone).strftime("%a %-d %b %Y, %H:%M %Z").to_string()
}

/// The time of day, to the second, read in the zone of the sale, which is named.
pub(super) fn time_of_day(time: Timestamp, time_zone: &str) -> String {
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    time.to_zoned(zone).strftime("%H:%M:%S %Z").to_string()
}

/// What is left of a tier.
pub(super) fn left(left: Availability) -> String {
    match left.level {
        Level::Many => "Available".to_owned(),
        Level::Few if left.remaining > COUNTED_MAX => "Few left".to_owned(),
        Level::Few => format!("Only {} left", left.remaining),
        Level::AllHeld => "All in baskets right now – some usually come back".to_owned(),
        // A later phase may have more, and an order that is not paid gives its units back.
        Level::None => "None left now".to_owned(),
    }
}

/// The word by which the style sheet knows how much is left.
pub(super) const fn level(level: Level) -> &'static str {
    match level {
        Level::Many => "many",
        Level::Few => "few",
        Level::AllHeld => "all_held",
        Level::None => "none",
    }
}

/// What opens next.
pub(super) struct Coming {
    /// When it opens.
    pub(super) opens: String,
    /// From when on one can register for it, where one can.
    pub(super) registers: Option<String>,
}

/// Where the event is, and when its sale opens, as long as it did not.
pub(super) fn facts(venue: &str, coming: Option<&Coming>) -> String {
    match (venue, coming) {
        (venue, None) => venue.to_owned(),
        ("", Some(coming)) => format!("Opens {}", coming.opens),
        (venue, Some(coming)) => format!("{venue} · opens {}", coming.opens),
    }
}

/// Where the sale is, as short as on the usual page.
pub(super) const fn lobby_title(state: SaleState) -> &'static str {
    match state {
        SaleState::Draft | SaleState::Scheduled => "Not open yet",
        SaleState::Prequeue => "Registration is open",
        SaleState::Open => "The sale is open",
        SaleState::Paused => "The sale is paused",
        SaleState::SoldOut => "Sold out for now",
        SaleState::Closed => "This sale has ended",
        SaleState::Cancelled => "This sale was called off",
    }
}

/// What that means for who has no place.
pub(super) fn lobby(state: SaleState, coming: Option<&Coming>) -> String {
    match state {
        SaleState::Draft | SaleState::Scheduled => scheduled(coming),
        SaleState::Prequeue => {
            let when = coming.map(|coming| format!(", {},", coming.opens)).unwrap_or_default();
            format!(
                "When the sale opens{when} everybody who registered is put in a random order, so being \
                 early is no advantage."
            )
        }
        SaleState::Open => "Join the queue to get your number. When it is your turn, you choose your tickets.".to_owned(),
        SaleState::Paused => "This page goes on by itself.".to_owned(),
        SaleState::SoldOut => {
            "Every ticket is sold or being paid for. If a payment fails, its tickets come back, and those in the queue get \
             them first."
                .to_owned()
        }
        SaleState::Closed => "There is nothing left to buy here.".to_owned(),
        SaleState::Cancelled => {
            "There is nothing to buy here. Whoever bought tickets is paid back and has a letter about it.".to_owned()
        }
    }
}

fn scheduled(coming: Option<&Coming>) -> String {
    match coming {
        None => "The sale is not open.".to_owned(),
        Some(Coming { opens, registers: None }) => format!("The sale opens {opens}."),
        Some(Coming { opens, registers: Some(registers) }) => {
            format!("The sale opens {opens}. You can register from {registers} on; being early is no advantage.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_outward_in_steps_that_grow() {
        let table = [
            (0, 20, "less than a minute"),
            (30, 90, "up to 2 minutes"),
            (490, 700, "8 to 12 minutes"),
            (600, 600, "about 10 minutes"),
            (1_300, 2_300, "20 to 40 minutes"),
            (3_000, 5_300, "50 minutes to 1 hour 30 minutes"),
            (5_400, 9_000, "1 hour 30 minutes to 2 hours 30 minutes"),
        ];
        for (from, to, words) in table {
            assert_eq!(wait(from, to), words);
        }
    }

    #[test]
    fn what_is_left_is_told_in_words_that_stay_true() {
        let table = [
            (Level::Many, 300, "Available"),
            (Level::Few, 51, "Few left"),
            (Level::Few, 50, "Only 50 left"),
            (Level::AllHeld, 0, "All in baskets right now – some usually come back"),
            (Level::None, 0, "None left now"),
        ];
        for (level, remaining, words) in table {
            assert_eq!(left(Availability { level, remaining }), words);
        }
    }

    #[test]
    fn moments_are_read_where_the_sale_is() {
        let time: Timestamp = "2030-05-01T18:00:05Z".parse().unwrap();
        assert_eq!(moment(time, "Europe/Berlin"), "Wed 1 May 2030, 20:00 CEST");
        assert_eq!(time_of_day(time, "UTC"), "18:00:05 UTC");
    }

    #[test]
    fn an_opening_is_told_only_while_it_is_to_come() {
        let coming =
            |registers: Option<&str>| Coming { opens: "at eight".to_owned(), registers: registers.map(str::to_owned) };
        assert_eq!(facts("Blue Note", Some(&coming(None))), "Blue Note · opens at eight");
        assert_eq!(facts("", Some(&coming(None))), "Opens at eight");
        assert_eq!(facts("Blue Note", None), "Blue Note");
        assert_eq!(facts("", None), "");
        assert_eq!(lobby(SaleState::Scheduled, Some(&coming(None))), "The sale opens at eight.");
        assert!(lobby(SaleState::Scheduled, Some(&coming(Some("at six")))).contains("register from at six on"));
        assert!(lobby(SaleState::Prequeue, Some(&coming(None))).contains("opens, at eight, everybody"));
    }
}
