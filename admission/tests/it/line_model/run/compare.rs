//! The whole view against the oracle.

use super::*;

/// Of so many steps one has no view that follows.
const SELDOM: u64 = 3;

impl Run {
    /// Most views follow another, as a gateway's do; now and then several steps later.
    pub(super) async fn compare(&mut self, at: &str) {
        let whole = self.sale.view().await;
        self.compare_view(&whole, at);
        if !self.seen.steps().is_multiple_of(SELDOM) {
            let followed = self.sale.queue.view_after(self.sale.id, self.followed.as_ref()).await.unwrap();
            self.compare_view(&followed, at);
            self.followed = Some(followed);
        }
    }

    fn compare_view(&self, view: &View, at: &str) {
        let oracle = &self.oracle;
        assert_eq!(view.now.as_millisecond(), oracle.now, "{at}");
        assert_eq!((view.epoch, view.next_number), (oracle.epoch, oracle.next + 1), "{at}");
        let expected_line = oracle.expected_line();
        assert_eq!(view.waiting(), expected_line.len() as u64, "{at}");
        assert_eq!(view.in_line(), oracle.numbers(|spot| *spot == Spot::Waiting).len() as u64, "{at}");
        assert_eq!(view.shoppers() as usize, oracle.inside(), "{at}");
        let totals = (view.admitted_total, view.left_total, view.expired_total);
        assert_eq!(totals, (oracle.admitted, oracle.left, oracle.expired), "{at}");
        reconciles(view, at);
        assert_eq!(view.standstill, oracle.standstill(), "{at}");
        let paused = if oracle.paused_since.is_some() { Pause::Paused } else { Pause::Running };
        assert_eq!(view.paused, paused, "{at}");
        let held = oracle.holds.values().map(|hold| hold.units).sum();
        let stock = view.stock[&tier("ga")];
        assert_eq!((stock.free, stock.held), (oracle.free, held), "{at}");
        for (number, spot) in &oracle.spots {
            let ahead = expected_line.partition_point(|other| other < number) as u64;
            let expected = match *spot {
                Spot::Waiting => PlaceView::Waiting { ahead, live: oracle.live(*number) },
                Spot::Granted { .. } => PlaceView::Waiting { ahead, live: true },
                Spot::Turn { due } => PlaceView::Turn { claim_by: moment(due) },
                Spot::Shopping { due } => PlaceView::Shopping { until: moment(due) },
                Spot::Left => PlaceView::Left,
                Spot::Gone => PlaceView::Expired,
            };
            if *number < view.next_number {
                assert_eq!(view.place(PlaceNumber(*number)), expected, "{at}: {number}");
            }
        }
    }
}

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn reconciles(view: &View, at: &str) {
    let accounted = view.in_line() + u64::from(view.shoppers()) + view.left_total + view.expired_total;
    assert_eq!(view.joined_total, accounted, "{at}: {view:?}");
}
