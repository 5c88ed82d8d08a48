//! Pages of lists as Stripe gives them: newest first, `limit` from 1 to 100, a cursor to go on from, and a span of time.
//!
//! The cursor is an object of the list whether or not the filters want it. With `ending_before` a page has the objects next to
//! the cursor, still newest first, and `has_more` speaks of those before them. Cost: a page is found from its cursor at once,
//! then looks at as many objects as its filters pass over.
//! Source: <https://docs.stripe.com/api/pagination>.

use serde_json::{Value, json};

use super::form::Form;
use super::refusal::Refusal;

/// Stripe's default and bounds of `limit`.
const LIMIT_DEFAULT: i64 = 10;
const LIMIT_MAX: i64 = 100;

/// The parameters that every list has.
pub(super) const PAGE_PARAMETERS: [&str; 5] = ["created", "ending_before", "expand", "limit", "starting_after"];

/// An object in a list.
pub(super) trait Row {
    /// What Stripe calls it.
    const WHAT: &'static str;

    fn id(&self) -> &str;
    fn created(&self) -> i64;
}

/// Objects in the order they were made, each with a number that grows.
pub(super) trait Listed {
    type Row: Row;

    fn number(&self, id: &str) -> Option<u64>;
    /// Those made before `than`, the newest first; all when `None`.
    fn older(&self, than: Option<u64>) -> impl Iterator<Item = &Self::Row>;
    /// Those made after `than`, the oldest first.
    fn newer(&self, than: u64) -> impl Iterator<Item = &Self::Row>;
}

/// What page is asked for.
#[derive(Debug)]
pub(super) struct Page<'form> {
    limit: usize,
    from: From<'form>,
    span: Span,
}

#[derive(Debug)]
enum From<'form> {
    Newest,
    /// The parameter and its value.
    After(&'static str, &'form str),
    Before(&'form str),
}

/// `created`, both ends included.
#[derive(Debug)]
struct Span {
    first: i64,
    last: i64,
}

/// A page found.
#[derive(Debug)]
pub(super) struct Found<'list, T> {
    rows: Vec<&'list T>,
    has_more: bool,
}

impl<'form> Page<'form> {
    pub(super) fn of(form: &'form Form) -> Result<Page<'form>, Refusal> {
        let from = match (form.text("starting_after"), form.text("ending_before")) {
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid(
                    "ending_before",
                    "You may only specify one of these parameters: ending_before, starting_after.",
                ));
            }
            (Some(id), None) => From::After("starting_after", id),
            (None, Some(id)) => From::Before(id),
            (None, None) => From::Newest,
        };
        Ok(Page { limit: limit(form)?, from, span: Span::of(form)? })
    }

    /// The page whose cursor is the parameter `name` alone, as a search has it.
    pub(super) fn after(form: &'form Form, name: &'static str) -> Result<Page<'form>, Refusal> {
        let from = form.text(name).map_or(From::Newest, |id| From::After(name, id));
        Ok(Page { limit: limit(form)?, from, span: Span { first: i64::MIN, last: i64::MAX } })
    }

    /// The page of those in `list` that are `wanted`.
    pub(super) fn cut<'list, L: Listed>(
        &self,
        list: &'list L,
        wanted: impl Fn(&L::Row) -> bool,
    ) -> Result<Found<'list, L::Row>, Refusal> {
        let wanted = |row: &&L::Row| (self.span.first..=self.span.last).contains(&row.created()) && wanted(row);
        Ok(match self.from {
            From::Newest => self.take(list.older(None).filter(wanted)),
            From::After(name, id) => self.take(list.older(Some(cursor(list, name, id)?)).filter(wanted)),
            From::Before(id) => {
                let mut found = self.take(list.newer(cursor(list, "ending_before", id)?).filter(wanted));
                found.rows.reverse();
                found
            }
        })
    }

    fn take<'list, T>(&self, mut rows: impl Iterator<Item = &'list T>) -> Found<'list, T> {
        let page = rows.by_ref().take(self.limit).collect();
        Found { rows: page, has_more: rows.next().is_some() }
    }
}

impl<T: Row> Found<'_, T> {
    /// The cursor of the page after this one, if there is one.
    pub(super) fn next_page(&self) -> Option<&str> {
        self.rows.last().filter(|_| self.has_more).map(|row| row.id())
    }

    /// The page as Stripe writes it.
    pub(super) fn list(self, url: &str, show: impl Fn(&T) -> Value) -> Value {
        let data: Vec<Value> = self.rows.into_iter().map(show).collect();
        json!({ "object": "list", "data": data, "has_more": self.has_more, "url": url })
    }
}

impl Span {
    fn of(form: &Form) -> Result<Span, Refusal> {
        if let Some(at) = form.number("created")? {
            return Ok(Span { first: at, last: at });
        }
        let first = form.number("created[gte]")?.into_iter().chain(form.number("created[gt]")?.map(|after| after + 1));
        let last = form.number("created[lte]")?.into_iter().chain(form.number("created[lt]")?.map(|before| before - 1));
        Ok(Span { first: first.max().unwrap_or(i64::MIN), last: last.min().unwrap_or(i64::MAX) })
    }
}

fn cursor<L: Listed>(list: &L, name: &'static str, id: &str) -> Result<u64, Refusal> {
    list.number(id).ok_or_else(|| Refusal::Invalid {
        name,
        code: "resource_missing",
        message: format!("No such {}: '{id}'", L::Row::WHAT),
    })
}

/// How many a page of a list has.
fn limit(form: &Form) -> Result<usize, Refusal> {
    let limit = form.number("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::invalid("limit", format!("Invalid limit: {limit}")));
    }
    Ok(usize::try_from(limit).expect("checked to be from 1 to 100"))
}
