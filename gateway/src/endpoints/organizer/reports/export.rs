//! `GET …/export.csv`: orders, lines, payments, refunds and disputes, one record each.
//!
//! Written while it is read, a page of orders at a time, so it may be as long as the sale was large and a gateway holds two
//! pages of it at most. Bounds: [`ExportRoom`] for how many at once, [`ExportPatience`](crate::ExportPatience) for how long a
//! client may take. A stream cannot say that it broke off; so the last record is `end`, and an export without it is not whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{OrderId, SaleId};
use http::{StatusCode, header};
use jiff::Timestamp;
use ledger::orders::export::{OrderRecord, export_begin, export_page};
use ledger::sales::SaleRow;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::answer::{Answer, Body, With as _, empty};
use crate::app::App;
use crate::endpoints::organizer::readable;
use crate::problem::{Code, Problem};
use crate::request::Request;

mod records;
mod room;

pub(crate) use self::room::ExportRoom;

/// When to come back for whom there is no room: most exports take seconds.
const EXPORT_RETRY_S: u32 = 10;

/// Pages that wait to be taken.
const PAGES_MAX: usize = 1;

/// `GET /v1/organizer/sales/{sale}/export.csv`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let place = app.exports.enter(sale.organizer);
    let place = place.ok_or_else(|| Problem::new(Code::Overloaded).retry_after_s(EXPORT_RETRY_S))?;
    // Before the answer begins, so that a database that is away is told as a problem.
    let as_of = export_begin(&app.ledger).await?;
    let first = export_page(&app.ledger, sale.id, as_of, None).await?;

    let (pages, body) = mpsc::channel(PAGES_MAX);
    let patience = app.config.export_patience.whole;
    let export = Export { app: Arc::clone(app), sale: sale.id, as_of, orders: 0, patience, pages };
    let parting = app.parting.clone();
    app.visits.spawn(async move {
        parting.run_until_cancelled_owned(export.write(first)).await;
        drop(place);
    });
    Ok(head(&sale, body))
}

fn head(sale: &SaleRow, body: mpsc::Receiver<Bytes>) -> Answer {
    let mut answer = empty(StatusCode::OK)
        .with_text(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")
        .with_text(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{}-orders.csv\"", sale.slug))
        .with_text(header::CACHE_CONTROL, "no-store");
    *answer.body_mut() = Body::Stream(body);
    answer
}

/// An export under way.
struct Export {
    app: Arc<App>,
    sale: SaleId,
    as_of: Timestamp,
    orders: usize,
    /// How much longer it may wait for its client.
    patience: Duration,
    pages: mpsc::Sender<Bytes>,
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the client went away or took too long")]
    Client,
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
}

impl Export {
    async fn write(mut self, first: Vec<OrderRecord>) {
        if let Err(error) = self.pages(first).await {
            tracing::warn!(sale = %self.sale, orders = self.orders, %error, "an export broke off");
        }
    }

    async fn pages(&mut self, first: Vec<OrderRecord>) -> Result<(), Broken> {
        let (mut text, mut page) = (records::header(), first);
        while let Some(last) = page.last().map(|order| order.id) {
            page.iter().for_each(|order| records::of_order(&mut text, order));
            self.orders += page.len();
            self.give(std::mem::take(&mut text)).await?;
            page = self.next(last).await?;
        }
        records::end(&mut text, self.as_of, self.orders);
        self.give(text).await
    }

    async fn next(&self, last: OrderId) -> Result<Vec<OrderRecord>, Broken> {
        Ok(export_page(&self.app.ledger, self.sale, self.as_of, Some(last)).await?)
    }

    async fn give(&mut self, text: String) -> Result<(), Broken> {
        let (begun, within) = (Instant::now(), self.patience.min(self.app.config.export_patience.page));
        let taken = timeout(within, self.pages.send(text.into())).await;
        self.patience = self.patience.saturating_sub(begun.elapsed());
        taken.map_err(|_| Broken::Client)?.map_err(|_| Broken::Client)
    }
}
