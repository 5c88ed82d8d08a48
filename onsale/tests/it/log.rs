//! What the admission log says of a sale: the record of every turn, whichever Redis gave it.

use std::collections::BTreeSet;
use std::fmt;

use ledger::queue::{LogKind, LogRow, admission_log};
use ledger::{Ledger, PoolConfig, Role};

use crate::world::World;

/// Turns given, in the log of the only sale of a world.
pub(crate) const GRANTED: &str = "SELECT count(*) FROM admission_log WHERE kind = 'granted'";
/// Longer than any log of a test.
const LINES_MAX: u32 = 1_000_000;

/// The admission log of a sale.
pub(crate) struct AdmissionLog(Vec<LogRow>);

impl AdmissionLog {
    /// The log so far; its lines are numbered without holes.
    pub(crate) async fn of(world: &World, sale: &str) -> Self {
        let ledger = Ledger::connect(&world.database.url, Role::ReadOnly, PoolConfig::default()).unwrap();
        let log = Self(admission_log(&ledger, sale.parse().unwrap(), 0, LINES_MAX).await.unwrap());
        assert!(log.0.iter().map(|line| line.seq).eq(1..=log.0.len() as u64), "{log:?}");
        log
    }

    /// The numbers that turns were given to, one after the other.
    pub(crate) fn granted(&self) -> Vec<u64> {
        let granted = self.0.iter().filter(|line| line.kind == LogKind::Granted);
        granted.map(|line| line.number.unwrap().0).collect()
    }

    /// Why the sale stopped, each time; none where it went on.
    pub(crate) fn stops(&self) -> Vec<Option<&str>> {
        let stops = self.0.iter().filter(|line| matches!(line.kind, LogKind::Stopped | LogKind::Resumed));
        stops.map(|line| line.note.as_deref()).collect()
    }

    /// So many people had one turn each, a smaller number never after a larger one.
    pub(crate) fn everyone_had_one_turn_in_order(&self, people: usize) {
        let granted = self.granted();
        let distinct: BTreeSet<_> = granted.iter().collect();
        assert_eq!((distinct.len(), granted.len()), (people, people), "people with turns, and turns: {self:?}");
        assert!(granted.is_sorted(), "out of order: {self:?}");
    }

    /// Never were more inside than that. Only where nobody leaves who waits: the log does not say from where. Nor does it say
    /// who was first within a millisecond: only who goes makes room for who comes.
    pub(crate) fn nobody_was_above_cap(&self, cap: u32) {
        let mut changes: Vec<_> = self.0.iter().map(|line| (line.at, change(line.kind), line.seq)).collect();
        changes.sort_unstable();
        let mut inside = 0;
        for (_, change, seq) in changes {
            inside += change;
            assert!(inside <= i64::from(cap), "{inside} inside at line {seq}: {self:?}");
        }
    }
}

/// How many more are inside after such a line.
fn change(kind: LogKind) -> i64 {
    match kind {
        LogKind::Granted | LogKind::Bypassed => 1,
        LogKind::Lapsed | LogKind::Left | LogKind::Ended => -1,
        LogKind::BypassAsked | LogKind::Returned | LogKind::Epoch | LogKind::Stopped | LogKind::Resumed => 0,
    }
}

impl fmt::Debug for AdmissionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LogRow { seq, epoch, kind, number, at, .. } in &self.0 {
            let number = number.map(|number| number.0).unwrap_or_default();
            writeln!(f, "{seq} epoch {epoch} {} {number} {at}", kind.word())?;
        }
        Ok(())
    }
}
