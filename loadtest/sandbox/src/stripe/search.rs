//! Stripe's search language, as far as it is needed: `metadata['order']:'ord_1' AND status:'succeeded'`.
//!
//! Understood: `metadata['…']`, `status` and `currency`, each with `:` and a quoted value, joined by `AND`. Everything else is
//! refused. Source: <https://docs.stripe.com/search>.

use super::intent::Intent;
use super::refusal::Refusal;

/// Clauses that must all hold; Stripe takes ten.
const CLAUSES_MAX: usize = 10;

/// A query, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    clauses: Vec<Clause>,
}

#[derive(Debug, PartialEq, Eq)]
enum Clause {
    Metadata { key: String, value: String },
    Status(String),
    Currency(String),
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
        let mut rest = text.trim();
        let mut clauses = Vec::new();
        loop {
            let (clause, after) = clause(rest).ok_or_else(|| not_understood(text))?;
            clauses.push(clause);
            rest = after.trim_start();
            match rest.strip_prefix("AND ") {
                Some(more) if clauses.len() < CLAUSES_MAX => rest = more.trim_start(),
                None if rest.is_empty() => return Ok(Query { clauses }),
                _ => return Err(not_understood(text)),
            }
        }
    }

    pub(super) fn finds(&self, intent: &Intent) -> bool {
        self.clauses.iter().all(|clause| match clause {
            Clause::Metadata { key, value } => intent.terms.metadata.get(key) == Some(value),
            Clause::Status(status) => intent.status.as_str() == status,
            Clause::Currency(currency) => intent.terms.currency == *currency,
        })
    }
}

fn clause(text: &str) -> Option<(Clause, &str)> {
    if let Some(rest) = text.strip_prefix("metadata[") {
        let (key, rest) = quoted(rest)?;
        let (value, rest) = quoted(rest.strip_prefix("]:")?)?;
        return Some((Clause::Metadata { key, value }, rest));
    }
    let (field, rest) = text.split_once(':')?;
    let (value, rest) = quoted(rest)?;
    match field {
        "status" => Some((Clause::Status(value), rest)),
        "currency" => Some((Clause::Currency(value), rest)),
        _ => None,
    }
}

/// A value in single or double quotes, in which a backslash keeps the next character as it is.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next().filter(|(_, quote)| matches!(quote, '\'' | '"'))?;
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            end if end == quote => return Some((value, &text[at + 1..])),
            other => value.push(other),
        }
    }
    None
}

fn not_understood(text: &str) -> Refusal {
    Refusal::Invalid {
        name: "query",
        code: "search_query_invalid",
        message: format!("We were unable to parse your search query: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Clause, Query};

    #[test]
    fn clauses_are_read_with_their_quotes() {
        let query = Query::parse(r#"metadata['order']:"ord_\"1" AND  status:'succeeded' AND currency:'eur'"#).unwrap();
        let expected = [
            Clause::Metadata { key: "order".into(), value: "ord_\"1".into() },
            Clause::Status("succeeded".into()),
            Clause::Currency("eur".into()),
        ];
        assert_eq!(query.clauses, expected);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in
            ["", "order:'1'", "status:succeeded", "status:'succeeded", "status:'a' OR status:'b'", "status:'a' AND "]
        {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }
}
