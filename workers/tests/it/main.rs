//! The workers over real servers: Postgres, Redis, a fake Stripe, a mail sink.

mod eventually;
mod world;

mod bells;
mod called_off;
mod cancellations;
mod captures;
mod cards;
mod complaints;
mod crashes;
mod cuts;
mod dice;
mod draws;
mod figures;
mod issuing;
mod lapsing;
mod late;
mod letters;
mod orders_of_news;
mod outages;
mod payments;
mod pools;
mod reconcilers;
mod refunds;
mod soak;
mod storms;
mod stripe_turns;
mod sweeps;
mod unheard;
mod waitlist;
mod withholding;
