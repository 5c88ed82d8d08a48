use super::*;

fn letter(subject: &str) -> Letter {
    Letter { subject: subject.to_owned(), text: "Hello".to_owned(), html: "<p>Hello</p>".to_owned() }
}

fn sealed(name: &str, subject: &str, pictures: Vec<Picture>) -> String {
    let from: Mailbox = "Tickets <tickets@example.com>".parse().expect("a mailbox");
    let envelope =
        Envelope { from: &from, email: "ada@example.org", name, message_id: "order_paid.ord_1@h".to_owned() };
    let enclosed = Enclosed { pictures, files: vec![] };
    let message = seal(&letter(subject), &envelope, enclosed).expect("a good envelope");
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
        assert!(matches!(seal(&letter("x"), &envelope, Enclosed::default()), Err(BadEnvelope::Address)), "{email:?}");
    }
}

#[test]
fn a_buyer_without_a_name_has_an_address() {
    assert!(sealed(" \r\n ", "x", vec![]).contains("\r\nTo: ada@example.org\r\n"));
}

/// What Python's `email` makes of a mail: headers decoded, and every part with its type, its name and the SHA-256 of what is in it.
fn read_by_python(mail: &[u8]) -> serde_json::Value {
    const SCRIPT: &str = "
import email, email.policy, email.utils, hashlib, json, sys
from email.header import decode_header, make_header
wire = sys.stdin.buffer.read()
mail = email.message_from_bytes(wire, policy=email.policy.default)
# Not by the policy: before 3.13 it keeps the spaces between encoded words of a name, which RFC 2047 takes out.
name, _ = email.utils.parseaddr(''.join(email.message_from_bytes(wire)['To'].splitlines()))
parts = [{'type': part.get_content_type(), 'name': part.get_filename(), 'how': part.get_content_disposition(),
          'cid': part['Content-ID'], 'sha256': hashlib.sha256(part.get_payload(decode=True)).hexdigest()}
         for part in mail.walk() if not part.is_multipart()]
to, = mail['To'].addresses
print(json.dumps({'subject': mail['Subject'], 'name': str(make_header(decode_header(name))), 'to': to.addr_spec, 'type': mail.get_content_type(),
                  'text': mail.get_body(('plain',)).get_content(), 'html': mail.get_body(('html',)).get_content(),
                  'message_id': mail['Message-ID'], 'parts': parts, 'defects': [str(d) for d in mail.defects]}))
";
    let mut python = sandbox::strangers::python(&["email"]);
    let piped = std::process::Stdio::piped;
    let mut child = python.args(["-c", SCRIPT]).stdin(piped()).stdout(piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), mail).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(mail));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(content))
}

#[test]
fn a_stranger_finds_every_part_whole_whatever_the_names() {
    let from: Mailbox = "Tickets <tickets@example.com>".parse().expect("a mailbox");
    for (name, email, to) in [
        ("Ada Lovelace", "ada+night@example.org", "ada+night@example.org"),
        (
            "\u{202b}\u{645}\u{62d}\u{645}\u{62f} \u{639}\u{644}\u{64a}\u{202c}",
            "ada@\u{4f8b}\u{3048}.jp",
            "ada@xn--r8jz45g.jp",
        ),
        (&"\u{5c71}\u{7530} ".repeat(100), "ada@example.org", "ada@example.org"),
        ("O'Brien, \"The\" <Boss>", "o'brien@example.org", "o'brien@example.org"),
    ] {
        let envelope = Envelope { from: &from, email, name, message_id: "order_paid.ord_1@h".to_owned() };
        let (png, pdf, ics) =
            (vec![0x89, b'P', 0, 0xff], b"%PDF-1.7\r\n\0\xff".to_vec(), b"BEGIN:VCALENDAR\r\n".to_vec());
        let enclosed = Enclosed {
            pictures: vec![Picture { content_id: "tkt_1".to_owned(), png: png.clone() }],
            files: vec![
                File { name: "tickets.pdf".to_owned(), media_type: "application/pdf", content: pdf.clone() },
                File {
                    name: "calendar.ics".to_owned(),
                    media_type: "text/calendar; charset=utf-8",
                    content: ics.clone(),
                },
            ],
        };
        let written = Letter {
            subject: format!("Your tickets: {name}"),
            text: format!("Hello {name}"),
            html: format!("<p>{name}"),
        };
        let said = read_by_python(&seal(&written, &envelope, enclosed).expect("a good envelope").formatted());
        let shown = one_line(name);
        assert_eq!((said["to"].as_str(), said["name"].as_str()), (Some(to), Some(&*shown)));
        assert_eq!(said["subject"].as_str(), Some(&*one_line(&written.subject)));
        assert_eq!(
            (said["type"].as_str(), said["message_id"].as_str()),
            (Some("multipart/mixed"), Some("<order_paid.ord_1@h>"))
        );
        assert_eq!(said["defects"], serde_json::json!([]));
        assert!(said["text"].as_str().is_some_and(|text| text.contains(name.trim())), "{said}");
        assert!(said["html"].as_str().is_some_and(|html| html.contains(name.trim())), "{said}");
        let part =
            |media_type: &str| said["parts"].as_array().expect("parts").iter().find(|part| part["type"] == media_type);
        let [picture, file, entry] =
            ["image/png", "application/pdf", "text/calendar"].map(|media| part(media).expect("a part"));
        assert_eq!((picture["cid"].as_str(), picture["how"].as_str()), (Some("<tkt_1>"), Some("inline")));
        assert_eq!((file["name"].as_str(), file["how"].as_str()), (Some("tickets.pdf"), Some("attachment")));
        assert_eq!((entry["name"].as_str(), entry["how"].as_str()), (Some("calendar.ics"), Some("attachment")));
        for (part, content) in [(picture, png), (file, pdf), (entry, ics)] {
            assert_eq!(part["sha256"].as_str(), Some(&*sha256(&content)));
        }
    }
}
