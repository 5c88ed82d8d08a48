//! `POST …/notices`: what everyone waiting is told.

use std::sync::Arc;

use ledger::notices::{NOTICE_CHARS_MAX, notice_add};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{conflict, decidable, decided};
use crate::answer::Answer;
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;

/// Something to tell.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TellBody {
    /// At most 500 characters; an empty text takes the last notice back.
    #[schema(max_length = 500, example = "The second batch of tickets opens at 18:00.")]
    text: String,
}

/// `POST /v1/organizer/sales/{sale}/notices`
pub(crate) async fn add(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let body: TellBody = request.json()?;
    let text = body.text.trim();
    if !is_notice(text) {
        return Err(Problem::invalid_at(
            "/text",
            format!("at most {NOTICE_CHARS_MAX} characters, line breaks allowed"),
        ));
    }
    match notice_add(&app.ledger, sale.organizer, sale.id, text, &by).await? {
        Some(row) => decided(app, row).await,
        None => Err(conflict(sale.state)),
    }
}

fn is_notice(text: &str) -> bool {
    text.chars().count() <= NOTICE_CHARS_MAX && !text.chars().any(|char| char.is_control() && char != '\n')
}
