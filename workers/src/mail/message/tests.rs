use super::*;

fn letter(subject: &str) -> Letter {
    Letter { subject: subject.to_owned(), text: "Hello".to_owned(), html: "<p>Hello</p>".to_owned() }
}

fn sealed(name: &str, subject: &str, pictures: Vec<Picture>) -> String {
    let from: Mailbox = "Tickets <tickets@example.com>".parse().expect("a mailbox");
    let envelope =
        Envelope { from: &from, email: "ada@example.org", name, message_id: "order_paid.ord_1@h".to_owned() };
    let message = seal(&letter(subject), &envelope, pictures).expect("a good envelope");
    String::from_utf8(message.formatted()).expect("a mail on the wire is ASCII")
}

/// The names of the headers of the whole mail, without those of its parts.
fn header_names(mail: &str) -> Vec<&str> {
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head and a body");
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split_once(':').expect("a header").0).collect()
}

const HEADERS: [&str; 8] =
    ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];

#[test]
fn no_name_and_no_subject_can_add_a_header_or_a_recipient() {
    let hostile = [
        "Ada\r\nBcc: all@example.org",
        "Ada\nBcc: all@example.org",
        "Ada\r\n\r\nA body of my own",
        "Ada\0\u{85}\u{2028}Bcc: all@example.org",
        "\"Ada\" <all@example.org>, Bob",
        "Ada, bob@example.org",
        "=?utf-8?q?Ada=0D=0ABcc:_all@example.org?=",
        &"A".repeat(5_000),
    ];
    for text in hostile {
        let mail = sealed(text, text, vec![]);
        let mut names = header_names(&mail);
        names.sort_unstable();
        assert_eq!(names, HEADERS, "{text:?}:\n{mail}");
        let to = mail.split("\r\n").find(|line| line.starts_with("To:")).expect("a recipient");
        let unfolded = mail.replace("\r\n ", " ");
        let to = unfolded.split("\r\n").find(|line| line.starts_with("To:")).unwrap_or(to);
        assert!(to.ends_with("<ada@example.org>"), "{to}");
    }
}

#[test]
fn a_mail_says_who_sent_it_and_that_no_answer_is_wanted() {
    let mail = sealed("Ada Lovelace", "Your tickets", vec![]);
    for header in [
        "From: Tickets <tickets@example.com>",
        "To: \"Ada Lovelace\" <ada@example.org>",
        "Subject: Your tickets",
        "Message-ID: <order_paid.ord_1@h>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(mail.split("\r\n").any(|line| line == header), "{header} in\n{mail}");
    }
}

#[test]
fn pictures_are_inside_the_html_and_text_stands_beside_it() {
    let picture = Picture { content_id: "tkt_1".to_owned(), png: vec![0x89, b'P', b'N', b'G'] };
    let mail = sealed("Ada", "Your tickets", vec![picture]);
    for part in [
        "Content-Type: multipart/alternative",
        "Content-Type: multipart/related",
        "Content-ID: <tkt_1>",
        "Content-Type: image/png",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
        "iVBORw==",
    ] {
        assert!(mail.contains(part), "{part} in\n{mail}");
    }
}

#[test]
fn an_address_that_is_not_one_has_no_envelope() {
    let from: Mailbox = "tickets@example.com".parse().expect("a mailbox");
    for email in ["", "ada", "ada@example.org\r\nBcc: all@example.org", "ada@example.org, bob@example.org"] {
        let envelope = Envelope { from: &from, email, name: "Ada", message_id: "m@h".to_owned() };
        assert!(matches!(seal(&letter("x"), &envelope, vec![]), Err(BadEnvelope::Address)), "{email:?}");
    }
}

#[test]
fn a_buyer_without_a_name_has_an_address() {
    assert!(sealed(" \r\n ", "x", vec![]).contains("\r\nTo: ada@example.org\r\n"));
}
