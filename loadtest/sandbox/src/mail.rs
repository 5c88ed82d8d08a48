//! A mail sink: a small SMTP server that keeps every message, and a page that shows them.
//!
//! It takes mail for anybody from anybody, without TLS or log-in, and sends nothing on. Tests read it with
//! [`MailSink::messages`] and [`MailSink::wait_for`], people at [`MailSink::page_url`]. It does wrong on request, see
//! [`MailFault`]. Bounds: [`MAILS_MAX`] messages and [`BYTES_MAX`] in all, the oldest forgotten first; lines, recipients and
//! message size as named in the session.

mod message;
mod mime;
mod page;
mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use self::message::Mail;
pub use self::mime::Attachment;

use crate::SandboxError;
use crate::http;
use crate::listen::Listener;

/// Messages kept.
const MAILS_MAX: usize = 20_000;
/// Bytes kept; a ticket mail has about 20 KB.
const BYTES_MAX: usize = 512 << 20;

/// What the sink does wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFault {
    /// 451 after the text, nothing kept: to be tried again.
    RefusedForNow,
    /// 550 for the recipient: not to be tried again.
    RefusedForGood,
    /// The line is cut in place of the 250, nothing kept.
    CutBeforeAccepting,
    /// The message is kept, and the line is cut in place of the 250: the sender cannot know.
    CutAfterAccepting,
}

/// Where a [`MailSink`] listens; free loopback ports where `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MailSinkOptions {
    /// The SMTP address.
    pub smtp: Option<SocketAddr>,
    /// The page's address.
    pub page: Option<SocketAddr>,
}

/// A running mail sink. Dropping it ends it.
#[derive(Debug)]
pub struct MailSink {
    letters: Arc<Letters>,
    smtp: Listener,
    page: Listener,
}

/// The messages kept and the faults planned.
#[derive(Debug, Default)]
struct Letters {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    mails: VecDeque<Mail>,
    bytes: usize,
    last_id: u64,
    faults: VecDeque<MailFault>,
}

impl MailSink {
    /// Starts a sink on free loopback ports.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<MailSink, SandboxError> {
        MailSink::start_on(MailSinkOptions::default()).await
    }

    /// Starts a sink where `options` say.
    ///
    /// # Errors
    /// When a port cannot be bound.
    pub async fn start_on(options: MailSinkOptions) -> Result<MailSink, SandboxError> {
        let letters = Arc::new(Letters::default());
        let (receiving, showing) = (letters.clone(), letters.clone());
        let smtp = Listener::start(options.smtp, move |stream| {
            let letters = receiving.clone();
            async move { session::serve(stream, &letters).await }
        })
        .await?;
        let page = Listener::start(options.page, move |stream| {
            let letters = showing.clone();
            async move { http::serve(stream, async |request| Ok(page::respond(&letters, &request))).await }
        })
        .await?;
        Ok(MailSink { letters, smtp, page })
    }

    /// `smtp://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.smtp.address())
    }

    /// `http://127.0.0.1:port/`, the list of messages for people; `mails.json` beside it for scripts.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.page.address())
    }

    /// Every message kept, the oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Mail> {
        self.letters.state().mails.iter().cloned().collect()
    }

    /// The first message that `is_it`, waiting for it at most so long.
    pub async fn wait_for(&self, is_it: impl Fn(&Mail) -> bool, at_most: Duration) -> Option<Mail> {
        tokio::time::timeout(at_most, async {
            loop {
                // Asked for before looking, so that an arrival in between is not missed.
                let arrived = self.letters.arrived.notified();
                let found = self.letters.state().mails.iter().find(|mail| is_it(mail)).cloned();
                match found {
                    Some(mail) => return mail,
                    None => arrived.await,
                }
            }
        })
        .await
        .ok()
    }

    /// The next `times` messages go wrong.
    pub fn fail_next(&self, times: usize, fault: MailFault) {
        self.letters.state().faults.extend(std::iter::repeat_n(fault, times));
    }

    /// Refuses connections and cuts those there are; the page stays.
    pub async fn stop(&self) {
        self.smtp.close().await;
    }

    /// Takes mail again, on the same port.
    ///
    /// # Errors
    /// When its port was taken meanwhile.
    pub async fn restart(&self) -> Result<(), SandboxError> {
        self.smtp.reopen().await
    }
}

impl Letters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self) -> Option<MailFault> {
        self.state().faults.pop_front()
    }

    fn keep(&self, mut mail: Mail) {
        let mut state = self.state();
        state.last_id += 1;
        mail.id = state.last_id;
        state.bytes += mail.raw.len();
        state.mails.push_back(mail);
        while state.mails.len() > MAILS_MAX || state.bytes > BYTES_MAX {
            let oldest = state.mails.pop_front().expect("more than none");
            state.bytes -= oldest.raw.len();
        }
        drop(state);
        self.arrived.notify_waiters();
    }

    fn mail(&self, id: u64) -> Option<Mail> {
        self.state().mails.iter().find(|mail| mail.id == id).cloned()
    }
}
