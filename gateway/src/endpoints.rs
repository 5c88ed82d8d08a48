//! What the routes do, a file for each part of the URL tree.

use std::sync::Arc;

use crate::answer::Answer;
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;
use crate::route::Route;
use crate::socket;

pub(crate) mod challenge;
pub(crate) mod fairness;
pub(crate) mod holds;
pub(crate) mod orders;
pub(crate) mod organizer;
mod pages;
pub(crate) mod pay;
mod plain;
pub(crate) mod queue;
pub(crate) mod sales;
mod stripe_webhook;
mod tickets;

/// Answers a request.
///
/// # Errors
/// Whatever is not what was asked for.
pub(crate) async fn answer(route: Route, app: &Arc<App>, request: Request) -> Result<Answer, Problem> {
    match route {
        Route::ListSales => sales::list(app, &request).await,
        Route::ShowSale => sales::show(app, &request).await,
        Route::JoinQueue => queue::join(app, &request).await,
        Route::ShowPlace => queue::show(app, &request).await,
        Route::ProvePlace => fairness::proof(app, &request).await,
        Route::LeaveQueue => queue::leave(app, &request).await,
        Route::ShowChallenge => challenge::show(app, &request).await,
        Route::ShowFairness => fairness::show(app, &request).await,
        Route::WatchPlace => socket::open(app, request).await,
        Route::TakeHold => holds::take(app, &request).await,
        Route::ShowHold => holds::show(app, &request).await,
        Route::ReleaseHold => holds::release(app, &request).await,
        Route::CreateOrder => orders::create(app, &request).await,
        Route::ShowOrder => orders::show(app, &request).await,
        Route::PayOrder => pay::pay(app, &request).await,
        Route::ShowTicketSvg => tickets::svg(app, &request).await,
        Route::ShowTicketPng => tickets::png(app, &request).await,
        Route::ReceiveStripeEvent => stripe_webhook::receive(app, &request).await,
        Route::CreateSale => organizer::create(app, &request).await,
        Route::ShowOwnSale => organizer::show(app, &request).await,
        Route::PublishSale => organizer::publish(app, &request).await,
        Route::PauseSale => organizer::pause(app, &request).await,
        Route::ResumeSale => organizer::resume(app, &request).await,
        Route::CloseSale => organizer::close(app, &request).await,
        Route::AddNotice => organizer::notices::add(app, &request).await,
        Route::SetAdmission => organizer::line::set_admission(app, &request).await,
        Route::CreateAccessCodes => organizer::access_codes::create(app, &request).await,
        Route::BypassQueue => organizer::line::bypass(app, &request).await,
        Route::ShowOwnQueue => organizer::line::show(app, &request).await,
        Route::HomePage => pages::home(&request),
        Route::SalePage => pages::sale(&request),
        Route::PlainPage => plain::show(app, &request).await,
        Route::ActPlainly => plain::act(app, &request).await,
        Route::CheckoutPage => pages::checkout(app, &request),
        Route::OrderPage => pages::order(&request),
        Route::ShowAsset => pages::asset(&request),
        Route::ShowOpenApi => pages::openapi(&request),
        Route::ShowProblem => pages::problem(&request),
    }
}
