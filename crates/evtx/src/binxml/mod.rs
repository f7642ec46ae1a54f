//! The straight way from a record's binary XML to an event, for records of the usual shape.
//!
//! A record is a template instance: a definition (elements, attributes, numbered slots) and the slots' values. Each
//! definition is compiled once into a [`plan`] that says which slot goes to which column or field; running a plan
//! makes no text of the whole and parses none. Elements without a template ([`fragment`]) have a plan too. What a plan
//! cannot hold (most arrays, ANSI text, damage of any kind) yields `None`, and the record goes through the `evtx` crate
//! and its XML instead; the corpus test compares both ways field by field.
//!
//! Source: MS-EVEN6 2.2.12 and 3.1.4.7 for grammar and values; the `evtx` crate for what Windows shows for a value.
//! Limits: 4 instances within one another, 64 levels, 4,096 fields.

mod cursor;
mod fragment;
mod plan;
mod run;
mod token;
mod value;

pub(crate) use run::{Draft, Runner};
