//! Reads variables one by one and collects the faults.

use std::fmt;
use std::str::FromStr;

use secrecy::SecretString;

use super::faults::Faults;

/// Collects faults while values are read; a value that could not be read is `None` until [`Reader::finish`] fails.
#[derive(Default)]
pub(crate) struct Reader {
    faults: Faults,
}

impl Reader {
    /// A value that must be there.
    pub(crate) fn required<T>(&mut self, name: &str, text: Option<&String>) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let given = text.filter(|text| !text.trim().is_empty());
        if given.is_none() {
            self.faults.add(name, "is required");
        }
        given.and_then(|text| self.parsed(name, text.trim().parse()))
    }

    /// A value that may be left out.
    pub(crate) fn optional<T>(&mut self, name: &str, text: Option<&String>) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let given = text.filter(|text| !text.trim().is_empty())?;
        self.parsed(name, given.trim().parse())
    }

    /// A value that has a default.
    pub(crate) fn or_default<T>(&mut self, name: &str, text: Option<&String>, default: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let default = default.to_owned();
        self.required(name, Some(text.filter(|text| !text.trim().is_empty()).unwrap_or(&default)))
    }

    /// A secret that must be there, as text or in a file.
    pub(crate) fn secret(&mut self, name: &str, text: Option<&String>, file: Option<&String>) -> Option<SecretString> {
        let found = self.optional_secret(name, text, file);
        if found.is_none() && !self.names(name) {
            self.faults.add(name, format_args!("is required (or {name}_FILE)"));
        }
        found
    }

    /// A secret that may be left out.
    pub(crate) fn optional_secret(
        &mut self,
        name: &str,
        text: Option<&String>,
        file: Option<&String>,
    ) -> Option<SecretString> {
        match (text.filter(|text| !text.trim().is_empty()), file) {
            (Some(_), Some(_)) => {
                self.faults.add(name, format_args!("is given twice, also as {name}_FILE"));
                None
            }
            (Some(text), None) => Some(SecretString::from(text.trim())),
            (None, Some(file)) => self.secret_in_file(name, file),
            (None, None) => None,
        }
    }

    /// What came out of parsing, or nothing and a fault.
    pub(crate) fn parsed<T>(&mut self, name: &str, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|fault| self.faults.add(name, fault)).ok()
    }

    /// All values, or all faults.
    pub(crate) fn finish<T>(self, settings: Option<T>) -> Result<T, Faults> {
        match settings {
            Some(settings) if self.faults.is_empty() => Ok(settings),
            _ => Err(self.faults),
        }
    }

    fn secret_in_file(&mut self, name: &str, file: &str) -> Option<SecretString> {
        match std::fs::read_to_string(file) {
            Ok(text) if !text.trim().is_empty() => Some(SecretString::from(text.trim())),
            Ok(_) => {
                self.faults.add(name, format_args!("{file} is empty"));
                None
            }
            Err(error) => {
                self.faults.add(name, format_args!("cannot read {file}: {error}"));
                None
            }
        }
    }

    fn names(&self, name: &str) -> bool {
        self.faults.names(name)
    }
}
