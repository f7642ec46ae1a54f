//! Events into timeline rows.
//!
//! [`RowBuilder`] turns one event into one row and never changes, so that threads can share it. What needs the events before
//! it (HTTP requests and their responses) is told as a [`Fact`] and put together in order by [`follow::Follower`].

mod builder;
mod dns;
mod follow;
mod head;
mod message;
mod run;

pub(crate) use builder::RowBuilder;
pub(crate) use run::rows;
