//! Bells: one for each queue, rung when work was written into it.
//!
//! Postgres notifies the channel of a queue when a transaction that wrote into it commits; of those that write at once, one. A
//! bell is a hint: pools look again soon after one, and by themselves.

use std::sync::Arc;

use ledger::outbox::Queue;

use ledger::{Ledger, Wakeup, inbox};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The bells of all pools. A bell rung while nobody waits is heard by the next who does.
#[derive(Default)]
pub(crate) struct Bells {
    inbox: Arc<Notify>,
    stripe: Arc<Notify>,
    stock: Arc<Notify>,
    mail: Arc<Notify>,
}

impl Bells {
    /// Rings for Stripe events.
    pub(crate) fn inbox(&self) -> Arc<Notify> {
        Arc::clone(&self.inbox)
    }

    /// Rings for the jobs of a queue.
    pub(crate) fn outbox(&self, queue: Queue) -> Arc<Notify> {
        Arc::clone(match queue {
            Queue::Stripe => &self.stripe,
            Queue::Stock => &self.stock,
            Queue::Mail => &self.mail,
        })
    }

    /// Rings until `stop`, on a connection of its own.
    pub(crate) async fn listen(self, ledger: Ledger, stop: CancellationToken) {
        let queues = [Queue::Stripe, Queue::Stock, Queue::Mail];
        let [stripe, stock, mail] = queues.map(Queue::channel);
        let mut wakeups = ledger.wakeups(&[inbox::CHANNEL, stripe, stock, mail]);
        while let Some(wakeup) = stop.run_until_cancelled(wakeups.next()).await {
            match wakeup {
                Wakeup::Notified(channel) => self.ring(&channel),
                // Whatever was written while nobody listened rang no bell.
                Wakeup::Connected => [inbox::CHANNEL, stripe, stock, mail].into_iter().for_each(|bell| self.ring(bell)),
            }
        }
    }

    fn ring(&self, channel: &str) {
        if channel == inbox::CHANNEL {
            self.inbox.notify_one();
        }
        for queue in [Queue::Stripe, Queue::Stock, Queue::Mail] {
            if channel == queue.channel() {
                self.outbox(queue).notify_one();
            }
        }
    }
}
