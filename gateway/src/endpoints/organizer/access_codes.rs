//! `POST …/access-codes`: codes that open a phase to those who have one.
//!
//! Made here or by the organizer, shown in this answer and never again: what is kept is a digest that is worth something
//! for one sale only ([`crate::access::digest`]). A code that is there already stays as it is, so sending the organizer's
//! own list again does no harm. The answer is not remembered under an Idempotency-Key: it is made of secrets.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::PhaseId;
use http::StatusCode;
use ledger::access_codes::{AddCodes, access_codes_add};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{conflict, decidable};
use crate::access::{CODE_BYTES_MAX, digest};
use crate::answer::{Answer, json};
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;

/// Codes in one request: the longest list that fits a body.
const CODES_MAX: usize = 1_000;

/// The fewest letters and digits of a code: what is kept of a shorter one could be tried out in an afternoon.
const CODE_CHARS_MIN: usize = 8;

/// The most visitors one code may let in.
const USES_MAX: u32 = 1_000_000;

/// Codes to make: a `count` of ours, or `codes` of the organizer's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeCodesBody {
    /// The phase they open.
    #[schema(value_type = String, example = "presale")]
    phase: PhaseId,
    /// How many to make.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    count: Option<usize>,
    /// The organizer's own: at least 8 letters and digits each. Capitals, spaces and hyphens do not matter.
    #[serde(default)]
    #[schema(max_items = 1000)]
    codes: Option<Vec<String>>,
    /// How many visitors each lets in; one, when nothing is said.
    #[serde(default = "once")]
    #[schema(minimum = 1, maximum = 1_000_000, required = false)]
    max_uses: u32,
}

/// Codes as they were made: shown now and never again.
#[derive(Serialize, ToSchema)]
pub(crate) struct CodesBody {
    /// The phase they open.
    #[schema(value_type = String)]
    phase: PhaseId,
    /// The codes.
    codes: Vec<String>,
    /// How many visitors each lets in.
    max_uses: u32,
    /// How many of them are new.
    added: u32,
}

const fn once() -> u32 {
    1
}

/// `POST /v1/organizer/sales/{sale}/access-codes`
pub(crate) async fn create(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let body: MakeCodesBody = request.json()?;
    let max_uses = body.max_uses;
    if !(1..=USES_MAX).contains(&max_uses) {
        return Err(Problem::invalid_at("/max_uses", format!("1 to {USES_MAX}")));
    }
    let codes = codes(body.count, body.codes)?;
    let hashes: Vec<_> = codes.iter().map(|code| digest(sale.id, code)).collect();
    if hashes.iter().collect::<BTreeSet<_>>().len() < hashes.len() {
        return Err(Problem::invalid_at("/codes", "different from each other"));
    }
    match access_codes_add(&app.ledger, sale.organizer, sale.id, &body.phase, &hashes, max_uses, &by).await? {
        AddCodes::Added(added) => {
            Ok(json(StatusCode::CREATED, &CodesBody { phase: body.phase, codes, max_uses, added }))
        }
        AddCodes::NoSuchPhase => Err(Problem::invalid_at("/phase", "a phase of the sale with access: code")),
        AddCodes::NotFound => Err(conflict(sale.state)),
    }
}

fn codes(count: Option<usize>, given: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    match (count, given) {
        (Some(count), None) if (1..=CODES_MAX).contains(&count) => Ok((0..count).map(|_| fresh()).collect()),
        (Some(_), None) => Err(Problem::invalid_at("/count", format!("1 to {CODES_MAX}"))),
        (None, Some(codes)) if (1..=CODES_MAX).contains(&codes.len()) => {
            match codes.iter().position(|code| !fits(code)) {
                None => Ok(codes),
                Some(index) => Err(Problem::invalid_at(
                    format!("/codes/{index}"),
                    format!(
                        "at least {CODE_CHARS_MIN} letters and digits, with spaces and hyphens at most {CODE_BYTES_MAX} bytes"
                    ),
                )),
            }
        }
        (None, Some(_)) => Err(Problem::invalid_at("/codes", format!("1 to {CODES_MAX} codes"))),
        (Some(_), Some(_)) | (None, None) => Err(Problem::invalid_at("", "either count or codes")),
    }
}

fn fits(code: &str) -> bool {
    let signs = code.chars().filter(|char| char.is_alphanumeric()).count();
    let others = code.chars().any(|char| !(char.is_alphanumeric() || char == ' ' || char == '-'));
    signs >= CODE_CHARS_MIN && !others && code.len() <= CODE_BYTES_MAX
}

/// Twelve signs in threes of four: 60 random bits, in an alphabet without I, L, O and U, which people misread.
fn fresh() -> String {
    const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    // A UUID has 122 random bits; the digest spreads them over all of its own.
    let random = Sha256::digest(Uuid::new_v4().as_bytes());
    let sign = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let groups: Vec<String> = random[..12].chunks(4).map(|group| group.iter().map(sign).collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_ours_are_fit_and_each_is_another() {
        let made = codes(Some(1_000), None).unwrap();
        assert!(made.iter().all(|code| fits(code) && code.len() == 14), "{made:?}");
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 1_000);
    }

    #[test]
    fn a_list_is_checked() {
        let given = |code: &str| codes(None, Some(vec!["ABCD-EFGH".to_owned(), code.to_owned()]));
        assert_eq!(given("jazz 2030 night").unwrap().len(), 2);
        for wrong in ["", "ABC-DEFG", "abcdefgh\n", "abcdefgh!", &"A".repeat(65)] {
            assert!(given(wrong).is_err(), "{wrong:?}");
        }
        assert!(codes(None, None).is_err() && codes(Some(1), Some(Vec::new())).is_err());
        assert!(codes(Some(0), None).is_err() && codes(Some(1_001), None).is_err());
        assert!(codes(None, Some(Vec::new())).is_err());
    }
}
