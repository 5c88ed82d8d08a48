//! A visit as an entry of a calendar: iCalendar, RFC 5545.
//!
//! The entry keeps its UID for ever, so that one that is fetched again takes the place of the one before; its SEQUENCE grows with what
//! the organizer changes and with each ticket that goes back. Times are local ones of the sale's zone, with that zone's rules about them in the file: whatever a reader's
//! zone is, and should the rules change after all, the doors open when the clock there says so. Nothing in it opens a door: calendars
//! are shared.
//!
//! Deterministic: DTSTAMP is when the order was made, not when the file was asked for; which of two files is newer, SEQUENCE says.

use std::fmt::Write;

use chrono::{DateTime, NaiveDateTime, Utc};
use icalendar::{Calendar, CalendarDateTime, Component as _, Event, EventLike as _, EventStatus, Property};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// What goes into the entry. All of it is text as people wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Visit {
    /// What names the entry in the whole world, `ord_…@host`.
    pub uid: String,
    /// Grows with each change.
    pub sequence: u32,
    /// When it was first written.
    pub written_at: Timestamp,
    /// What people call the sale.
    pub sale: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends, if that is known.
    pub ends_at: Option<Timestamp>,
    /// The zone of its clock, by its IANA name.
    pub zone: String,
    /// Where; may be empty.
    pub venue: String,
    /// What else the reader wants to know.
    pub about: String,
    /// Whether it takes place for this buyer.
    pub standing: Standing,
}

/// Whether the visit takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It does.
    Confirmed,
    /// Called off, or every ticket went back.
    Cancelled,
}

/// Writes the file.
#[must_use]
pub fn calendar(visit: &Visit) -> String {
    let zone = TimeZone::get(&visit.zone).ok();
    let mut event = Event::new();
    event
        .uid(&visit.uid)
        .sequence(visit.sequence)
        .timestamp(utc(visit.written_at))
        .summary(&one_text(&visit.sale))
        .description(&one_text(&visit.about))
        .starts(local(visit.starts_at, zone.as_ref(), &visit.zone))
        .status(match visit.standing {
            Standing::Confirmed => EventStatus::Confirmed,
            Standing::Cancelled => EventStatus::Cancelled,
        });
    if let Some(ends_at) = visit.ends_at {
        event.ends(local(ends_at, zone.as_ref(), &visit.zone));
    }
    if !visit.venue.trim().is_empty() {
        event.location(&one_text(&visit.venue));
    }
    let mut calendar = Calendar::empty();
    for (name, value) in
        [("VERSION", "2.0"), ("PRODID", "-//Onsale//Tickets//EN"), ("CALSCALE", "GREGORIAN"), ("METHOD", "PUBLISH")]
    {
        calendar.append_property(Property::new(name, value));
    }
    calendar.push(event.done());
    let text = calendar.done().to_string();
    match zone {
        Some(zone) => text.replacen("BEGIN:VEVENT", &format!("{}BEGIN:VEVENT", rules(visit, &zone)), 1),
        None => text,
    }
}

fn utc(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(at.as_second(), 0).expect("our times are of our era")
}

fn local(at: Timestamp, zone: Option<&TimeZone>, name: &str) -> CalendarDateTime {
    let Some(zone) = zone else {
        return CalendarDateTime::Utc(utc(at));
    };
    let there = at.as_second() + i64::from(zone.to_offset(at).seconds());
    let date_time: NaiveDateTime = DateTime::from_timestamp(there, 0).expect("our times are of our era").naive_utc();
    CalendarDateTime::WithTimezone { date_time, tzid: name.to_owned() }
}

/// Text without what a line of the file could be broken with; line ends stay, the library escapes them.
fn one_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// The zone's rules from before the visit to its end, as they are known now: the library has no part for them. Each change of its clock
/// is told by itself; a rule that goes on for ever would say more than anybody knows. Two from before, because some programs read no
/// summer time that has no winter time beside it.
fn rules(visit: &Visit, zone: &TimeZone) -> String {
    let ends_at = visit.ends_at.unwrap_or(visit.starts_at);
    let mut before: Vec<_> = zone.preceding(visit.starts_at).take(2).collect();
    before.reverse();
    let within = zone.following(visit.starts_at).take_while(|change| change.timestamp() <= ends_at);
    let changes: Vec<_> = before.into_iter().chain(within).collect();
    let mut text = format!("BEGIN:VTIMEZONE\r\nTZID:{}\r\n", visit.zone);
    if changes.is_empty() {
        let fixed = zone.to_offset_info(visit.starts_at);
        observance(&mut text, "STANDARD", "19700101T000000", [fixed.offset(); 2], fixed.abbreviation());
    }
    for change in changes {
        let from = zone.to_offset(change.timestamp() - jiff::SignedDuration::from_secs(1));
        let kind = if change.dst().is_dst() { "DAYLIGHT" } else { "STANDARD" };
        // A change happens at a time of the clock before it.
        let at = from.to_datetime(change.timestamp()).strftime("%Y%m%dT%H%M%S").to_string();
        observance(&mut text, kind, &at, [from, change.offset()], change.abbreviation());
    }
    text.push_str("END:VTIMEZONE\r\n");
    text
}

fn observance(text: &mut String, kind: &str, at: &str, [from, to]: [Offset; 2], name: &str) {
    let (from, to) = (hours(from), hours(to));
    write!(
        text,
        "BEGIN:{kind}\r\nDTSTART:{at}\r\nTZOFFSETFROM:{from}\r\nTZOFFSETTO:{to}\r\nTZNAME:{name}\r\nEND:{kind}\r\n"
    )
    .expect("writing to a String cannot fail");
}

/// `+0100`.
fn hours(offset: Offset) -> String {
    let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().abs());
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let odd = if seconds == 0 { String::new() } else { format!("{seconds:02}") };
    format!("{sign}{hours:02}{minutes:02}{odd}")
}

#[cfg(test)]
mod tests;
