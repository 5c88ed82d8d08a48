use std::io::Write as _;
use std::process::Stdio;

use sandbox::strangers;
use serde_json::{Value, json};

use super::*;

fn visit() -> Visit {
    Visit {
        uid: "ord_1@tickets.example".to_owned(),
        sequence: 3,
        written_at: "2026-11-01T10:00:00.5Z".parse().unwrap(),
        sale: "Night; <Live>, \\ \"Ü\"\nEND:VEVENT".to_owned(),
        starts_at: "2026-12-05T19:00:00Z".parse().unwrap(),
        ends_at: Some("2026-12-05T22:00:00Z".parse().unwrap()),
        zone: "Europe/Berlin".to_owned(),
        venue: "Große Halle, Straße 1; Köln".to_owned(),
        about: "2 tickets\nord_1".to_owned(),
        standing: Standing::Confirmed,
    }
}

/// What Python's `icalendar` makes of a file: its one event, times both local and in UTC by the rules in the file alone.
fn read(text: &str) -> Value {
    const SCRIPT: &str = "
import json, sys, icalendar
calendar = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
event, = calendar.walk('VEVENT')
zones = {str(zone['TZID']): zone.to_tz() for zone in calendar.walk('VTIMEZONE')}
def at(name):
    value = event[name]
    local = value.dt.replace(tzinfo=None)
    offset = zones[value.params['TZID']].utcoffset(local)
    return [local.isoformat(), (local - offset).isoformat() + 'Z', value.params['TZID']]
said = {name: str(event[name]) for name in ('UID', 'SUMMARY', 'DESCRIPTION', 'LOCATION', 'STATUS') if name in event}
said.update({name: at(name) for name in ('DTSTART', 'DTEND') if name in event})
said.update(sequence=int(event['SEQUENCE']), stamp=event['DTSTAMP'].dt.isoformat(), method=str(calendar['METHOD']),
            version=str(calendar['VERSION']), errors=[str(error) for error in event.errors])
print(json.dumps(said))
";
    let mut python = strangers::python(&["icalendar"]);
    let mut child = python.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_stranger_reads_every_field_as_it_was_written() {
    let visit = visit();
    let said = read(&calendar(&visit));
    assert_eq!((&said["SUMMARY"], &said["DESCRIPTION"]), (&json!(visit.sale), &json!(visit.about)));
    assert_eq!((&said["LOCATION"], &said["UID"]), (&json!(visit.venue), &json!(visit.uid)));
    assert_eq!(said["DTSTART"], json!(["2026-12-05T20:00:00", "2026-12-05T19:00:00Z", "Europe/Berlin"]));
    assert_eq!(said["DTEND"], json!(["2026-12-05T23:00:00", "2026-12-05T22:00:00Z", "Europe/Berlin"]));
    assert_eq!((&said["STATUS"], &said["sequence"]), (&json!("CONFIRMED"), &json!(3)));
    assert_eq!((&said["method"], &said["version"], &said["errors"]), (&json!("PUBLISH"), &json!("2.0"), &json!([])));
    assert_eq!(said["stamp"], "2026-11-01T10:00:00+00:00");
}

#[test]
fn a_night_in_which_the_clock_changes_has_both_its_rules() {
    let night = Visit {
        starts_at: "2026-10-24T22:00:00Z".parse().unwrap(),
        ends_at: Some("2026-10-25T03:00:00Z".parse().unwrap()),
        ..visit()
    };
    let said = read(&calendar(&night));
    assert_eq!(said["DTSTART"], json!(["2026-10-25T00:00:00", "2026-10-24T22:00:00Z", "Europe/Berlin"]));
    assert_eq!(said["DTEND"], json!(["2026-10-25T04:00:00", "2026-10-25T03:00:00Z", "Europe/Berlin"]));
}

#[test]
fn zones_without_changes_east_and_west_and_off_the_hour_are_right() {
    for (zone, local) in [
        ("UTC", "2026-12-05T19:00:00"),
        ("Asia/Kathmandu", "2026-12-06T00:45:00"),
        ("America/St_Johns", "2026-12-05T15:30:00"),
        ("Pacific/Kiritimati", "2026-12-06T09:00:00"),
        ("Australia/Lord_Howe", "2026-12-06T06:00:00"),
    ] {
        let said = read(&calendar(&Visit { zone: zone.to_owned(), ends_at: None, ..visit() }));
        assert_eq!(said["DTSTART"], json!([local, "2026-12-05T19:00:00Z", zone]));
        assert_eq!(said.get("DTEND"), None);
    }
}

#[test]
fn a_visit_that_is_off_says_so_under_its_old_name() {
    let said = read(&calendar(&Visit { standing: Standing::Cancelled, sequence: 4, ..visit() }));
    assert_eq!((&said["STATUS"], &said["sequence"]), (&json!("CANCELLED"), &json!(4)));
    assert_eq!(said["UID"], json!(visit().uid));
}

#[test]
fn the_same_visit_is_the_same_file_and_its_lines_are_short() {
    let long = Visit { sale: "عرض ".repeat(50), about: "x".repeat(2_000), ..visit() };
    let text = calendar(&long);
    assert_eq!(calendar(&long), text);
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')));
    assert_eq!(read(&text)["SUMMARY"], json!(long.sale));
}
