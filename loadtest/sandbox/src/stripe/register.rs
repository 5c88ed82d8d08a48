//! Objects of one kind, in the order they were made, found by their id. Nothing is ever removed.

use std::collections::HashMap;
use std::ops::Index;

use super::page::{Listed, Row};
use super::refusal::Refusal;

/// All objects of one kind.
#[derive(Debug)]
pub(super) struct Register<T> {
    rows: Vec<T>,
    at: HashMap<String, usize>,
}

impl<T> Default for Register<T> {
    fn default() -> Register<T> {
        Register { rows: Vec::new(), at: HashMap::new() }
    }
}

impl<T: Row> Register<T> {
    pub(super) fn insert(&mut self, row: T) {
        self.at.insert(row.id().to_owned(), self.rows.len());
        self.rows.push(row);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.at.get(id).map(|&at| &self.rows[at])
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.at.get(id).map(|&at| &mut self.rows[at])
    }

    /// For ids that come from a caller.
    pub(super) fn find(&self, id: &str) -> Result<&T, Refusal> {
        self.get(id).ok_or_else(|| Refusal::Missing { what: T::WHAT, id: id.to_owned() })
    }

    /// For ids that came out of the register.
    pub(super) fn change(&mut self, id: &str) -> &mut T {
        self.get_mut(id).expect("a register never loses a row")
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter()
    }
}

/// For ids that came out of the register.
impl<T: Row, Id: AsRef<str>> Index<Id> for Register<T> {
    type Output = T;

    fn index(&self, id: Id) -> &T {
        self.get(id.as_ref()).expect("a register never loses a row")
    }
}

impl<T: Row> Listed for Register<T> {
    type Row = T;

    fn number(&self, id: &str) -> Option<u64> {
        self.at.get(id).map(|&at| at as u64)
    }

    fn older(&self, than: Option<u64>) -> impl Iterator<Item = &T> {
        let end = than.map_or(self.rows.len(), position);
        self.rows[..end].iter().rev()
    }

    fn newer(&self, than: u64) -> impl Iterator<Item = &T> {
        self.rows[position(than) + 1..].iter()
    }
}

fn position(number: u64) -> usize {
    usize::try_from(number).expect("numbers are given out by the register itself")
}
