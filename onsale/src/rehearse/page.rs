//! report.html: the JSON report as a page that a person can keep. It needs nothing else: no script, no font, no other file.
//!
//! Every figure on it is one of report.json, written as it is there.

mod chart;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use self::chart::{Chart, Series, bars};

const CSS: &str = include_str!("page/page.css");

/// The page of a report.
pub(super) fn of(report: &Value) -> String {
    let name = escaped(report["sale"]["name"].as_str().unwrap_or_default());
    let sections = [
        head(report),
        course(report),
        waiting(report),
        machine(report),
        suggestion(report),
        answers(report),
        ends(report),
        faults(report),
        invariants(report),
        plan(report),
        forecast(report),
        about(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Rehearsal: {name}</title>\
         <style>{CSS}</style></head><body><main>{}</main></body></html>\n",
        sections.concat()
    )
}

fn head(report: &Value) -> String {
    let verdict = &report["verdict"];
    let good = verdict["complete"] == true && verdict["invariants_hold"] == true;
    let measured = &report["measured"];
    let figures = [
        ("sold out after, s", &verdict["sold_out_after_s"]),
        ("units sold", &report["counts"]["outcome"]["units_sold"]),
        ("fans", &report["counts"]["outcome"]["fans"]),
        ("wait, median, s", &measured["waiting"]["p50_s"]),
        ("wait, 99 of 100, s", &measured["waiting"]["p99_s"]),
        ("sockets at the peak", &measured["sockets_peak"]),
        ("requests/s at the peak, here", &measured["requests_per_s_peak_here"]),
        ("answers that failed", &measured["failed"]),
    ];
    let figures: String =
        figures.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", figure(value))).collect();
    format!(
        "<h1>Rehearsal: {}</h1><p class=\"soft\">{} units, {} fans, seed {}. {} seconds of the sale passed in one second \
         here; times below are the sale's, from its opening, unless they say <em>here</em>.</p>\
         <p class=\"verdict{}\">{} {}</p><dl class=\"figures\">{figures}</dl>",
        text(&report["sale"]["name"]),
        figure(&report["sale"]["units"]),
        figure(&report["counts"]["outcome"]["fans"]),
        figure(&report["counts"]["plan"]["seed"]),
        figure(&report["rehearsed"]["speed"]),
        if good { "" } else { " bad" },
        text(&verdict["in_words"]),
        if verdict["invariants_hold"] == true {
            "Every invariant holds."
        } else {
            "An invariant is broken: see below."
        },
    )
}

fn course(report: &Value) -> String {
    let timeline = &report["timeline"];
    let times = numbers(&timeline["sale_s"]);
    let chart = |title, axis, series: &[(&'static str, Vec<f64>)]| {
        let series = series.iter().map(|(name, values)| Series { name, values: values.clone() }).collect();
        Chart { title, axis, times: times.clone(), series }.lines()
    };
    let total = |name: &str| numbers(&timeline[name]);
    let paces = |name: &str| pace(&times, &total(name));
    format!(
        "<h2>How it went</h2>{}{}{}{}",
        chart("Units paid for", "units, over seconds of the sale", &[("units", total("units_sold"))]),
        chart(
            "Turns, holds and paid orders",
            "a second of the sale",
            &[
                ("turns", paces("turns")),
                ("holds", paces("holds")),
                ("orders", paces("orders")),
                ("paid orders", paces("paid_orders"))
            ]
        ),
        chart("Fans who have come and joined", "fans", &[("arrived", total("arrived")), ("joined", total("joined"))]),
        chart(
            "Who is connected",
            "at once",
            &[
                ("sockets", total("sockets")),
                ("shoppers inside", total("shoppers_inside")),
                ("requests under way", total("requests_under_way"))
            ]
        ),
    )
}

/// What a count grew by, a second; over three samples, so that it can be read.
fn pace(times: &[f64], totals: &[f64]) -> Vec<f64> {
    let before = |at: usize| at.saturating_sub(3);
    let grown = |at: usize| (totals[at] - totals[before(at)]) / (times[at] - times[before(at)]).max(0.001);
    (0..times.len().min(totals.len())).map(grown).collect()
}

fn waiting(report: &Value) -> String {
    let waiting = &report["measured"]["waiting"];
    let list = waiting["histogram"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |bar: &Value, name: &str| bar[name].as_f64().unwrap_or_default();
    let histogram: Vec<_> = list.iter().map(|bar| (of(bar, "from_s"), of(bar, "to_s"), of(bar, "fans"))).collect();
    let foretold = &report["measured"]["foretold"];
    format!(
        "<h2>Waiting</h2>{}<p>Of {} turns half came within {} s, 90 of 100 within {} s, 99 of 100 within {} s; the longest wait was {} s. \
         It counts from joining, or from the opening for who came before.</p>\
         <p>The first waiting time that {} fans were shown: the turn came before its p90 for a share of {}; its p50 was off by {} of the \
         true wait in the median. The number of people ahead rose {} times: somebody with a smaller number came back, a turn lapsed, or Redis was rebuilt.</p>",
        bars("How long fans waited for their turn", "fans, by seconds of the sale", &histogram),
        figure(&waiting["turns"]),
        figure(&waiting["p50_s"]),
        figure(&waiting["p90_s"]),
        figure(&waiting["p99_s"]),
        figure(&waiting["longest_s"]),
        figure(&foretold["fans"]),
        figure(&foretold["within_p90_share"]),
        figure(&foretold["off_by_median_share"]),
        figure(&report["measured"]["ahead_rose"]),
    )
}

/// Who may use the processor, in the order of the bands.
const BANDS: [(&str, &str); 7] = [
    ("gateway", "gateway"),
    ("workers", "workers"),
    ("postgres", "Postgres"),
    ("redis", "Redis"),
    ("fans", "fans"),
    ("fakes", "fake Stripe and mail"),
    ("others", "others on this machine"),
];

fn machine(report: &Value) -> String {
    let processor = &report["timeline"]["processor"];
    let series = BANDS.iter().map(|(key, name)| Series { name, values: numbers(&processor[key]) }).collect();
    let times = numbers(&report["timeline"]["sale_s"]);
    let chart =
        Chart { title: "Who used the processor", axis: "share of all cores, over seconds of the sale", times, series };
    let shares = BANDS.iter().map(|(key, name)| vec![(*name).to_owned(), figure(&report["processor"][*key])]);
    let bounds = list(&report["bounds"]).iter().map(|bound| vec![text(&bound["what"]), figure(&bound["used"])]);
    format!(
        "<h2>What was used up</h2>{}{}{}",
        table("How much of each bound was used, the fullest first", &["bound", "#share"], bounds),
        chart.bands(1.0),
        table("Share of all cores from the opening to the last unit", &["who", "#share"], shares),
    )
}

fn suggestion(report: &Value) -> String {
    let suggestion = &report["suggestion"];
    if suggestion.is_null() {
        return "<h2>Rate and cap</h2><p>Nothing was sold, so nothing can be suggested.</p>".to_owned();
    }
    let steps: String = list(&suggestion["arithmetic"]).iter().map(|step| format!("<li>{}</li>", text(step))).collect();
    format!(
        "<h2>Rate and cap</h2><p>On machines like this one: <code>rate_per_s</code> <strong>{}</strong> and <code>max_shoppers</code> <strong>{}</strong>.</p><ol>{steps}</ol>",
        figure(&suggestion["rate_per_s"]),
        figure(&suggestion["max_shoppers"]),
    )
}

fn answers(report: &Value) -> String {
    let routes = list(&report["measured"]["routes"]).iter().map(|route| {
        let of = |name: &str| figure(&route[name]);
        vec![text(&route["route"]), of("requests"), of("p50_ms"), of("p90_ms"), of("p99_ms")]
    });
    let refusals = list(&report["measured"]["refusals"])
        .iter()
        .map(|refusal| vec![text(&refusal["route"]), text(&refusal["code"]), figure(&refusal["count"])]);
    format!(
        "<h2>Answers</h2>{}{}",
        table(
            "Times by route, here, as fans see them",
            &["route", "#requests", "#p50 ms", "#p90 ms", "#p99 ms"],
            routes
        ),
        table("Refusals by route and code; no_answer is none at all", &["route", "code", "#count"], refusals),
    )
}

fn ends(report: &Value) -> String {
    let measured = &report["measured"];
    let cut_off = vec!["cut off when the rehearsal ended".to_owned(), figure(&measured["cut_off"])];
    let rows = pairs(&measured["endings"]).chain([cut_off]);
    format!(
        "<h2>How it ended for the fans</h2>{}",
        table("Measured: who is served first differs between runs", &["ending", "#fans"], rows)
    )
}

fn faults(report: &Value) -> String {
    let faults = list(&report["faults"]);
    if faults.is_empty() {
        return String::new();
    }
    let rows = faults.iter().map(|fault| {
        ["kind", "at_s", "lasted_s", "next_turn_s", "next_hold_s", "next_paid_s"]
            .map(|name| figure(&fault[name]))
            .to_vec()
    });
    let names = ["fault", "#at, s of the sale", "#lasted, s here", "#next turn", "#next hold", "#next paid"];
    format!(
        "<h2>Faults</h2>{}",
        table(
            "What went wrong on purpose, and how long after its end the next of each came, seconds here",
            &names,
            rows
        )
    )
}

fn invariants(report: &Value) -> String {
    let rows = list(&report["invariants"]["lines"]).iter().map(|line| {
        let breaches: Vec<_> = list(&line["breaches"]).iter().map(text).collect();
        let figures: Vec<_> = pairs(&line["figures"]).map(|pair| pair.join(" ")).collect();
        let holds = if breaches.is_empty() {
            "<span class=\"good\">holds</span>".to_owned()
        } else {
            format!("<span class=\"bad\">broken: {}</span>", breaches.join("; "))
        };
        vec![text(&line["invariant"]), text(&line["title"]), figures.join(", "), holds]
    });
    format!("<h2>Invariants</h2>{}", table("What the audit found afterwards", &["no", "always", "counted", ""], rows))
}

fn plan(report: &Value) -> String {
    let counts = &report["counts"];
    let favourites = list(&counts["plan"]["favourites"]).iter();
    let favourites = favourites.map(|tier| vec![format!("favourite: {}", text(&tier["tier"])), figure(&tier["fans"])]);
    let outcome = pairs(&counts["outcome"]);
    let plan = pairs(&counts["plan"]).filter(|pair| pair[0] != "favourites").chain(favourites);
    format!(
        "<h2>The same for the same seed</h2><p>{}</p>{}{}",
        text(&counts["same_seed"]),
        table("What came of it", &["count", "#"], outcome),
        table("What the fans had in mind", &["count", "#"], plan),
    )
}

fn forecast(report: &Value) -> String {
    let forecast = &report["forecast"];
    let points = list(&forecast["paid_units_at"]).iter();
    let rows = points.map(|point| vec![figure(&point["after_s"]), figure(&point["units"])]);
    let shares = list(&forecast["share_sold_after"]).iter();
    let shares = shares.map(|sold| vec![figure(&sold["share"]), figure(&sold["after_s"])]);
    format!(
        "<h2>Forecast</h2><p>Sold out after {} s; {} fans served a second. The last units often wait for holds that run out, so the table \
         says also when most were paid for.</p>{}{}",
        figure(&forecast["sold_out_after_s"]),
        figure(&forecast["fans_served_per_s"]),
        table("Share of the units paid for", &["share", "#after, s"], shares),
        table("Units paid for", &["#after, s", "#units"], rows),
    )
}

fn about(report: &Value) -> String {
    let rehearsed = &report["rehearsed"];
    let changes: String =
        list(&rehearsed["changes"]).iter().map(|change| format!("<li>{}</li>", text(change))).collect();
    let polled = &report["measured"]["polled_for_want_of_files"];
    format!(
        "<h2>About this rehearsal</h2><p>Speed {}: {}. {}</p><p>Changed for the rehearsal:</p><ul>{changes}</ul>\
         <p>{} cores; {} files may be open, which is enough for {} sockets, both ends of which are here; {} fans polled for want of files. \
         Onsale {}.</p>",
        figure(&rehearsed["speed"]),
        text(&rehearsed["speed_why"]),
        text(&rehearsed["unscaled"]),
        figure(&rehearsed["cores"]),
        figure(&rehearsed["open_files_max"]),
        figure(&rehearsed["sockets_max"]),
        figure(polled),
        text(&report["onsale"]),
    )
}

/// A table; a column whose name begins with `#` is of figures.
fn table(caption: &str, names: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |column: usize| if names[column].starts_with('#') { " class=\"n\"" } else { "" };
    let mut html = format!("<div class=\"wide\"><table><caption>{caption}</caption><thead><tr>");
    for (column, name) in names.iter().enumerate() {
        let _ = write!(html, "<th scope=\"col\"{}>{}</th>", class(column), name.trim_start_matches('#'));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate().take(names.len()) {
            let _ = write!(html, "<td{}>{cell}</td>", class(column));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

/// Names and figures of an object.
fn pairs(object: &Value) -> impl Iterator<Item = Vec<String>> + '_ {
    let fields = object.as_object().into_iter().flat_map(Map::iter);
    fields.map(|(name, value)| vec![escaped(&name.replace('_', " ")), figure(value)])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(|number| number.as_f64().unwrap_or_default()).collect()
}

/// A figure as people read it, which report.json has in full; a dash for none.
fn figure(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Number(number) if number.is_f64() => readable(number.as_f64().unwrap_or_default()),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// Three digits, and whatever is before the point.
fn readable(figure: f64) -> String {
    let decimals = match figure.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{figure:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let figures = [
            (13_524.444, "13524"),
            (162.912, "163"),
            (12.04, "12"),
            (2.0, "2"),
            (1.307, "1.31"),
            (0.083, "0.083"),
            (0.0, "0"),
        ];
        for (measured, read) in figures {
            assert_eq!(figure(&measured.into()), read);
        }
        assert_eq!([figure(&50_000.into()), figure(&Value::Null)], ["50000", "–"]);
    }
}
