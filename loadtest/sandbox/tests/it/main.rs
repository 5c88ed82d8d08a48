//! The sandbox against itself: real servers, real sockets, real processes.

#![cfg(test)]

mod eventually;
mod tasks;
mod web;

mod actors;
mod beacon;
mod failover;
mod mail;
mod owner;
mod postgres;
mod processor;
mod proxy;
mod redis;
mod stripe;
