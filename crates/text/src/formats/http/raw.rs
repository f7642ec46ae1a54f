//! Requests and answers as they go over the wire, pasted: Fiddler's "Raw" tab, a browser's headers, a proxy's log.

use super::exchange::{Exchange, request_line, status_line};
use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let headers = head.count(|line| {
        line.split_once(": ").is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    });
    match head.any(starts) {
        true if headers > 0 => score::LIKELY,
        true => score::WEAK,
        false => score::NO,
    }
}

/// A request or status line with nothing around it.
pub(crate) fn starts(text: &str) -> bool {
    status_line(text).is_some()
        || request_line(text).is_some_and(|(method, target)| {
            target.starts_with('/')
                || target.starts_with("http")
                || (method == "CONNECT" && target.contains(':'))
        })
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(RawHttp {
        exchange: Exchange::new("pasted"),
        part: Part::Nothing,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Request,
    Answer,
    Body,
}

struct RawHttp {
    exchange: Exchange,
    part: Part,
}

impl Machine for RawHttp {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if self.exchange.request_line(text, out) {
            self.part = Part::Request;
        } else if self.exchange.status_line(line.number, text, out) {
            self.part = Part::Answer;
        } else if self.part == Part::Body && prompt_command(text).is_some() {
            self.exchange.close(out);
            self.part = Part::Nothing;
        } else if text.is_empty() && self.part == Part::Answer {
            self.part = Part::Body;
        } else if text.is_empty() && self.part == Part::Request {
            self.part = Part::Nothing;
        } else {
            match self.part {
                Part::Request => self.exchange.request_header(text),
                Part::Answer => self.exchange.header(text),
                Part::Body => self.exchange.body(text),
                Part::Nothing => {}
            }
        }
    }

    /// Headers, and lines of a body that look like one.
    fn holds(&self, text: &str) -> bool {
        match self.part {
            Part::Request | Part::Answer => !text.trim().is_empty() && prompt_command(text).is_none(),
            Part::Body => text.starts_with(['<', '{', '}', '[', ']', '"', ' ', '\t']),
            Part::Nothing => false,
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.exchange.close(out);
        self.part = Part::Nothing;
    }
}
