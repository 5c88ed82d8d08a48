//! People who wait until they have their turn, whatever breaks: what the page does, at its most stubborn.
//!
//! Each shows the place token to one gateway after the other, by socket or by polls, until one answers. Whoever was given a
//! number must never be told another one, nor that the place is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{Edge, Incoming, Visitor};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A turn, every fault of a test included.
const TURN_WITHIN: Duration = Duration::from_secs(90);
/// Whoever lost a connection opens another one at a moment of their own within this long.
const RECONNECT_SPREAD: Duration = Duration::from_secs(1);
/// Between two polls of somebody near the front.
const POLL_EVERY: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Of so many people one polls; the others have sockets.
const ONE_POLLS_OF: usize = 8;
/// Joins under way at once.
const JOINING_MAX: usize = 200;

/// People waiting.
pub(crate) struct Line {
    people: JoinSet<Turn>,
    whereabouts: Arc<Mutex<Vec<Whereabouts>>>,
    formed_at: Instant,
}

/// How waiting ended.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// Whose turn it is, at the gateway that said so.
    pub(crate) visitor: Visitor,
    pub(crate) number: u64,
    pub(crate) pass: String,
    /// How long nobody answered, each time.
    pub(crate) absences: Vec<Duration>,
}

/// Where somebody is.
#[derive(Debug, Clone, Default)]
struct Whereabouts {
    at: At,
    /// What was told last.
    told: Value,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// Nobody answers.
    #[default]
    Away,
    /// Told everything by the gateway of that index.
    Gateway(usize),
    /// Inside.
    Inside,
}

/// So many people with a place each.
pub(crate) async fn crowd(edge: &Edge, sale: &str, count: usize) -> Vec<Visitor> {
    let mut people = Vec::with_capacity(count);
    while people.len() < count {
        let mut joining = JoinSet::new();
        for _ in 0..JOINING_MAX.min(count - people.len()) {
            let mut visitor = Visitor::new(edge, sale);
            joining.spawn(async move {
                visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
                visitor
            });
        }
        people.extend(joining.join_all().await);
    }
    people
}

impl Line {
    /// People who begin with the first of these gateways.
    pub(crate) fn of(edges: &[Edge], sale: &str, people: &[Visitor]) -> Self {
        let mut line = Self { people: JoinSet::new(), whereabouts: Arc::default(), formed_at: Instant::now() };
        line.lengthens(edges, sale, people);
        line
    }

    /// More people.
    pub(crate) fn lengthens(&mut self, edges: &[Edge], sale: &str, people: &[Visitor]) {
        for visitor in people {
            let index = {
                let mut whereabouts = self.whereabouts.lock().unwrap();
                whereabouts.push(Whereabouts::default());
                whereabouts.len() - 1
            };
            let person = Person {
                index,
                whereabouts: Arc::clone(&self.whereabouts),
                edges: edges.to_vec(),
                gateway: 0,
                sale: sale.to_owned(),
                place: visitor.place().unwrap().to_owned(),
                number: None,
                lost_at: None,
                absences: Vec::new(),
            };
            self.people.spawn(person.waits());
        }
    }

    /// Waits until nobody is away; how many are with the gateway of that index. Who is refused for a moment goes to another.
    pub(crate) async fn has_formed(&self, gateway: usize) -> usize {
        self.has_nobody(|at| at == At::Away).await;
        self.count(|at| at == At::Gateway(gateway))
    }

    /// Waits until everybody is inside or was told everything by the gateway of that index; how long that took.
    pub(crate) async fn is_with(&self, gateway: usize) -> Duration {
        self.has_nobody(|at| at != At::Inside && at != At::Gateway(gateway)).await
    }

    async fn has_nobody(&self, unwanted: impl Fn(At) -> bool) -> Duration {
        let started = Instant::now();
        while self.count(&unwanted) > 0 {
            assert!(started.elapsed() < TURN_WITHIN, "{}", self.look());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        started.elapsed()
    }

    /// Waits until one more had a turn.
    pub(crate) async fn next_turn(&mut self) -> Turn {
        let next = tokio::time::timeout_at(self.formed_at + TURN_WITHIN, self.people.join_next()).await;
        next.unwrap_or_else(|_| panic!("{}", self.look())).expect("somebody waits").unwrap()
    }

    /// Waits until everybody had their turn.
    pub(crate) async fn all_have_turns(mut self) -> Vec<Turn> {
        let mut turns = Vec::with_capacity(self.people.len());
        while !self.people.is_empty() {
            turns.push(self.next_turn().await);
        }
        turns
    }

    fn count(&self, wanted: impl Fn(At) -> bool) -> usize {
        self.whereabouts.lock().unwrap().iter().filter(|whereabouts| wanted(whereabouts.at)).count()
    }

    /// Who is not inside, for a test that failed.
    fn look(&self) -> String {
        let whereabouts = self.whereabouts.lock().unwrap();
        let outside: Vec<_> = whereabouts.iter().filter(|whereabouts| whereabouts.at != At::Inside).collect();
        format!("{} of {} are not inside, among them {:#?}", outside.len(), whereabouts.len(), outside.first())
    }
}

/// The numbers, sorted.
pub(crate) fn numbers(turns: &[Turn]) -> Vec<u64> {
    let mut numbers: Vec<_> = turns.iter().map(|turn| turn.number).collect();
    numbers.sort_unstable();
    numbers
}

/// How long people were away: half of them at most the first, nobody longer than the last.
pub(crate) fn absences(turns: &[Turn]) -> [Duration; 3] {
    let mut absences: Vec<_> = turns.iter().flat_map(|turn| turn.absences.clone()).collect();
    absences.sort_unstable();
    let at = |share: usize| absences.get((absences.len() * share / 100).min(absences.len().saturating_sub(1)));
    [50, 99, 100].map(|share| at(share).copied().unwrap_or_default())
}

/// Somebody in a line.
struct Person {
    index: usize,
    whereabouts: Arc<Mutex<Vec<Whereabouts>>>,
    edges: Vec<Edge>,
    gateway: usize,
    sale: String,
    place: String,
    number: Option<u64>,
    lost_at: Option<Instant>,
    absences: Vec<Duration>,
}

impl Person {
    async fn waits(mut self) -> Turn {
        loop {
            let mut visitor = Visitor::new(&self.edges[self.gateway], &self.sale);
            visitor.shows(&self.place);
            let pass = match self.index % ONE_POLLS_OF {
                0 => self.polls(&visitor).await,
                _ => self.watches(&visitor).await,
            };
            if let Some(pass) = pass {
                self.is(At::Inside);
                return Turn { visitor, number: self.number.unwrap(), pass, absences: self.absences };
            }
            self.is(At::Away);
            self.lost_at = self.lost_at.or(Some(Instant::now()));
            tokio::time::sleep(self.moment()).await;
            self.gateway = (self.gateway + 1) % self.edges.len();
        }
    }

    /// A moment within the spread that is this person's own.
    fn moment(&self) -> Duration {
        const PARTS: usize = 97;
        let part = u32::try_from(self.index * 31 % PARTS).unwrap();
        RECONNECT_SPREAD * part / u32::try_from(PARTS).unwrap()
    }

    /// The pass; none when the socket is lost.
    async fn watches(&mut self, visitor: &Visitor) -> Option<String> {
        let mut socket = visitor.watches().await.ok()?;
        while let Ok(Incoming::Frame(frame)) = socket.next().await {
            match frame["type"].as_str() {
                Some("position") => self.is_told(&frame["data"]),
                Some("error") => {
                    assert_eq!(frame["data"]["code"], "store_unavailable", "{frame}");
                    // The socket stays, and so does whoever watches it, unless there is somewhere else to go.
                    if self.edges.len() > 1 {
                        return None;
                    }
                }
                _ => {}
            }
            if let Some(pass) = frame["data"]["pass"].as_str() {
                return Some(pass.to_owned());
            }
        }
        None
    }

    /// The pass; none when the gateway does not answer.
    async fn polls(&mut self, visitor: &Visitor) -> Option<String> {
        loop {
            let seen = visitor.polls().await.ok()?;
            if seen.status == StatusCode::SERVICE_UNAVAILABLE {
                return None;
            }
            let position = seen.expect(StatusCode::OK).unwrap();
            self.is_told(&position);
            if let Some(pass) = position["pass"].as_str() {
                return Some(pass.to_owned());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    fn is_told(&mut self, position: &Value) {
        let state = position["state"].as_str().unwrap();
        assert!(["prequeue", "waiting", "admitted"].contains(&state), "{:?} was told {position}", self.number);
        let number = position["number"].as_u64();
        assert!(self.number.is_none() || number == self.number, "{:?} was told {position}", self.number);
        self.number = number;
        self.absences.extend(self.lost_at.take().map(|lost_at| lost_at.elapsed()));
        self.is(At::Gateway(self.gateway));
        self.whereabouts.lock().unwrap()[self.index].told = position.clone();
    }

    fn is(&self, at: At) {
        self.whereabouts.lock().unwrap()[self.index].at = at;
    }
}
