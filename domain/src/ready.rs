//! Whether a process can do its work, a line for each thing it needs: what `/readyz?verbose` prints.

/// One thing that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyLine {
    /// What.
    pub name: &'static str,
    /// Whether it is there.
    pub ok: bool,
    /// More, for people.
    pub detail: String,
}

impl ReadyLine {
    /// A line from what asking gave.
    pub fn of(name: &'static str, answer: Result<String, String>) -> Self {
        match answer {
            Ok(detail) => Self { name, ok: true, detail },
            Err(detail) => Self { name, ok: false, detail },
        }
    }
}
