//! Mail: whether the server takes us, and whether others will believe that our mail is ours.
//!
//! SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) are read as they are published. What `include` leads to is not followed, and which
//! selector the mail server signs with only it knows: `--dkim-selector` says so, else the usual names are tried.

use workers::{MailConfig, MailLine, Reach};

use super::dns::{Dns, DnsError};
use super::report::Check;
use super::{Looked, Wish};

pub(super) const NAMES: [&str; 4] = ["mail.server", "mail.spf", "mail.dkim", "mail.dmarc"];

/// Selectors that mail services and their manuals use.
const SELECTORS: [&str; 14] = [
    "default",
    "dkim",
    "google",
    "k1",
    "k2",
    "mail",
    "mailjet",
    "mandrill",
    "pm",
    "s1",
    "s2",
    "selector1",
    "selector2",
    "smtp",
];
/// Terms of an SPF record that each cost whoever reads it a question, and how many such it may cost (RFC 7208, 4.6.4).
const ASKING_TERMS: [&str; 5] = ["a", "exists", "include", "mx", "ptr"];
const ASKING_TERMS_MAX: usize = 10;

pub(super) async fn look(wish: &Wish<'_>) -> Looked {
    let Some(mail) = wish.mail() else {
        let wanted = "SMTP_URL and MAIL_FROM";
        let mut checks =
            vec![Check::fail("mail.server", "none: mail waits in the outbox", wanted, "set them for the workers")];
        checks.extend(NAMES[1..].iter().map(|name| Check::open(name, "not looked at, see mail.server", "", "")));
        return Looked::of(checks);
    };
    let dns = Dns::new(wish.options.dns);
    let domain = mail.domain().to_owned();
    let (server, spf, dkim, dmarc) = tokio::join!(
        server(mail.clone()),
        spf(&dns, &domain),
        dkim(&dns, &domain, &wish.options.dkim_selectors),
        dmarc(&dns, &domain),
    );
    Looked::of(vec![server, spf, dkim, dmarc])
}

async fn server(mail: MailConfig) -> Check {
    const NAME: &str = "mail.server";
    let line = mail.line();
    if let Err(error) = mail.greets().await {
        return Check::fail(
            NAME,
            error,
            "greeting, encryption and log-in as SMTP_URL says",
            "mend SMTP_URL or the server",
        );
    }
    let seen = "it greets and takes us";
    match line {
        MailLine::Encrypted => Check::ok(NAME, format!("{seen}, encrypted")),
        MailLine::Plain(Reach::Loopback) => Check::ok(NAME, format!("{seen}, on this machine")),
        MailLine::Opportunistic | MailLine::Plain(Reach::Network) => Check::warn(
            NAME,
            format!("{seen}, and the line may be open to read"),
            "smtps://, or smtp:// with ?tls=required",
            "say so in SMTP_URL",
        ),
    }
}

fn nobody_knows(name: &'static str, asked: &str, error: &DnsError) -> Check {
    Check::open(name, format!("{asked}: {error}"), "an answer of the DNS", "ask from elsewhere, or give --dns")
}

async fn spf(dns: &Dns, domain: &str) -> Check {
    match dns.texts(domain).await {
        Ok(texts) => judge_spf(domain, &texts),
        Err(error) => nobody_knows("mail.spf", domain, &error),
    }
}

/// Judges the texts of a domain.
pub(super) fn judge_spf(domain: &str, texts: &[String]) -> Check {
    const NAME: &str = "mail.spf";
    let advice = format!("publish one TXT record of {domain} that names your mail server and ends in -all or ~all");
    let is_spf = |text: &&String| {
        let text = text.to_ascii_lowercase();
        text == "v=spf1" || text.starts_with("v=spf1 ")
    };
    let records: Vec<&String> = texts.iter().filter(is_spf).collect();
    let [record] = records[..] else {
        let seen = format!("{domain} has {} SPF records", records.len());
        return Check::fail(NAME, seen, "exactly one", advice);
    };
    let record = record.to_ascii_lowercase();
    let terms: Vec<&str> = record.split_whitespace().skip(1).collect();
    let name_of = |term: &&str| {
        term.trim_start_matches(['+', '-', '~', '?']).split([':', '/', '=']).next().unwrap_or("").to_owned()
    };
    let asking = terms.iter().filter(|term| ASKING_TERMS.contains(&name_of(term).as_str())).count();
    let redirects = terms.iter().any(|term| term.starts_with("redirect="));
    let all = terms.iter().find(|term| name_of(term) == "all").copied();
    let seen = format!("{domain}: {record}");
    match all {
        _ if asking > ASKING_TERMS_MAX => {
            let seen = format!("{seen}, which takes {asking} questions to read");
            Check::fail(NAME, seen, format!("at most {ASKING_TERMS_MAX}, or it counts as broken"), advice)
        }
        Some("+all" | "all") => Check::fail(NAME, format!("{seen}, by which everybody is you"), "-all or ~all", advice),
        Some("?all") => Check::warn(NAME, format!("{seen}, which says nothing"), "-all or ~all", advice),
        None if !redirects => Check::warn(NAME, format!("{seen}, which has no end"), "-all or ~all", advice),
        Some(_) | None => Check::ok(NAME, seen),
    }
}

async fn dkim(dns: &Dns, domain: &str, given: &[String]) -> Check {
    const NAME: &str = "mail.dkim";
    let usual = || SELECTORS.iter().map(|selector| (*selector).to_owned()).collect();
    let selectors: Vec<String> = if given.is_empty() { usual() } else { given.to_vec() };
    let asked = selectors.iter().map(|selector| format!("{selector}._domainkey.{domain}"));
    let asked: Vec<String> = asked.collect();
    let answers = futures_util::future::join_all(asked.iter().map(|name| dns.texts(name))).await;
    let mut found = Vec::new();
    for (selector, answer) in selectors.iter().zip(answers) {
        match answer {
            Ok(texts) => found.push((selector.as_str(), texts)),
            Err(error) => return nobody_knows(NAME, &format!("{selector}._domainkey.{domain}"), &error),
        }
    }
    let good: Vec<&str> = found.iter().filter(|(_, texts)| has_key(texts)).map(|(selector, _)| *selector).collect();
    if given.is_empty() {
        let tried = "which one the mail server signs with only it knows";
        return match good[..] {
            [] => {
                Check::open(NAME, format!("none of the usual names has a key; {tried}"), "a key", "say --dkim-selector")
            }
            _ => Check::ok(NAME, format!("{domain} has keys under {}; {tried}", good.join(", "))),
        };
    }
    let bad: Vec<&str> = given.iter().map(String::as_str).filter(|selector| !good.contains(selector)).collect();
    if bad.is_empty() {
        return Check::ok(NAME, format!("{domain} has keys under {}", good.join(", ")));
    }
    let advice = format!("publish the key that the mail server shows at {}._domainkey.{domain}", bad[0]);
    Check::fail(NAME, format!("{domain} has no key under {}", bad.join(", ")), "a key under each", advice)
}

/// Whether one of the texts is a key: an empty one was withdrawn.
fn has_key(texts: &[String]) -> bool {
    texts.iter().any(|text| {
        let key = text.split(';').find_map(|tag| tag.trim().strip_prefix("p="));
        key.is_some_and(|key| !key.trim().is_empty())
    })
}

/// Of the domain, or else of the nearest above it that says something.
async fn dmarc(dns: &Dns, domain: &str) -> Check {
    const NAME: &str = "mail.dmarc";
    let mut name = domain;
    loop {
        let texts = match dns.texts(&format!("_dmarc.{name}")).await {
            Ok(texts) => texts,
            Err(error) => return nobody_knows(NAME, &format!("_dmarc.{name}"), &error),
        };
        let records: Vec<&String> =
            texts.iter().filter(|text| text.to_ascii_lowercase().replace(' ', "").starts_with("v=dmarc1")).collect();
        match records[..] {
            [record] => return Check::ok(NAME, format!("{name}: {record}")),
            [] => {}
            _ => {
                let seen = format!("{name} has {} DMARC records", records.len());
                return Check::fail(NAME, seen, "exactly one, or none counts", "delete all but one");
            }
        }
        match name.split_once('.').map(|(_, above)| above).filter(|above| above.contains('.')) {
            Some(above) => name = above,
            None => break,
        }
    }
    Check::warn(
        NAME,
        format!("{domain} has none"),
        "a record, without which large mail services refuse senders of thousands",
        format!("publish _dmarc.{domain} as v=DMARC1; p=none; rua=mailto:…"),
    )
}

#[cfg(test)]
mod tests;
