//! `/s/{slug}/plain`: the waiting room without JavaScript, for browsers that have none, or have it switched off.
//!
//! The same place, the same position and the same words as on the usual page, written here and asked for again by the
//! browser ([`refresh_s`]): looking is the sign of life, as a poll is. The refresh is a header rather than a `<meta>`
//! element, so that who is disturbed by it can switch it off without losing the page. Choosing seats and paying needs
//! JavaScript; the page says so at the turn.
//!
//! Looking never gives a place, so reloading cannot either. A place is given by POST, to a browser that sent back the
//! visitor's cookie that an earlier look set: one that keeps no cookies is told what a place needs and uses up no number.
//! After each POST the browser is led back here (303), with the code of what was refused, if anything was.

use std::sync::Arc;

use askama::Template as _;
use domain::price::UnitPrice;
use domain::sale::{PhaseAccess, SaleState, TierConfig};
use domain::token::PlaceToken;
use http::{HeaderName, StatusCode, header};
use jiff::Timestamp;

use self::page::{JoinForm, NoticeText, Page, TierLine, View};
use self::words::Coming;
use crate::answer::{Answer, With as _, bytes_answer, empty};
use crate::app::App;
use crate::endpoints::queue::{self, JoinBody};
use crate::endpoints::sales::{self, Now};
use crate::floor::{Away, NoticeBody, PauseBody};
use crate::identity;
use crate::limits::{Client, Limit};
use crate::position::{PlaceState, Position};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

mod page;
mod words;

/// No script at all, and nobody else's anything.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                   frame-ancestors 'none'";

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Sooner than this again, and nobody can read the page; a screen reader begins anew each time.
const REFRESH_MIN_S: u32 = 3;

/// For who has no place: nothing they see changes soon.
const REFRESH_LOBBY_S: u32 = 20;

/// `GET /s/{slug}/plain`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("slug")).await?;
    let visitor = identity::visitor(request, sale.id(), &app.signer, &app.cookies)?;
    app.count(Limit::Place, Client::Holder(visitor.holder))?;
    let (mut page, status) = match look(app, &sale, visitor.place.as_ref()).await {
        Ok((now, position)) => (page(app, request, &sale, &now, position), StatusCode::OK),
        Err(problem) if problem.code() == Code::StoreUnavailable => {
            (trouble(app, request, &sale), StatusCode::SERVICE_UNAVAILABLE)
        }
        Err(problem) => return Err(problem),
    };
    if visitor.place.is_none() && !page.problems.is_empty() {
        // Nothing is lost by reading on.
        page.refresh_s = None;
    }
    let text = page.render().expect("a String takes every byte of a template");
    let answer =
        bytes_answer(status, "text/html; charset=utf-8", text.into()).with_text(header::CONTENT_SECURITY_POLICY, CSP);
    let cookies = visitor.new_cookie.into_iter();
    let answer = cookies.fold(answer, |answer, cookie| answer.with(header::SET_COOKIE, cookie));
    Ok(match page.refresh_s {
        // Without the query: what was refused once is not told for ever.
        Some(seconds) => answer.with_text(REFRESH, &format!("{seconds}; url=/s/{}/plain", sale.slug())),
        None => answer,
    })
}

/// `POST /s/{slug}/plain`
pub(crate) async fn act(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("slug")).await?;
    let visitor = identity::visitor(request, sale.id(), &app.signer, &app.cookies)?;
    if let Some(cookie) = visitor.new_cookie {
        return Ok(back(&sale, Some(("cookie", "missing"))).with(header::SET_COOKIE, cookie));
    }
    app.count(Limit::Place, Client::Holder(visitor.holder))?;
    let done = match Act::read(request)? {
        Act::Join(body) => queue::join_visitor(app, &sale, visitor, body).await.map(|joined| joined.cookies),
        Act::Leave => match &visitor.place {
            Some(place) => {
                queue::leave_place(app, &sale, place).await.map(|()| vec![app.cookies.clear_place(sale.id())])
            }
            None => Ok(Vec::new()),
        },
    };
    let answer = match &done {
        Ok(_) => back(&sale, None),
        Err(problem) => back(&sale, Some(("refused", problem.code().word()))),
    };
    Ok(done.unwrap_or_default().into_iter().fold(answer, |answer, cookie| answer.with(header::SET_COOKIE, cookie)))
}

/// What the form asks for.
enum Act {
    Join(JoinBody),
    Leave,
}

impl Act {
    /// Reads a form: a field of another name, or one that comes twice, is not ours.
    fn read(request: &Request) -> Result<Self, Problem> {
        let (mut act, mut body, mut seen) = (None, JoinBody::default(), Vec::new());
        for (name, value) in request.form()? {
            match (name.as_str(), value.as_str()) {
                ("act", "join" | "leave") => act = Some(value),
                ("more_time", "on") => body.more_time = true,
                ("access_code", code) => {
                    body.access_code = Some(code.trim().to_owned()).filter(|code| !code.is_empty())
                }
                _ => return Err(Problem::invalid_at(format!("/{name}"), "no field of this form")),
            }
            if seen.contains(&name) {
                return Err(Problem::invalid_at(format!("/{name}"), "said twice"));
            }
            seen.push(name);
        }
        match act.as_deref() {
            Some("join") => Ok(Self::Join(body)),
            Some(_) => Ok(Self::Leave),
            None => Err(Problem::invalid_at("/act", "join or leave")),
        }
    }
}

fn back(sale: &Sale, query: Option<(&str, &str)>) -> Answer {
    let query = query.map(|(name, value)| format!("?{name}={value}")).unwrap_or_default();
    empty(StatusCode::SEE_OTHER).with_text(header::LOCATION, &format!("/s/{}/plain{query}", sale.slug()))
}

async fn look(
    app: &Arc<App>,
    sale: &Arc<Sale>,
    place: Option<&PlaceToken>,
) -> Result<(Now, Option<Position>), Problem> {
    let position = match place {
        Some(place) if sale.is_live() => Some(queue::look(app, sale, place).await?),
        _ => None,
    };
    Ok((sales::now(app, sale).await?, position))
}

fn page(app: &App, request: &Request, sale: &Sale, now: &Now, position: Option<Position>) -> Page {
    let state = app.state_of(sale);
    let view = view(app, sale, state, position.as_ref());
    let tier = |(tier, price): (&TierConfig, &UnitPrice)| TierLine {
        name: tier.name.clone(),
        price: price.total.to_string(),
        level: words::level(now.left(sale, tier).level),
        left: words::left(now.left(sale, tier)),
    };
    Page {
        tiers: sale.tiers().map(tier).collect(),
        pause: now.pause().map(pause),
        refresh_s: refresh_s(request, state, position.as_ref()),
        ..frame(app, request, sale, view)
    }
}

fn trouble(app: &App, request: &Request, sale: &Sale) -> Page {
    Page { refresh_s: refresh_s(request, SaleState::Open, None), ..frame(app, request, sale, View::Trouble) }
}

/// What every page has.
fn frame(app: &App, request: &Request, sale: &Sale, view: View) -> Page {
    let config = sale.config();
    let zone = config.time_zone.as_str();
    let coming = coming(sale, app.time_of(sale));
    let notice = |notice: NoticeBody| NoticeText { text: notice.text, at: words::moment(notice.at, zone) };
    Page {
        title: format!("{} – {}", heading(&view), config.name),
        name: config.name.clone(),
        facts: words::facts(&config.venue, coming.as_ref()),
        slug: sale.slug().to_owned(),
        problems: problems(app, request, sale),
        pause: None,
        notice: NoticeBody::of(sale).map(notice),
        view,
        tiers: Vec::new(),
        refresh_s: None,
    }
}

/// What a screen reader hears first, each time.
fn heading(view: &View) -> String {
    match view {
        View::Lobby { .. } => "Tickets".to_owned(),
        View::Registered { .. } => "You are registered".to_owned(),
        View::Drawing => "The order is being drawn".to_owned(),
        View::Waiting { ahead, .. } => format!("{ahead} ahead of you"),
        View::Turn { .. } => "It is your turn".to_owned(),
        View::Over { .. } => "Your place has ended".to_owned(),
        View::Trouble => "One moment".to_owned(),
    }
}

fn view(app: &App, sale: &Sale, state: SaleState, position: Option<&Position>) -> View {
    let zone = sale.config().time_zone.as_str();
    let now = app.time_of(sale);
    let Some(position) = position else {
        return View::Lobby {
            title: words::lobby_title(state),
            message: words::lobby(state, coming(sale, now).as_ref()),
            form: join_form(app, sale, state, "Join the queue"),
        };
    };
    match position.state {
        PlaceState::Prequeue => match position.opens_at.filter(|opens_at| *opens_at > now) {
            Some(opens_at) => View::Registered { opens: words::moment(opens_at, zone) },
            None => View::Drawing,
        },
        PlaceState::Waiting => View::Waiting {
            ahead: position.ahead.unwrap_or_default(),
            number: position.number.map(|number| number.0).unwrap_or_default(),
            wait: match (position.pause, position.eta_s) {
                (Some(_), _) => "Paused".to_owned(),
                (None, Some(eta)) => words::wait(eta.p10, eta.p90),
                (None, None) => "Not known yet".to_owned(),
            },
            odds: position.odds.filter(|_| state != SaleState::SoldOut).map_or("", words::odds),
        },
        PlaceState::Admitted => View::Turn {
            until: position.pass_expires_at.map(|until| words::time_of_day(until, zone)).unwrap_or_default(),
        },
        PlaceState::Left => over("You left the queue.", join_form(app, sale, state, "Join again, at the end")),
        PlaceState::Expired => over(
            "Your time was over, or nothing was heard of this browser for too long.",
            join_form(app, sale, state, "Join again, at the end"),
        ),
    }
}

fn over(message: &str, form: Option<JoinForm>) -> View {
    View::Over { message: message.to_owned(), form }
}

/// The phase that opens next; none while one is open, or when nothing will open any more.
fn coming(sale: &Sale, now: Timestamp) -> Option<Coming> {
    let phases = sale.config().phases();
    if !sale.is_live() || phases.iter().any(|phase| phase.is_open(now)) {
        return None;
    }
    let next = phases.into_iter().find(|phase| now < phase.opens_at)?;
    let in_words = |time| words::moment(time, &sale.config().time_zone);
    let registers = next.has_prequeue(sale.published_at()).then(|| in_words(next.prequeue_opens_at));
    Some(Coming { opens: in_words(next.opens_at), registers })
}

fn join_form(app: &App, sale: &Sale, state: SaleState, button: &'static str) -> Option<JoinForm> {
    if !matches!(state, SaleState::Prequeue | SaleState::Open | SaleState::SoldOut) {
        return None;
    }
    let doors = sale.doors(app.time_of(sale));
    let coded = |door: &domain::sale::Door<'_>| door.phase.access == PhaseAccess::Code;
    Some(JoinForm {
        button,
        code: doors.iter().any(coded),
        code_required: !doors.is_empty() && doors.iter().all(coded),
        proof: sale.config().join.proof_of_work_bits > 0,
    })
}

/// When the browser asks again: as a poll would, but not so often that nobody can read. None when the visitor wants none
/// of it, or nothing more will come.
fn refresh_s(request: &Request, state: SaleState, position: Option<&Position>) -> Option<u32> {
    let over = matches!(state, SaleState::Closed | SaleState::Cancelled);
    if over || request.query_value("refresh").as_deref() == Some("off") {
        return None;
    }
    let poll = |position: &Position| position.poll_after_ms.div_ceil(1_000).max(REFRESH_MIN_S);
    Some(position.map_or(REFRESH_LOBBY_S, poll))
}

const fn pause(pause: PauseBody) -> &'static str {
    match pause.what {
        None => {
            "The organizer has paused the sale. Nobody is let in and no clock runs; you keep your place and the time you had \
             left. It goes on by itself."
        }
        Some(Away::Stripe) => {
            "Payments cannot be taken at the moment, so nobody is let in and no clock runs. You keep your place and the time \
             you had left. It goes on by itself."
        }
        Some(Away::Postgres) => {
            "We are having trouble at the moment, so nobody is let in and no clock runs. You keep your place and the time you \
             had left. It goes on by itself."
        }
    }
}

/// What came of the last form, by the code in the address; any other text there is ignored.
fn problems(app: &App, request: &Request, sale: &Sale) -> Vec<&'static str> {
    let mut problems = Vec::new();
    if request.query_value("cookie").is_some() && app.cookies.visitor(&request.parts.headers).is_none() {
        problems.push(
            "Your browser did not keep our cookie, so we could not give you a place: without it a place would be lost, and be \
             another one, each time this page is loaded. Allow one cookie for this site and join again.",
        );
    }
    let refused = request.query_value("refused");
    let code = Code::ALL.iter().find(|code| Some(code.word()) == refused.as_deref());
    problems.extend(code.map(|code| sentence(*code, sale)));
    problems
}

fn sentence(code: Code, sale: &Sale) -> &'static str {
    match code {
        Code::AccessCodeRequired => {
            "This part of the sale needs an access code that has not been used up. Check the one you entered."
        }
        Code::ProofRequired if sale.config().join.proof_of_work_bits > 0 => {
            "This sale asks browsers to do a little work before they join, and that needs JavaScript. You can join without it \
             by asking for more time below."
        }
        Code::SaleNotOpen => "The sale has not opened yet.",
        Code::SalePaused => "The sale is paused for a moment. Please try again shortly.",
        Code::SaleClosed => "This sale has ended.",
        Code::RateLimited => "That was a little too fast. Please wait a moment and try again.",
        Code::Overloaded => "Very many people are here right now. Please wait a moment and try again.",
        Code::StoreUnavailable => "We are having trouble for a moment. Please try again.",
        Code::PlaceInvalid => "We do not know this place any more. Please join again.",
        _ => "That did not work. Please try again in a moment.",
    }
}
