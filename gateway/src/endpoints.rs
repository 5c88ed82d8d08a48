//! What the routes do, a file for each part of the URL tree.

use std::sync::Arc;

use futures_util::future::BoxFuture;

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
mod seats;
mod stripe_webhook;
pub(crate) mod tickets;
pub(crate) mod waitlist;

/// Answers a request. Each route has a future of its own size: in one for all of them, a join would be moved about with the
/// room that paying needs. The request stays where it is for the same reason.
///
/// # Errors
/// Whatever is not what was asked for.
#[expect(clippy::too_many_lines, reason = "a table: one line for each route")]
pub(crate) async fn answer(route: Route, app: &Arc<App>, request: &mut Request) -> Result<Answer, Problem> {
    let answering: BoxFuture<'_, Result<Answer, Problem>> = match route {
        Route::ListSales => Box::pin(sales::list(app, request)),
        Route::ShowSale => Box::pin(sales::show(app, request)),
        Route::ShowSeats => Box::pin(seats::show(app, request)),
        Route::JoinQueue => Box::pin(queue::join(app, request)),
        Route::ShowPlace => Box::pin(queue::show(app, request)),
        Route::ProvePlace => Box::pin(fairness::proof(app, request)),
        Route::LeaveQueue => Box::pin(queue::leave(app, request)),
        Route::ShowChallenge => Box::pin(challenge::show(app, request)),
        Route::ShowFairness => Box::pin(fairness::show(app, request)),
        Route::WatchPlace => Box::pin(socket::open(app, request)),
        Route::TakeHold => Box::pin(holds::take(app, request)),
        Route::JoinWaitlist => Box::pin(waitlist::join(app, request)),
        Route::ShowEntry => Box::pin(waitlist::show(app, request)),
        Route::LeaveWaitlist => Box::pin(waitlist::leave(app, request)),
        Route::ConfirmEntry => Box::pin(waitlist::confirm(app, request)),
        Route::ClaimOffer => Box::pin(waitlist::claim::claim(app, request)),
        Route::ShowHold => Box::pin(holds::show(app, request)),
        Route::ReleaseHold => Box::pin(holds::release(app, request)),
        Route::ExtendHold => Box::pin(holds::extension::extend(app, request)),
        Route::ReclaimHold => Box::pin(holds::reclaim::reclaim(app, request)),
        Route::CreateOrder => Box::pin(orders::create(app, request)),
        Route::ShowOrder => Box::pin(orders::show(app, request)),
        Route::PayOrder => Box::pin(pay::pay(app, request)),
        Route::ShowTicketSvg => Box::pin(tickets::svg(app, request)),
        Route::ShowTicketPng => Box::pin(tickets::png(app, request)),
        Route::ShowTicketPdf => Box::pin(tickets::pdf(app, request)),
        Route::ShowCalendar => Box::pin(tickets::calendar(app, request)),
        Route::SendTickets => Box::pin(tickets::acts::send(app, request)),
        Route::RotateTicket => Box::pin(tickets::acts::rotate(app, request)),
        Route::ReceiveStripeEvent => Box::pin(stripe_webhook::receive(app, request)),
        Route::CreateSale => Box::pin(organizer::create(app, request)),
        Route::ShowOwnSale => Box::pin(organizer::show(app, request)),
        Route::ChangeSale => Box::pin(organizer::change::change(app, request)),
        Route::PublishSale => Box::pin(organizer::publish(app, request)),
        Route::PauseSale => Box::pin(organizer::pause(app, request)),
        Route::ResumeSale => Box::pin(organizer::resume(app, request)),
        Route::CloseSale | Route::CancelSale => Box::pin(organizer::end(route, app, request)),
        Route::AddNotice => Box::pin(organizer::notices::add(app, request)),
        Route::SetAdmission => Box::pin(organizer::line::set_admission(app, request)),
        Route::CreateAccessCodes => Box::pin(organizer::access_codes::create(app, request)),
        Route::BypassQueue => Box::pin(organizer::line::bypass(app, request)),
        Route::WithholdUnits => Box::pin(organizer::withholding::withhold(app, request)),
        Route::ReleaseUnits => Box::pin(organizer::withholding::release(app, request)),
        Route::RefundOrder => Box::pin(organizer::refunds::ask(app, request)),
        Route::ListRefunds => Box::pin(organizer::refunds::list(app, request)),
        Route::SendOwnTickets => Box::pin(organizer::tickets::send(app, request)),
        Route::RotateOwnTicket => Box::pin(organizer::tickets::rotate(app, request)),
        Route::ShowManifest => Box::pin(organizer::door::manifest::show(app, request)),
        Route::CheckIn => Box::pin(organizer::door::check_in(app, request)),
        Route::ListConflicts => Box::pin(organizer::door::conflicts::list(app, request)),
        Route::ShowOwnQueue => Box::pin(organizer::line::show(app, request)),
        Route::ShowOwnWaitlist => Box::pin(organizer::waitlist::show(app, request)),
        Route::ShowLedger => Box::pin(organizer::reports::ledger::show(app, request)),
        Route::AuditSale => Box::pin(organizer::reports::audit::show(app, request)),
        Route::ListOrders => Box::pin(organizer::reports::orders::list(app, request)),
        Route::ShowStatement => Box::pin(organizer::reports::statement::show(app, request)),
        Route::ExportOrders => Box::pin(organizer::reports::export::show(app, request)),
        Route::HomePage => return pages::home(request),
        Route::SalePage => return pages::sale(request),
        Route::PlainPage => Box::pin(plain::show(app, request)),
        Route::ActPlainly => Box::pin(plain::act(app, request)),
        Route::CheckoutPage => return pages::checkout(app, request),
        Route::OrderPage => return pages::order(request),
        Route::WaitlistPage | Route::EntryPage => return pages::waitlist(request),
        Route::ShowAsset => return pages::asset(request),
        Route::ShowOpenApi => return pages::openapi(request),
        Route::ShowProblem => return pages::problem(request),
    };
    answering.await
}
