//! What was found: a line for each check, and what they come to.

use serde_json::{Value, json};

/// What a check comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As it is wanted.
    Ok,
    /// The sale can be held; somebody should know this before.
    Warn,
    /// It cannot be told from here: it is for people to look at, and never counts as ok.
    Open,
    /// The sale cannot be held like this, or something it needs did not answer.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) mark: Mark,
    /// What was found.
    pub(crate) seen: String,
    /// What should be; empty where it is.
    pub(crate) wanted: String,
    /// What to do about it; empty where nothing is.
    pub(crate) advice: String,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Report {
    /// The sale, as it was asked for.
    pub(crate) sale: String,
    pub(crate) checks: Vec<Check>,
}

impl Mark {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Open => "open",
            Self::Fail => "FAIL",
        }
    }
}

impl Check {
    pub(crate) fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, mark: Mark::Ok, seen: seen.into(), wanted: String::new(), advice: String::new() }
    }

    pub(crate) fn warn(
        name: &'static str,
        seen: impl Into<String>,
        wanted: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { name, mark: Mark::Warn, seen: seen.into(), wanted: wanted.into(), advice: advice.into() }
    }

    pub(crate) fn open(
        name: &'static str,
        seen: impl Into<String>,
        wanted: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { mark: Mark::Open, ..Self::warn(name, seen, wanted, advice) }
    }

    pub(crate) fn fail(
        name: &'static str,
        seen: impl Into<String>,
        wanted: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { mark: Mark::Fail, ..Self::warn(name, seen, wanted, advice) }
    }

    /// One line: whatever others answered, it has no line ends.
    fn line(&self, width: usize) -> String {
        let mut line = format!("{:<4}  {:<width$}  {}", self.mark.word(), self.name, self.seen);
        for (label, text) in [("wanted", &self.wanted), ("do", &self.advice)] {
            if !text.is_empty() {
                line = format!("{line} · {label}: {text}");
            }
        }
        line.replace(['\n', '\r', '\t'], " ")
    }

    fn json(&self) -> Value {
        let mark = self.mark.word().to_ascii_lowercase();
        json!({ "check": self.name, "mark": mark, "seen": self.seen, "wanted": self.wanted, "do": self.advice })
    }
}

/// What could not be looked at because what it is of did not answer: one failure, and the rest left open.
pub(crate) fn unanswered(names: &[&'static str], why: &str, advice: &str) -> Vec<Check> {
    let one = |(index, name): (usize, &&'static str)| match index {
        0 => Check::fail(name, why, "an answer", advice),
        _ => Check::open(name, format!("not looked at, see {}", names[0]), "", ""),
    };
    names.iter().enumerate().map(one).collect()
}

impl Report {
    /// Whether the sale may be held.
    pub(crate) fn is_go(&self) -> bool {
        self.count(Mark::Fail) == 0
    }

    fn count(&self, mark: Mark) -> usize {
        self.checks.iter().filter(|check| check.mark == mark).count()
    }

    pub(crate) fn in_words(&self) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let lines: Vec<_> = self.checks.iter().map(|check| check.line(width)).collect();
        let verdict = if self.is_go() { "go" } else { "NO-GO" };
        format!(
            "{}\n{verdict}: {} ok, {} warn, {} open, {} FAIL",
            lines.join("\n"),
            self.count(Mark::Ok),
            self.count(Mark::Warn),
            self.count(Mark::Open),
            self.count(Mark::Fail),
        )
    }

    pub(crate) fn as_json(&self) -> String {
        let checks: Vec<_> = self.checks.iter().map(Check::json).collect();
        let counts = json!({
            "ok": self.count(Mark::Ok), "warn": self.count(Mark::Warn),
            "open": self.count(Mark::Open), "fail": self.count(Mark::Fail),
        });
        json!({ "sale": self.sale, "go": self.is_go(), "counts": counts, "checks": checks }).to_string()
    }
}
