//! Through which door a visitor enters a sale: the phases that are open to them now, and codes for those that need one.
//!
//! [`enter`] tries the doors of the sale in their order ([`domain::sale::doors`]). Without a code the first
//! public door opens. Whoever shows a code wants what it opens: the doors that need one are tried first, and a code that
//! opens none of them is refused rather than ignored, because a visitor who mistyped it would find out too late. When no
//! door needs a code, one that is shown does not matter.
//!
//! Codes are stored as digests of a text that names the sale ([`digest`]), so the same code is another one in another sale
//! and nobody can read them out of the database. A code counts once for each visitor, so a join that is sent again is no
//! second use. Guessing: each code shown counts against a limit of its address, and a wrong one as many
//! ([`Limits::count_wrong_code`](crate::limits::Limits::count_wrong_code)).
//!
//! Whoever has a place needs no code again: joins ask here for new places only.

use domain::SaleId;
use domain::sale::{Door, PhaseAccess};
use ledger::access_codes::{Redeem, access_code_redeem};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::identity::Visitor;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// The longest code: what people can be asked to type, with room to spare.
pub(crate) const CODE_BYTES_MAX: usize = 64;

/// The door through which a visitor enters who has no place yet.
///
/// # Errors
/// None is open, or those that are need another code than was shown; too many codes were tried from the visitor's address,
/// or Postgres is away.
pub(crate) async fn enter<'a>(
    app: &App,
    sale: &Sale,
    doors: &[Door<'a>],
    visitor: &Visitor,
    code: Option<&str>,
) -> Result<Door<'a>, Problem> {
    let is_coded = |door: &Door<'_>| door.phase.access == PhaseAccess::Code;
    let (coded, public): (Vec<Door<'_>>, Vec<Door<'_>>) = doors.iter().copied().partition(is_coded);
    match (coded.is_empty(), public.first(), code) {
        (false, _, Some(code)) => open(app, sale, &coded, visitor, code).await,
        (_, Some(door), _) => Ok(*door),
        (false, None, None) => Err(Code::AccessCodeRequired.into()),
        (true, None, _) => Err(Code::SaleNotOpen.into()),
    }
}

/// The first of the doors that a code opens; the code is used then.
async fn open<'a>(
    app: &App,
    sale: &Sale,
    doors: &[Door<'a>],
    visitor: &Visitor,
    code: &str,
) -> Result<Door<'a>, Problem> {
    let address = Client::Address(visitor.address);
    app.count(Limit::Code, address)?;
    let mut used_up = false;
    if code.len() <= CODE_BYTES_MAX {
        let digest = digest(sale.id(), code);
        for door in doors {
            match access_code_redeem(&app.ledger, sale.id(), door.phase.no, digest, visitor.holder).await? {
                Redeem::Redeemed => return Ok(*door),
                Redeem::UsedUp => used_up = true,
                Redeem::Unknown => {}
            }
        }
    }
    if used_up {
        return Err(refusal("The code has been used as often as it may be."));
    }
    app.limits.count_wrong_code(address)?;
    Err(refusal("The code is not known, or not for this phase of the sale."))
}

/// What is stored of a code. People type capitals and spaces as they please.
pub(crate) fn digest(sale: SaleId, code: &str) -> [u8; 32] {
    let plain = code.chars().filter(|char| !char.is_whitespace() && *char != '-').flat_map(char::to_uppercase);
    Sha256::digest(format!("onsale access code\n{sale}\n{}", plain.collect::<String>())).into()
}

fn refusal(why: &'static str) -> Problem {
    Problem::new(Code::AccessCodeRequired).detail(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_however_it_is_typed_and_another_in_another_sale() {
        let [here, there] = [1, 2].map(|n| SaleId::from_uuid(uuid::Uuid::from_u128(n)));
        for typed in ["abcd-efgh", "ABCDEFGH", " abcd efgh\t"] {
            assert_eq!(digest(here, typed), digest(here, "ABCD-EFGH"), "{typed:?}");
        }
        assert_ne!(digest(here, "ABCD-EFGH"), digest(there, "ABCD-EFGH"));
        assert_ne!(digest(here, "ABCD-EFGH"), digest(here, "ABCD-EFGI"));
    }
}
