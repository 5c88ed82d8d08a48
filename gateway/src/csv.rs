//! CSV as RFC 4180 has it, safe to open in a spreadsheet.
//!
//! A spreadsheet takes a cell that begins with certain characters for a formula and may run it, whoever typed it; so a text
//! that begins with one gets an apostrophe in front, which spreadsheets show as text (OWASP, "CSV Injection"). Texts are
//! quoted unless they are plain words: also programs that split at semicolons or tabs then see one cell.

use std::fmt::Write as _;

/// One cell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Cell<'a> {
    /// Nothing.
    #[default]
    Empty,
    /// Any text, also one that a stranger typed.
    Text(&'a str),
    /// A number of ours.
    Number(i64),
}

impl<'a> Cell<'a> {
    /// The text, if there is one.
    pub(crate) fn some(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }

    /// The number, if there is one.
    pub(crate) fn number(number: Option<i64>) -> Self {
        number.map_or(Self::Empty, Self::Number)
    }
}

/// What spreadsheets take for the beginning of a formula; East Asian editions also in full width.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Writes one record.
pub(crate) fn record(text: &mut String, cells: &[Cell<'_>]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match cell {
            Cell::Empty => {}
            Cell::Text(word) if is_plain(word) => text.push_str(word),
            Cell::Text(any) => quoted(text, any),
            Cell::Number(number) => write!(text, "{number}").expect("a string takes everything"),
        }
    }
    text.push_str("\r\n");
}

fn is_plain(text: &str) -> bool {
    let is_first = |char: char| char.is_ascii_alphanumeric();
    text.starts_with(is_first) && text.chars().all(|char| is_first(char) || "_-:.".contains(char))
}

fn quoted(text: &mut String, cell: &str) {
    text.push('"');
    if cell.starts_with(FORMULA) {
        text.push('\'');
    }
    for char in cell.chars() {
        if char == '"' {
            text.push('"');
        }
        text.push(char);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: &[Cell<'_>]) -> String {
        let mut text = String::new();
        record(&mut text, cells);
        text
    }

    #[test]
    fn a_record_is_that_of_the_rfc() {
        let cells = [Cell::Text("line"), Cell::Empty, Cell::Number(-45), Cell::Text("a \"b\", c\r\nd"), Cell::Text("")];
        assert_eq!(written(&cells), "line,,-45,\"a \"\"b\"\", c\r\nd\",\"\"\r\n");
    }

    #[test]
    fn no_text_is_a_formula() {
        for start in FORMULA {
            let cell = written(&[Cell::Text(&format!("{start}cmd|' /C calc'!A0"))]);
            assert!(cell.starts_with(&format!("\"'{start}")), "{cell}");
        }
        for formula in ["=", "-", "a;=1+1", "a\t=1+1"] {
            let cell = written(&[Cell::Text(formula)]);
            assert!(cell.starts_with('"') && cell.ends_with("\"\r\n"), "{cell}");
        }
        assert_eq!(written(&[Cell::Text("ord_1-2:3.4")]), "ord_1-2:3.4\r\n");
    }
}
