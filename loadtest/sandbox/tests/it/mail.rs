//! The mail sink, with a real mail client and with bare lines.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use sandbox::{MailFault, MailSink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::web::get;

type Mailer = AsyncSmtpTransport<Tokio1Executor>;

const WAIT_MAX: Duration = Duration::from_secs(20);
/// A picture as far as anybody here looks.
const QR: &[u8] = b"\x89PNG\r\n\x1a\n";

fn mailer(sink: &MailSink) -> Mailer {
    Mailer::from_url(&sink.url()).unwrap().build()
}

fn ticket_mail(subject: &str) -> Message {
    let html = "<p>Your ticket</p><script>alert(1)</script><img src=\"cid:qr@onsale\">";
    let picture = Attachment::new_inline_with_name("qr@onsale".into(), "qr.png".into())
        .body(QR.to_vec(), ContentType::parse("image/png").unwrap());
    let body = MultiPart::mixed().multipart(
        MultiPart::alternative()
            .singlepart(SinglePart::plain("Your ticket\n.\nis attached, Zoë".to_owned()))
            .multipart(MultiPart::related().singlepart(SinglePart::html(html.to_owned())).singlepart(picture)),
    );
    Message::builder()
        .from("Onsale <tickets@example.org>".parse().unwrap())
        .to("fan@example.org".parse().unwrap())
        .subject(subject)
        .multipart(body)
        .unwrap()
}

#[tokio::test]
async fn a_mail_with_a_picture_is_kept_and_shown() {
    let sink = MailSink::start().await.unwrap();
    let waiting = sink.wait_for(|mail| mail.subject().contains("Gästeliste"), WAIT_MAX);
    let mailer = mailer(&sink);
    let sending = mailer.send(ticket_mail("Your ticket: Gästeliste <1>"));
    let (mail, sent) = tokio::join!(waiting, sending);
    sent.unwrap();
    let mail = mail.unwrap();
    assert_eq!(mail.to, ["fan@example.org"]);
    assert_eq!(mail.text().unwrap().trim_end(), "Your ticket\n.\nis attached, Zoë");
    let attachments = mail.attachments();
    assert_eq!((attachments[0].name.as_str(), attachments[0].content.as_ref()), ("qr.png", QR));

    let list = get(&sink.page_url()).await.text();
    assert!(list.contains("Gästeliste &lt;1&gt;"), "{list}");
    let page = get(&format!("{}mails/{}", sink.page_url(), mail.id)).await;
    assert!(
        page.text().contains("<iframe sandbox=")
            && !page.text().contains("allow-scripts")
            && !page.text().contains("<script"),
        "{}",
        page.text()
    );
    assert!(page.text().contains(&format!("/mails/{}/parts/0", mail.id)));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let picture = get(&format!("{}mails/{}/parts/0", sink.page_url(), mail.id)).await;
    assert_eq!((picture.header("content-type"), picture.body.as_ref()), (Some("image/png"), QR));
    let listed = get(&format!("{}mails.json", sink.page_url())).await.json();
    assert_eq!(listed["data"][0]["to"][0], "fan@example.org");
    assert_eq!(get(&format!("{}mails/99", sink.page_url())).await.status, 404);
}

#[tokio::test]
async fn each_fault_looks_to_the_sender_as_it_should() {
    let sink = MailSink::start().await.unwrap();
    for (fault, kept) in [
        (MailFault::RefusedForNow, 0),
        (MailFault::RefusedForGood, 0),
        (MailFault::CutBeforeAccepting, 0),
        (MailFault::CutAfterAccepting, 1),
    ] {
        let before = sink.messages().len();
        sink.fail_next(1, fault);
        let error = mailer(&sink).send(ticket_mail("once")).await.unwrap_err();
        assert_eq!(error.is_permanent(), fault == MailFault::RefusedForGood, "{fault:?}: {error}");
        assert_eq!(error.is_transient(), fault == MailFault::RefusedForNow, "{fault:?}: {error}");
        eventually("the message is kept or not", async || sink.messages().len() == before + kept).await;
        mailer(&sink).send(ticket_mail("again")).await.unwrap();
        assert_eq!(sink.messages().len(), before + kept + 1);
    }
}

#[tokio::test]
async fn a_stopped_sink_refuses_and_a_restarted_one_has_kept_its_mail() {
    let sink = MailSink::start().await.unwrap();
    mailer(&sink).send(ticket_mail("one")).await.unwrap();
    sink.stop().await;
    assert!(mailer(&sink).send(ticket_mail("two")).await.is_err());
    sink.restart().await.unwrap();
    mailer(&sink).send(ticket_mail("three")).await.unwrap();
    let subjects: Vec<String> = sink.messages().iter().map(sandbox::Mail::subject).collect();
    assert_eq!(subjects, ["one", "three"]);
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let sink = MailSink::start().await.unwrap();
    assert!(sink.wait_for(|_| true, Duration::from_millis(20)).await.is_none());
}

/// Says all lines at once and returns what was answered.
async fn says(sink: &MailSink, lines: &str) -> String {
    let address = sink.url().replace("smtp://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(lines.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    answers
}

#[tokio::test]
async fn lines_are_answered_in_order_and_dots_are_unstuffed() {
    let sink = MailSink::start().await.unwrap();
    let lines = "HELO me\r\nDATA\r\nRCPT TO:<a@b>\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRSET\r\nMAIL FROM:<x@y>\r\n\
        RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: dots\r\n\r\n..one\r\n...two\r\n.\r\nVRFY a\r\nTURN\r\nQUIT\r\n";
    let codes: Vec<String> = says(&sink, lines).await.lines().map(|line| line[..3].to_owned()).collect();
    let expected =
        ["220", "250", "503", "503", "250", "250", "250", "250", "250", "250", "354", "250", "252", "502", "221"];
    assert_eq!(codes, expected);
    let mail = sink.messages().remove(0);
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("x@y", &["a@b".to_owned(), "c@d".to_owned()][..]));
    assert_eq!(mail.text().unwrap(), ".one\n..two\n");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_line_stays() {
    let sink = MailSink::start().await.unwrap();
    let line = format!("{}\r\n", "x".repeat(998));
    let text = line.repeat((17 << 20) / line.len());
    let lines = format!("HELO me\r\nMAIL FROM:<x@y>\r\nRCPT TO:<a@b>\r\nDATA\r\n{text}.\r\nQUIT\r\n");
    assert!(says(&sink, &lines).await.contains("552 too large\r\n221"));
    assert!(sink.messages().is_empty());
}
