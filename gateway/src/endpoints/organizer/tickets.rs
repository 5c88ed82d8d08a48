//! `…/orders/{order}/tickets/send` and `…/tickets/{ticket}/rotate` for who sells: as often as needed, and in the audit log.

use std::sync::Arc;

use ledger::tickets::Asker;

use super::decidable;
use crate::answer::Answer;
use crate::app::App;
use crate::endpoints::tickets::acts;
use crate::problem::Problem;
use crate::request::Request;

/// `POST /v1/organizer/sales/{sale}/orders/{order}/tickets/send`
pub(crate) async fn send(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, _) = decidable(app, request).await?;
    acts::sent(app, request, sale.id, request.params.id("order")?, Asker::Organizer).await
}

/// `POST /v1/organizer/sales/{sale}/orders/{order}/tickets/{ticket}/rotate`
pub(crate) async fn rotate(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    acts::rotated(app, request, sale.id, request.params.id("order")?, Asker::Organizer, &by).await
}
