//! Keeps the list of sales that may have visitors, holds or open orders.

use std::sync::Arc;
use std::time::Duration;

use ledger::sales::{SaleRow, sales_live};
use tokio::sync::watch;

use super::{Sweep, SweepError};
use crate::context::Context;

/// The list, as it was at most half a second ago.
pub(crate) type LiveSales = watch::Receiver<Arc<[SaleRow]>>;

/// Reads the list.
pub(crate) struct ReadLiveSales {
    context: Arc<Context>,
    list: watch::Sender<Arc<[SaleRow]>>,
}

impl ReadLiveSales {
    /// The reader and the list it keeps, empty at first.
    pub(crate) fn new(context: Arc<Context>) -> (Self, LiveSales) {
        let (list, readers) = watch::channel(Arc::default());
        (Self { context, list }, readers)
    }
}

impl Sweep for ReadLiveSales {
    const NAME: &'static str = "live_sales";
    const EVERY: Duration = Duration::from_millis(500);

    async fn round(&mut self) -> Result<(), SweepError> {
        let sales = sales_live(&self.context.ledger).await?;
        self.list.send_replace(sales.into());
        Ok(())
    }
}
