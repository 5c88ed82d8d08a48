//! `onsale recover`

use std::fmt::Write as _;

use ledger::audit::AuditReport;
use ledger::{Ledger, PoolConfig, Role};
use secrecy::ExposeSecret as _;
use serde_json::json;
use workers::recovery::{Mode, NOT_REBUILT, Report, Wanted, recover};

use super::audit::as_text;
use crate::cli::Recover;
use crate::command::{Failure, block_on};
use crate::config::WorkersSettings;
use crate::{process, start};

pub(super) fn run(wanted: &Recover) -> Result<(), Failure> {
    let settings = WorkersSettings::read(&wanted.variables)?;
    process::log(settings.process.log_format);
    block_on(async {
        let database = settings.process.database_url.clone();
        let (config, parts) = start::workers_parts(settings).await?;
        let mode = if wanted.dry_run { Mode::DryRun } else { Mode::Recover };
        let since = Wanted { since: wanted.since, mode, numbers_ahead: wanted.numbers_ahead };
        let report = recover(&config, parts, since).await?;
        // Redis is loaded anew by the workers: until then it is not compared.
        let readers = Ledger::connect(database.expose_secret(), Role::ReadOnly, PoolConfig::default())?;
        let audit = crate::audit::audit(&readers, None, None).await?;
        println!("{}", if wanted.json { as_json(&report, mode, &audit) } else { in_words(&report, mode, &audit) });
        if audit.holds() { Ok(()) } else { Err(Failure::Breach) }
    })
}

fn in_words(report: &Report, mode: Mode, audit: &AuditReport) -> String {
    let done = match mode {
        Mode::Recover => "recovered",
        Mode::DryRun => "would be recovered: nothing was written",
    };
    let mut text = format!("{done}: what was forgotten since {}\n", report.since);
    for (figure, what) in figures(report) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{figure:>9}  {what}");
    }
    text.push_str("data lost\n");
    for (figure, what) in lost(report) {
        let _ = writeln!(text, "{figure:>9}  {what}");
    }
    for what in NOT_REBUILT {
        let _ = writeln!(text, "        ?  {what}");
    }
    for line in &report.told {
        let _ = writeln!(text, "people must look: {line}");
    }
    let _ = writeln!(text, "seconds taken {:.1}", report.took().as_secs_f64());
    text + &as_text(audit)
}

fn figures(report: &Report) -> [(u64, &'static str); 14] {
    [
        (report.sales, "live sales"),
        (report.not_in_redis, "of them not in Redis: their turns are not known, their numbers jump"),
        (report.places, "turns and places that Redis told of"),
        (report.intents, "payments that Stripe told of"),
        (report.known, "of them known"),
        (report.orders_rebuilt, "orders rebuilt"),
        (report.payments_rebuilt, "payments rebuilt of orders that were there"),
        (report.tickets_rebuilt, "tickets issued again; those of authorised payments come with their capture"),
        (report.orders_refunded, "orders whose units are gone: their money goes back"),
        (report.orders_cancelled, "the same, authorised only: nothing is charged"),
        (report.orders_ended, "unpaid orders that were in the way of a paid one, and were ended"),
        (report.refunds_rebuilt, "refunds rebuilt"),
        (report.refunds_at_stripe, "refunds booked as made at Stripe"),
        (report.disputes, "pieces of news of disputes"),
    ]
}

fn lost(report: &Report) -> [(u64, &'static str); 3] {
    [
        (report.units_lost, "units that were ordered and are free again"),
        (report.holds_lost, "holds that were under way"),
        (report.abandoned, "payments that had come to nothing yet, and are given up"),
    ]
}

fn as_json(report: &Report, mode: Mode, audit: &AuditReport) -> String {
    let breaches: Vec<_> = audit.lines.iter().flat_map(|line| &line.breaches).collect();
    json!({
        "dry_run": mode == Mode::DryRun, "report": report, "not_rebuilt": NOT_REBUILT,
        "audit": { "holds": audit.holds(), "breaches": breaches },
    })
    .to_string()
}
