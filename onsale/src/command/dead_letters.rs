//! `onsale dead-letters`

use std::fmt::Write as _;

use ledger::dead_letters::{DeadLetter, Fit, Hand, LETTERS_MAX, drop, letter_state, list, retry};
use ledger::{Ledger, PoolConfig, Role};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::cli::{ActOnLetters, DeadLetters, LetterQueue, ListLetters, WhichLetters};
use crate::command::{Failure, block_on};
use crate::config::{DatabaseSettings, Variables};

pub(super) fn run(letters: &DeadLetters) -> Result<(), Failure> {
    match letters {
        DeadLetters::List(wanted) => block_on(lists(wanted)),
        DeadLetters::Retry(wanted) => block_on(acts(&wanted.act, &wanted.why, Act::Retry)),
        DeadLetters::Drop(wanted) => block_on(acts(&wanted.act, &wanted.why, Act::Drop)),
    }
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Retry,
    Drop,
}

impl Act {
    const fn past(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Drop => "dropped",
        }
    }
}

async fn lists(wanted: &ListLetters) -> Result<(), Failure> {
    let ledger = connect(&wanted.variables, Role::ReadOnly)?;
    let letters = list(&ledger, &fit(&wanted.which, None)).await?;
    println!("{}", if wanted.json { as_json(&letters) } else { as_table(&letters) });
    Ok(())
}

/// In calls of so many at most, each of which is done as a whole: whoever is interrupted does the rest by doing it again.
async fn acts(wanted: &ActOnLetters, why: &str, act: Act) -> Result<(), Failure> {
    let ledger = connect(&wanted.variables, Role::Workers)?;
    let which = fit(&wanted.which, wanted.letter.clone());
    let hand = Hand { by: wanted.by.clone(), why: why.trim().to_owned() };
    if act == Act::Drop && hand.why.is_empty() {
        return Err(Failure::Unreadable("--why: say why".into()));
    }
    let mut total = 0;
    loop {
        let count = match act {
            Act::Retry => retry(&ledger, &which, &hand).await?,
            Act::Drop => drop(&ledger, &which, &hand).await?,
        };
        total += count;
        if count < u64::from(LETTERS_MAX) {
            break;
        }
    }
    println!("{total} {}", act.past());
    match &wanted.letter {
        Some(letter) if total == 0 => says_where(&ledger, letter).await,
        _ => Ok(()),
    }
}

/// Done before is done; what never was is a slip of the hand.
async fn says_where(ledger: &Ledger, letter: &str) -> Result<(), Failure> {
    match letter_state(ledger, letter).await? {
        Some(state) => {
            println!("{letter} is {state}");
            Ok(())
        }
        None => Err(Failure::Failed(format!("there is no job or event {letter}").into())),
    }
}

fn connect(variables: &Variables, role: Role) -> Result<Ledger, Failure> {
    let settings = DatabaseSettings::read(variables)?;
    Ok(Ledger::connect(settings.database_url.expose_secret(), role, PoolConfig::default())?)
}

fn fit(which: &WhichLetters, letter: Option<String>) -> Fit {
    let queue = which.queue.map(|queue| match queue {
        LetterQueue::Inbox => "inbox",
        LetterQueue::Stripe => "stripe",
        LetterQueue::Stock => "stock",
        LetterQueue::Mail => "mail",
    });
    Fit { letter, queue: queue.map(str::to_owned), kind: which.kind.clone(), sale: which.sale, older_s: which.older_s }
}

/// A line each: its queue, id, kind, state, tries and age, and what was wrong.
fn as_table(letters: &[DeadLetter]) -> String {
    let mut text = format!(
        "{:<6}  {:<36}  {:<24}  {:<11}  {:>5}  {:>8}  WHAT WAS WRONG",
        "QUEUE", "ID", "KIND", "STATE", "TRIES", "AGE"
    );
    for letter in letters {
        let DeadLetter { queue, letter, kind, state, attempts, age_s, note, .. } = letter;
        let note = note.as_deref().unwrap_or_default().replace(['\n', '\r'], " ");
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{queue:<6}  {letter:<36}  {kind:<24}  {state:<11}  {attempts:>5}  {:>8}  {note}",
            age(*age_s)
        );
    }
    if letters.len() >= LETTERS_MAX as usize {
        let _ = write!(text, "\nonly the first {LETTERS_MAX} are shown");
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn as_json(letters: &[DeadLetter]) -> String {
    let letter = |letter: &DeadLetter| {
        json!({
            "queue": letter.queue, "id": letter.letter, "sale": letter.sale.map(|sale| sale.to_string()),
            "kind": letter.kind, "state": letter.state, "attempts": letter.attempts,
            "since": letter.since.to_string(), "age_s": letter.age_s, "note": letter.note,
        })
    };
    json!(letters.iter().map(letter).collect::<Vec<_>>()).to_string()
}
