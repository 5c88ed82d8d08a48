use std::collections::BTreeSet;

use super::*;

/// Why a socket ends whose watch has told its last.
fn last_words() -> Vec<&'static str> {
    let source = include_str!("../watch.rs");
    let (_, rest) = source.split_once("fn in_words").unwrap();
    let (body, _) = rest.split_once("\n    }\n").unwrap();
    body.lines().filter_map(|line| line.split('"').nth(1)).collect()
}

#[test]
fn the_page_about_errors_has_every_close_and_no_other() {
    let source = include_str!("../connection.rs");
    let mut told = BTreeSet::new();
    for end in source.split("End::Told(CloseCode::").skip(1) {
        let (code, reason) = end.split_once(", ").unwrap();
        let reasons = match reason.strip_prefix('"') {
            Some(literal) => vec![literal.split('"').next().unwrap()],
            None => last_words(),
        };
        told.extend(reasons.into_iter().map(|reason| (code.to_owned(), reason)));
    }
    let page = include_str!("../../../../docs/errors.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| 1")).map(|row| row.split('|').collect::<Vec<_>>());
    let numbered =
        rows.filter_map(|cells| Some((format!("1{}", cells[0].trim()).parse::<u16>().ok()?, cells[1].trim())));
    // The exit codes of the command are smaller.
    let closes = numbered.filter(|(code, _)| *code >= 1_000);
    let written = closes.map(|(code, reason)| (format!("{:?}", CloseCode::from(code)), reason.trim_matches('`')));
    assert_eq!(written.collect::<BTreeSet<_>>(), told);
}
