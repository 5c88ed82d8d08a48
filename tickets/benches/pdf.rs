//! How many tickets a second are written as PDF, on all cores, beside the code of each as PNG in the same run.
//!
//! `cargo bench -p tickets --bench pdf`. Each ticket is another one: other code, other name, other seat, so that nothing is found
//! again; every tenth name is Arabic and every tenth Chinese. [`ROUNDS`] of each by turns, the middle one counts. The bound is for
//! two cores; a machine with fewer or slower ones misses it.

use std::thread;
use std::time::Instant;

use sandbox::figures::{Figure, Table, Target, median};
use sandbox::processor;
use tickets::pdf::{Sheet, pdf};
use tickets::qr;

const TICKETS: usize = 2_000;
const ROUNDS: usize = 3;
const PDF_MIN_PER_S: f64 = 500.0;

fn main() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let sheets: Vec<Sheet> = (0..TICKETS).map(sheet).collect();
    let (mut pdfs, mut pngs, mut busy_us) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for round in 0..=ROUNDS {
        let of_pdf = measured(cores, &sheets, |sheet| pdf(std::slice::from_ref(sheet)).expect("a file").len());
        let of_png = measured(cores, &sheets, |sheet| qr::png(&sheet.qr_text).expect("a picture").len());
        bytes = of_pdf.bytes / TICKETS;
        if round > 0 {
            pdfs.push(of_pdf.per_s);
            busy_us.push(of_pdf.busy_us);
            pngs.push(of_png.per_s);
        }
    }
    let table = Table::new(&format!("tickets as PDF, {cores} cores, {TICKETS} different ones, medians of {ROUNDS}"));
    let files = Figure::new("tickets as PDF, no two alike", median(&mut pdfs), "/s")
        .beside("their codes alone, as PNG", median(&mut pngs));
    table.figure(&files.should_be(Target::AtLeast(PDF_MIN_PER_S)));
    table.figure(&Figure::new("the processor for a PDF", median(&mut busy_us), "us"));
    table.note("a PDF", &format!("{bytes} bytes"));
}

struct Measured {
    per_s: f64,
    /// Of the processor, for each.
    busy_us: f64,
    bytes: usize,
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn measured(cores: usize, sheets: &[Sheet], work: impl Fn(&Sheet) -> usize + Sync) -> Measured {
    let count = sheets.len() as f64;
    let busy_s = || processor::of(std::process::id()).as_secs_f64();
    let (begun, busy_before) = (Instant::now(), busy_s());
    let bytes = thread::scope(|scope| {
        let share = sheets.len().div_ceil(cores);
        let threads: Vec<_> =
            sheets.chunks(share).map(|sheets| scope.spawn(|| sheets.iter().map(&work).sum::<usize>())).collect();
        threads.into_iter().map(|thread| thread.join().expect("nobody panics")).sum()
    });
    let per_s = count / begun.elapsed().as_secs_f64();
    Measured { per_s, busy_us: (busy_s() - busy_before) * 1e6 / count, bytes }
}

fn sheet(number: usize) -> Sheet {
    let holder = match number % 10 {
        0 => format!("محمد عبدالله {number}"),
        1 => format!("山田 花子 {number}"),
        _ => format!("Ada Lovelace the {number}th"),
    };
    let code: String = (0..161)
        .map(|at| char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"[number * (at + 7) % 45]))
        .collect();
    Sheet {
        sale: "Jazz Night at the Old Warehouse".to_owned(),
        when: Some("Saturday, 5 December 2026, 20:00 (CET)".to_owned()),
        venue: "The Old Warehouse, Dock Road 12, Rotterdam".to_owned(),
        tier: "Stalls".to_owned(),
        seat: Some(format!("A-{number}")),
        holder: Some(holder),
        order: format!("ord_{number:032x}"),
        ticket: format!("tkt_{number:032x}"),
        qr_text: code,
        terms:
            "Doors open at 19:00. No glass, no re-entry. The organizer may film the audience. Children under 12 need \
                company. Tickets are personal and may be given back until the day before."
                .to_owned(),
    }
}
