//! What Postgres knows: grants and events that somebody recorded, and what of them counts when an epoch begins.

use std::collections::{BTreeMap, BTreeSet};

use admission::{Admission, EventKind};

use super::oracle::Spot;

/// The latest that is known of a number decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Granted,
    Lapsed,
    Ended,
    Left,
}

#[derive(Debug, Default)]
pub(super) struct Books(BTreeMap<u64, BTreeSet<(i64, Line)>>);

impl Books {
    /// The same tick again changes nothing.
    pub(super) fn record(&mut self, tick: &Admission) {
        for grant in &tick.unconfirmed {
            self.line(grant.number.0, grant.granted_at.as_millisecond(), Line::Granted);
        }
        for event in &tick.events {
            let line = match event.kind {
                EventKind::Lapsed => Line::Lapsed,
                EventKind::Left => Line::Left,
                EventKind::Ended => Line::Ended,
                EventKind::Bypassed => continue,
            };
            self.line(event.number.0, event.at.as_millisecond(), line);
        }
    }

    fn line(&mut self, number: u64, at: i64, line: Line) {
        self.0.entry(number).or_default().insert((at, line));
    }

    /// Where the numbers are that do not wait, and until when grants may count as inside.
    pub(super) fn spots(&self, now: i64, bound: i64) -> BTreeMap<u64, Spot> {
        let latest = self.0.iter().filter_map(|(number, lines)| Some((*number, *lines.last()?)));
        let spot = |(at, line)| match line {
            Line::Granted if at + bound > now => Some(Spot::Shopping { due: at + bound }),
            Line::Granted | Line::Ended => Some(Spot::Gone),
            Line::Left => Some(Spot::Left),
            Line::Lapsed => None,
        };
        latest.filter_map(|(number, last)| Some((number, spot(last)?))).collect()
    }
}
