//! The last station of rows: names from elsewhere are added, kinds counted, and the whole summed up.

use std::collections::{HashMap, HashSet};

use casetrace_model::{Diagnostic, Inspection, Row, Sink, Text};
use serde_json::json;

use crate::analyzer::ProcessLookup;
use crate::emit::Emit;
use crate::router::Router;

/// Address-to-name pairs remembered from DNS answers.
const MAX_RESOLVED: usize = 50_000;
/// Certificate issuers, and domains of each, that are counted.
const MAX_ISSUERS: usize = 1000;
const MAX_DOMAINS: usize = 100;

/// The last two labels of a name; good enough to tell unrelated names apart.
fn domain(name: &str) -> Text {
    let start = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    Text::new(name.get(start..).unwrap_or(name))
}

/// The last station of rows: names from elsewhere are added, kinds counted.
pub(crate) struct Finisher {
    pub(crate) inspection: Inspection,
    resolved: HashMap<Text, Text>,
    issuers: HashMap<Text, HashSet<Text>>,
    pub(crate) processes: Option<ProcessLookup>,
    /// How many rows of each kind; a few dozen, of which a handful make up nearly all.
    kinds: Vec<Kind>,
    wants_rows: bool,
}

/// A kind of rows.
struct Kind {
    /// Where its name lies: kinds are literals, so that mostly the very same one is met again.
    place: (usize, usize),
    name: Text,
    count: u64,
}

impl Kind {
    fn place(name: &Text) -> (usize, usize) {
        (name.as_ptr() as usize, name.len())
    }
}

impl Finisher {
    pub(crate) fn new(sink: &dyn Sink) -> Self {
        Self {
            inspection: Inspection::default(),
            resolved: HashMap::new(),
            issuers: HashMap::new(),
            processes: None,
            kinds: Vec::new(),
            wants_rows: sink.wants_rows(),
        }
    }

    pub(crate) fn resolved(&mut self, address: Text, name: Text) {
        if self.resolved.len() >= MAX_RESOLVED {
            self.resolved.clear();
        }
        self.resolved.insert(address, name);
    }

    /// Adds to a row what is known from elsewhere; false if nobody wants it.
    pub(crate) fn complete(&mut self, row: &mut Row) -> bool {
        self.count(&row.kind);
        if !self.wants_rows {
            return false;
        }
        if row.kind == "tcp.connect"
            && row.server_name.is_none()
            && let Some(name) = row.dst_ip.as_ref().and_then(|ip| self.resolved.get(ip))
        {
            row.server_name = Some(name.clone());
            if row.fields.ends_with('}') {
                row.fields.pop();
                row.fields.push_str(",\"name_source\":\"dns\"}");
            }
        }
        if row.kind == "tls.certificate" {
            self.issuer_domains(row);
        }
        if let (Some(lookup), Some(pid)) = (&self.processes, row.pid) {
            row.process = lookup(pid, row.ts_ns.unwrap_or(0));
        }
        true
    }

    fn count(&mut self, kind: &Text) {
        let place = Kind::place(kind);
        let known = self.kinds.iter().position(|known| known.place == place);
        let known = known.or_else(|| self.kinds.iter().position(|known| known.name == *kind));
        let Some(at) = known else {
            let (name, count) = (kind.clone(), 1);
            return self.kinds.push(Kind { place, name, count });
        };
        if let Some(known) = self.kinds.get_mut(at) {
            known.count += 1;
        }
        // The frequent ones move to the front.
        if at > 0 {
            self.kinds.swap(at, at / 2);
        }
    }

    /// How many unrelated domains the issuer has signed for: an inspecting proxy signs for all of them.
    fn issuer_domains(&mut self, row: &mut Row) {
        let (Some(issuer), Some(name)) = (&row.cert_issuer, &row.server_name) else {
            return;
        };
        if self.issuers.len() >= MAX_ISSUERS && !self.issuers.contains_key(issuer) {
            return;
        }
        let domains = self.issuers.entry(issuer.clone()).or_default();
        if domains.len() < MAX_DOMAINS {
            domains.insert(domain(name));
        }
        if row.fields.ends_with('}') {
            row.fields.pop();
            row.fields.push_str(",\"issuer_domains\":");
            row.fields.push_str(itoa::Buffer::new().format(domains.len()));
            row.fields.push('}');
        }
    }

    /// Takes what a few units brought about.
    pub(crate) fn drain(&mut self, emit: &mut Emit, sink: &mut dyn Sink) {
        let mut names = emit.resolved.drain(..).peekable();
        // Completed where they lie: a row is large, and taken out it is a copy.
        let count = emit.rows.len();
        let (places, rows) = emit.rows.drain();
        for (place, row) in places.zip(rows) {
            // Names count from the packet that brought them.
            while let Some((_, address, name)) = names.next_if(|(named, _, _)| *named <= place) {
                self.resolved(address, name);
            }
            self.complete(row);
        }
        for (_, address, name) in names {
            self.resolved(address, name);
        }
        if self.wants_rows {
            let (_, rows) = emit.rows.drain();
            rows.take(count).for_each(|row| sink.lend(row));
        }
    }

    pub(crate) fn finish(mut self, router: &Router, evicted: u64, sink: &mut dyn Sink) -> Inspection {
        router.report(&mut self.inspection, sink);
        if evicted > 0 {
            self.inspection
                .container
                .insert("conversations_evicted", json!(evicted));
            let text = format!(
                "{evicted} conversations were written out early because too many were open at a time; facts that span their later packets may be missing."
            );
            sink.diagnostic(Diagnostic::warning("ConversationsEvicted", text));
        }
        for Kind { name, count, .. } in std::mem::take(&mut self.kinds) {
            let protocol = name.split('.').next().unwrap_or_default();
            let entry = self.inspection.counts.entry(protocol.into()).or_default();
            entry.total += count;
            *entry.by_event.entry(name.clone()).or_default() += count;
        }
        self.inspection
    }
}
