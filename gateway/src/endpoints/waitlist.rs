//! `/v1/sales/{sale}/waitlist`: where those ask whom a sold-out sale could give nothing.
//!
//! What it does not do yet: keep a list. The address is there so that `sold_out` has one to name; it answers
//! `waitlist_not_open`, and units that come back are for who asks for a hold first.

use std::sync::Arc;

use crate::answer::Answer;
use crate::app::App;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

/// `POST /v1/sales/{sale}/waitlist`
pub(crate) async fn join(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    app.sale(request.params.text("sale")).await?;
    Err(Code::WaitlistNotOpen.into())
}

/// The address of a sale's waitlist.
pub(crate) fn address(sale: &Sale) -> String {
    format!("/v1/sales/{}/waitlist", sale.id())
}
