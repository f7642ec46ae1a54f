//! `_m.xml`: session timers, flags and pipe facts.

use std::collections::BTreeMap;

use casetrace_model::time::from_rfc3339;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Flags kept per session; Fiddler writes about twenty.
const MAX_ENTRIES: usize = 256;
const MAX_VALUE: usize = 1024;

/// What the recorder noted about a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meta {
    /// `SessionTimers` attributes as written.
    pub(crate) timers: BTreeMap<String, String>,
    /// `SessionFlag` names (lower case) and values.
    pub(crate) flags: BTreeMap<String, String>,
    /// True if the client connection was reused.
    pub(crate) reused: bool,
    /// Set by [`Meta::with_process`] for recorders that name the process directly.
    pub(crate) process: Option<String>,
    pub(crate) server_ip: Option<String>,
}

impl Meta {
    /// Reads the file as far as it is XML; the flag says whether that was to its end.
    pub(crate) fn parse(xml: &[u8]) -> (Self, bool) {
        let text = String::from_utf8_lossy(xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml));
        let mut reader = Reader::from_str(&text);
        let mut meta = Self::default();
        let mut closed = false;
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag) | Event::Empty(tag)) => meta.element(&tag),
                Ok(Event::End(tag)) => closed |= tag.name().as_ref() == b"Session",
                Ok(Event::Eof) => return (meta, closed),
                Ok(_) => {}
                Err(_) => return (meta, false),
            }
        }
    }

    fn element(&mut self, tag: &BytesStart<'_>) {
        match tag.name().as_ref() {
            b"SessionTimers" => self.timers.extend(attributes(tag).into_iter().take(MAX_ENTRIES)),
            b"SessionFlag" if self.flags.len() < MAX_ENTRIES => {
                let pairs: BTreeMap<_, _> = attributes(tag).into_iter().collect();
                if let (Some(name), Some(value)) = (pairs.get("N"), pairs.get("V")) {
                    self.flags.insert(name.to_ascii_lowercase(), value.clone());
                }
            }
            b"PipeInfo" => {
                self.reused |= attributes(tag)
                    .iter()
                    .any(|(n, v)| n == "CltReuse" && v == "true")
            }
            _ => {}
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The first of these timers that was set.
    pub(crate) fn first_time(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| self.time(name))
    }

    /// One timer; unset ones are in the year 1.
    pub(crate) fn time(&self, name: &str) -> Option<i64> {
        let text = self.timers.get(name)?;
        if text.starts_with("0001-") {
            return None;
        }
        // Some writers leave the offset out; without one the instant is unknown.
        from_rfc3339(text).filter(|ns| *ns > 0)
    }

    /// `x-processinfo` is `name:pid`.
    pub(crate) fn process(&self) -> (Option<String>, Option<u32>) {
        if self.process.is_some() {
            return (self.process.clone(), None);
        }
        match self
            .flag("x-processinfo")
            .map(|info| (info, info.rsplit_once(':')))
        {
            Some((_, Some((name, pid)))) => (Some(name.to_owned()), pid.trim().parse().ok()),
            Some((info, None)) => (Some(info.to_owned()), None),
            None => (None, None),
        }
    }
}

fn attributes(tag: &BytesStart<'_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for attribute in tag.attributes().with_checks(false).flatten() {
        let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let value = match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(value) => value.into_owned(),
            Err(_) => String::from_utf8_lossy(&attribute.value).into_owned(),
        };
        out.push((name, crate::exchange::cut(&value, MAX_VALUE).to_owned()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_and_flags_are_read_even_when_cut() {
        let xml = br#"<?xml version="1.0"?><Session SID="1"><SessionTimers ClientConnected="0001-01-01T00:00:00"
            ClientBeginRequest="2026-03-02T10:16:11.1234567+09:00" DNSTime="4" /><SessionFlags>
            <SessionFlag N="x-ProcessInfo" V="msedge:4711" /><SessionFlag N="x-hostIP" V="192.0.2.7" /></SessionFlags></Session>"#;
        let (meta, whole) = Meta::parse(xml);
        assert!(whole);
        assert_eq!(
            meta.first_time(&["ClientConnected", "ClientBeginRequest"]),
            Some(1_772_414_171_123_456_700)
        );
        assert_eq!(meta.process(), (Some("msedge".into()), Some(4711)));
        assert_eq!(meta.flag("x-hostip"), Some("192.0.2.7"));
        let (cut, whole) = Meta::parse(&xml[..200]);
        assert!(!whole);
        assert_eq!(cut.timers.len(), 3);
    }
}
