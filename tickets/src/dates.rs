//! When something begins, for people: in the sale's time zone, whatever zone the reader is in, as a door's clock shows it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `Saturday, 5 December 2026, 20:00 (CET)`. A zone that is not known here is UTC, and says so.
#[must_use]
pub fn spoken(at: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_the_clock_at_the_door_shows_it() {
        let (winter, summer) = ("2026-12-05T19:00:00Z".parse().unwrap(), "2026-07-04T18:30:00Z".parse().unwrap());
        assert_eq!(spoken(winter, "Europe/Berlin"), "Saturday, 5 December 2026, 20:00 (CET)");
        assert_eq!(spoken(summer, "Europe/Berlin"), "Saturday, 4 July 2026, 20:30 (CEST)");
        assert_eq!(spoken(winter, "Pacific/Kiritimati"), "Sunday, 6 December 2026, 09:00 (+14)");
        assert_eq!(spoken(winter, "Nowhere/Else"), "Saturday, 5 December 2026, 19:00 (UTC)");
    }
}
