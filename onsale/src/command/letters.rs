//! `onsale letters preview`: a letter before anybody gets it.

use std::fs::File;
use std::io::{Read, Write as _, stdin, stdout};

use domain::sale::SaleConfig;
use workers::Reader;

use super::Failure;
use crate::cli::PreviewLetter;

/// A configuration has no more than this; the API takes less.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Prints it.
pub(crate) fn preview(wanted: &PreviewLetter) -> Result<(), Failure> {
    let unreadable = |why: String| Failure::Unreadable(format!("{}: {why}", wanted.sale.display()).into());
    let mut text = String::new();
    let read = if wanted.sale.as_os_str() == "-" {
        stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        File::open(&wanted.sale).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| unreadable(error.to_string()))?;
    let config: SaleConfig = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let faults: Vec<_> =
        config.faults().into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
    if !faults.is_empty() {
        return Err(unreadable(faults.join("; ")));
    }
    let reader = Reader { name: wanted.name.clone(), email: wanted.email.clone() };
    let letter = workers::preview(wanted.kind, &config, &reader).map_err(unreadable)?;
    Ok(stdout().write_all(&letter)?)
}
