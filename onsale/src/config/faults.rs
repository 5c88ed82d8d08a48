//! Everything that is wrong with the configuration, at once.

use std::fmt;

/// Each fault begins with the variable's name; none shows a value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    pub(crate) fn add(&mut self, variable: &str, fault: impl fmt::Display) {
        self.0.push(format!("{variable}: {fault}"));
    }

    /// Takes over the faults of another reading, each once.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort();
        self.0.dedup();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a variable has a fault already.
    pub(crate) fn names(&self, variable: &str) -> bool {
        self.0.iter().any(|fault| fault.split(':').next() == Some(variable))
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
