//! Visitors come, are heard, and leave.

use super::*;

impl Run {
    pub(super) async fn join(&mut self, at: &str) {
        let draws = self.oracle.opened + u32::from(self.random.below(12) == 0);
        let asks: Vec<_> = (0..=self.random.below(4)).filter_map(|_| self.ask()).collect();
        let batch: Vec<_> = asks.iter().map(|(_, ask)| *ask).collect();
        let joins = self.sale.queue.join_many(self.sale.id, &batch, draws).await.unwrap();
        self.oracle.begin_joins(draws);
        let before = self.oracle.next;
        let mut used_up = false;
        for ((visitor, ask), join) in asks.into_iter().zip(joins) {
            let expected = self.joined(visitor, &ask, before);
            assert_eq!(join, expected, "{at}: {ask:?}");
            used_up |= join == Join::ReserveNumbers;
        }
        if used_up {
            self.oracle.reserved += 8;
            self.sale.queue.raise_reserved(self.sale.id, self.oracle.reserved).await.unwrap();
        }
    }

    fn ask(&mut self) -> Option<(usize, JoinAsk)> {
        let visitor = self.random.below(VISITORS_MAX);
        if visitor >= self.visitors.len() {
            self.visitors.push(Visitor { holder: self.sale.somebody(), token: None });
        }
        let visitor = visitor.min(self.visitors.len() - 1);
        let Visitor { holder, token } = self.visitors[visitor];
        let proven = token.filter(|_| self.random.below(2) == 0).map(PlaceNumber);
        let allowance = if self.random.below(5) == 0 { Allowance::MoreTime } else { Allowance::Usual };
        Some((visitor, JoinAsk { holder, proven, allowance }))
    }

    fn joined(&mut self, visitor: usize, ask: &JoinAsk, before: u64) -> Join {
        let epoch = self.oracle.epoch;
        let known = self.known.get(&ask.holder).copied().filter(|number| self.oracle.has_place(*number));
        let proven = ask.proven.map(|number| number.0);
        let proven = proven.filter(|number| *number <= before && self.oracle.has_place(*number));
        let (number, join) = match known.or(proven) {
            Some(number) => {
                if number <= before {
                    self.oracle.join_known(number);
                }
                (number, Join::Existing { number: PlaceNumber(number), epoch })
            }
            None if self.oracle.cohorts < self.oracle.opened => return Join::Drawing,
            None if self.oracle.next >= self.oracle.reserved => return Join::ReserveNumbers,
            None => {
                let number = self.oracle.join_new();
                self.seen.saw(Sight::Joined, 1);
                (number, Join::New { number: PlaceNumber(number), epoch })
            }
        };
        self.known.insert(ask.holder, number);
        self.visitors[visitor].token = Some(number);
        if ask.allowance == Allowance::MoreTime {
            self.oracle.patient.insert(number);
        }
        join
    }

    pub(super) async fn hear(&mut self) {
        let numbers: Vec<_> = self.oracle.spots.keys().copied().filter(|_| self.random.below(3) > 0).collect();
        self.hears(numbers).await;
    }

    pub(super) async fn hears(&mut self, numbers: Vec<u64>) {
        if numbers.is_empty() {
            return;
        }
        self.sale.hears(&numbers.iter().copied().map(PlaceNumber).collect::<Vec<_>>()).await;
        self.oracle.hear_all(&numbers);
    }

    pub(super) async fn allow_more_time(&mut self) {
        let numbers: Vec<_> = self.oracle.spots.keys().copied().filter(|_| self.random.below(9) == 0).collect();
        let named = numbers.iter().copied().chain([self.oracle.next + 1]).map(PlaceNumber).collect::<Vec<_>>();
        self.sale.queue.allow_more_time(self.sale.id, &named).await.unwrap();
        self.oracle.patient.extend(numbers);
    }

    pub(super) async fn leave(&mut self, at: &str) {
        let with_place: Vec<_> = self.visitors.iter().filter_map(|v| Some((v.holder, v.token?))).collect();
        let Some((holder, number)) = self.random.of(&with_place).copied() else { return };
        let left = self.sale.queue.leave(self.sale.id, PlaceNumber(number), holder).await.unwrap();
        let (was, leaves) = (self.oracle.spots[&number], self.oracle.leave(number));
        self.seen.saw(Sight::Left, u64::from(leaves && was != Spot::Left));
        assert_eq!(left, if leaves { Leave::Left } else { Leave::NotHere }, "{at}");
        if leaves && was != Spot::Left && self.known.get(&holder) == Some(&number) {
            self.known.remove(&holder);
        }
    }
}
