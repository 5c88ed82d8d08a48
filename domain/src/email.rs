//! Which e-mail addresses are one buyer's.
//!
//! One mailbox has endless spellings, so a limit that counted addresses as they are typed would limit nobody. The spellings
//! that mail systems are known to deliver to one mailbox count as one:
//!
//! | spelling | counts as | because |
//! |---|---|---|
//! | `Ada@Example.ORG` | `ada@example.org` | domains have no case, and no host that sells mailboxes tells local parts apart by it |
//! | `ada+jazz@example.org` | `ada@example.org` | subaddressing (RFC 5233): what follows the `+` is the mailbox's own filing |
//! | `ada@example.org.` | `ada@example.org` | the final dot of a name is its root |
//! | `ada@ｅxample。org`, `ada@exam\u{ad}ple.org` | `ada@example.org` | names are looked up as UTS 46 maps them, and we write to them so |
//! | `a.d.a@googlemail.com` | `ada@gmail.com` | Gmail ignores dots and has two names |
//!
//! What it does not do: it says whom to count, never whom to write to. Mail goes to the address as it was typed.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// The second name of Gmail, and the first.
const GMAIL: [&str; 2] = ["googlemail.com", "gmail.com"];

/// The one spelling that stands for all spellings of a buyer's address.
#[must_use]
pub fn buyer_of(email: &str) -> String {
    let email = email.trim().to_lowercase();
    let Some((local, domain)) = email.rsplit_once('@') else { return email };
    let local = match local.split_once('+') {
        Some((mailbox, _)) if !mailbox.is_empty() => mailbox,
        _ => local,
    };
    let domain = ascii_domain(domain).unwrap_or_else(|| domain.to_owned());
    let domain = domain.trim_end_matches('.');
    if GMAIL.contains(&domain) { format!("{}@gmail.com", local.replace('.', "")) } else { format!("{local}@{domain}") }
}

/// A domain as it is looked up; nothing when no name can be spelled so.
#[must_use]
pub fn ascii_domain(domain: &str) -> Option<String> {
    let uts46 = Uts46::new();
    let name = uts46.to_ascii(domain.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::VerifyAllowRootDot);
    name.ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
