//! Numbers and digests on their way between Rust and SQL, which has neither unsigned numbers nor bytes of a fixed size.

use std::any::type_name;

use crate::LedgerError;

/// The same number in another type.
///
/// # Errors
/// It does not fit: no caller makes such a number and no constraint lets one in.
pub(crate) fn fit<T, U>(number: T) -> Result<U, LedgerError>
where
    T: Copy + std::fmt::Display,
    U: TryFrom<T>,
{
    U::try_from(number).map_err(|_| LedgerError::Corrupt(format!("{number} is no {}", type_name::<U>())))
}

/// Bytes of a known size.
///
/// # Errors
/// They have another one: a constraint keeps it.
pub(crate) fn bytes<const N: usize>(column: &[u8]) -> Result<[u8; N], LedgerError> {
    column.try_into().map_err(|_| LedgerError::Corrupt(format!("{} bytes instead of {N}", column.len())))
}
