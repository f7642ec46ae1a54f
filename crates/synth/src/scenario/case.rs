//! The evidence of one case while it is collected.

use crate::archive::Member;
use crate::event::Event;
use crate::identity::Identity;
use crate::moment::Moment;
use crate::net::Wire;

/// Evidence under collection.
#[derive(Debug, Clone)]
pub struct Case {
    /// Who it is about.
    pub id: Identity,
    /// When collection began.
    pub start: Moment,
    /// When it ended.
    pub stop: Moment,
    /// Packets.
    pub wire: Wire,
    /// Events of the network trace.
    pub trace: Vec<Event>,
    /// Events of event logs, any channel.
    pub logs: Vec<Event>,
    /// Further ready files of the Authlogs folder, by path in it.
    pub files: Vec<Member>,
    /// Files of the Authlogs folder that are missing.
    pub missing: Vec<&'static str>,
    next_port: u16,
    next_dns_id: u16,
}

impl Case {
    /// A collection of nine minutes from 2026-03-02T01:00:00Z.
    pub fn new(id: Identity) -> Self {
        let start = Moment::at("2026-03-02T01:00:00Z");
        Self {
            id,
            start,
            stop: start.plus_s(540),
            wire: Wire::new(),
            trace: vec![],
            logs: vec![],
            files: vec![],
            missing: vec![],
            next_port: 49_700,
            next_dns_id: 0x1a2b,
        }
    }

    /// Seconds after the start.
    pub fn at(&self, seconds: i64) -> Moment {
        self.start.plus_s(seconds)
    }

    pub(super) fn port(&mut self) -> u16 {
        // Ephemeral ports start again from the bottom, as Windows' do.
        self.next_port = self.next_port.checked_add(1).unwrap_or(49_700);
        self.next_port
    }

    pub(super) fn dns_id(&mut self) -> u16 {
        self.next_dns_id = self.next_dns_id.wrapping_mul(31).wrapping_add(7);
        self.next_dns_id
    }

    /// Adds an event-log record.
    pub fn log(&mut self, event: Event) -> &mut Self {
        self.logs.push(event);
        self
    }

    /// Adds a file to the Authlogs folder, replacing one of the same name.
    pub fn file(&mut self, name: &str, data: Vec<u8>) -> &mut Self {
        self.files.retain(|m| m.name != name);
        self.files.push(Member::new(name, data));
        self
    }

    /// Leaves a file of the Authlogs folder out.
    pub fn omit(&mut self, name: &'static str) -> &mut Self {
        self.missing.push(name);
        self
    }

    /// The log records of one channel, in time order.
    pub fn channel(&self, channel: &str) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .logs
            .iter()
            .filter(|e| e.provider.channel == channel)
            .cloned()
            .collect();
        events.sort_by_key(|e| e.at);
        events
    }
}
