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
//! | `a.d.a@googlemail.com` | `ada@gmail.com` | Gmail ignores dots and has two names |
//!
//! What it does not do: it says whom to count, never whom to write to. Mail goes to the address as it was typed.

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
    let domain = domain.trim_end_matches('.');
    if GMAIL.contains(&domain) { format!("{}@gmail.com", local.replace('.', "")) } else { format!("{local}@{domain}") }
}

#[cfg(test)]
mod tests;
