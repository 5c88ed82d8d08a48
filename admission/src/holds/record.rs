//! A hold as Redis keeps it: `state number expires_ms units`, and how often it was extended, if it was.

use domain::hold::HoldState;
use domain::{HoldId, PlaceNumber};
use jiff::Timestamp;

use crate::AdmissionError;
use crate::scripts::Reply;
use crate::units::{self, HeldUnit};

/// A hold at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// Its id.
    pub id: HoldId,
    /// Where it is in its life.
    pub state: HoldState,
    /// Whose pass took it.
    pub number: PlaceNumber,
    /// What it holds, or held.
    pub units: Vec<HeldUnit>,
    /// When its time is over, or was; freezing leaves it as it is.
    pub expires_at: Timestamp,
    /// How often it was extended.
    pub extensions: u32,
}

impl HoldView {
    /// From the id and the record behind a reply's word.
    pub(super) fn parse(reply: &mut Reply) -> Result<Self, AdmissionError> {
        let (id, record) = (reply.parsed()?, reply.text()?);
        read(id, &record).ok_or_else(|| reply.odd("no record of a hold"))
    }
}

/// The hold of a record.
pub(super) fn read(id: HoldId, record: &str) -> Option<HoldView> {
    let mut fields = record.split(' ');
    let mut field = || fields.next();
    Some(HoldView {
        id,
        state: HoldState::from_word(field()?)?,
        number: PlaceNumber(field()?.parse().ok()?),
        expires_at: Timestamp::from_millisecond(field()?.parse().ok()?).ok()?,
        units: units::read(field()?)?,
        extensions: field().map_or(Some(0), |extensions| extensions.parse().ok())?,
    })
}
