//! UDP conversations other than DNS: Kerberos, CLDAP, DHCP and QUIC.

use casetrace_model::{JsonObject, Text, member};

use crate::emit::{Cx, Emit, FlowInfo, clean_text};
use crate::kerberos;
use crate::ldap::Ldap;
use crate::net::addr::FlowKey;
use crate::quic::Quic;
use crate::shard::FlowMap;
use crate::unit::Unit;

const IDLE_NS: i64 = 120_000_000_000;

enum App {
    Kerberos,
    Ldap(Box<Ldap>),
    Quic(Box<Quic>),
}

struct Flow {
    info: FlowInfo,
    last_ns: i64,
    app: App,
}

/// UDP conversations of one shard that carry a known protocol.
pub(crate) struct UdpFlows {
    flows: FlowMap<Flow>,
    max: usize,
    /// Conversations forgotten early for lack of room.
    pub(crate) evicted: u64,
}

impl UdpFlows {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            flows: FlowMap::default(),
            // A hello in pieces weighs more than a connection that is past its handshake.
            max: (max / 8).max(16),
            evicted: 0,
        }
    }

    pub(crate) fn datagram(&mut self, out: &mut Emit, unit: &Unit, payload: &[u8]) {
        if matches!(unit.dst().1, 67 | 68) && matches!(unit.src().1, 67 | 68) {
            return dhcp(out, unit, payload);
        }
        let key = unit.key;
        let flow = match self.flows.get_mut(&key) {
            Some(flow) => flow,
            None => {
                let Some(flow) = recognise(out, unit, payload) else {
                    return;
                };
                if self.flows.len() >= self.max {
                    self.evict(out, unit.seen.ts_ns);
                }
                self.flows.entry(key).or_insert(flow)
            }
        };
        flow.last_ns = unit.seen.ts_ns;
        flow.info.saw_pid(unit.pid);
        let from_client = flow.info.client == unit.src();
        let mut cx = Cx {
            out,
            info: &mut flow.info,
        };
        match &mut flow.app {
            App::Kerberos => drop(kerberos::message(&mut cx, from_client, unit.seen, payload, "udp")),
            App::Ldap(ldap) => drop(ldap.datagram(&mut cx, from_client, unit.seen, payload)),
            App::Quic(quic) => quic.datagram(&mut cx, from_client, unit.seen, payload),
        }
    }

    /// Forgets the conversation that was silent for longest.
    fn evict(&mut self, out: &mut Emit, now_ns: i64) {
        let oldest = self
            .flows
            .iter()
            .map(|(key, flow)| (flow.last_ns, flow.info.id, *key))
            .min_by_key(|f| (f.0, f.1));
        if let Some((_, _, key)) = oldest {
            self.evicted += 1;
            if let Some(flow) = self.flows.remove(&key) {
                flow.end(out, now_ns);
            }
        }
    }

    pub(crate) fn expire(&mut self, out: &mut Emit, now_ns: i64) {
        self.end_where(out, now_ns, |flow| now_ns - flow.last_ns > IDLE_NS);
    }

    pub(crate) fn finish(&mut self, out: &mut Emit, now_ns: i64) {
        self.end_where(out, now_ns, |_| true);
    }

    fn end_where(&mut self, out: &mut Emit, now_ns: i64, over: impl Fn(&Flow) -> bool) {
        let mut ended: Vec<(u64, FlowKey)> = self
            .flows
            .iter()
            .filter(|(_, flow)| over(flow))
            .map(|(key, flow)| (flow.info.id, *key))
            .collect();
        ended.sort_unstable_by_key(|(id, _)| *id);
        for (_, key) in ended {
            if let Some(flow) = self.flows.remove(&key) {
                flow.end(out, now_ns);
            }
        }
    }
}

impl Flow {
    fn end(mut self, out: &mut Emit, now_ns: i64) {
        if let App::Quic(quic) = &mut self.app {
            quic.end(
                &mut Cx {
                    out,
                    info: &mut self.info,
                },
                now_ns,
            );
        }
    }
}

fn recognise(out: &mut Emit, unit: &Unit, payload: &[u8]) -> Option<Flow> {
    let ports = (unit.src().1, unit.dst().1);
    let app = if crate::quic::looks_right(payload) {
        App::Quic(Box::default())
    } else if [ports.0, ports.1].iter().any(|p| matches!(p, 88 | 464)) {
        App::Kerberos
    } else if [ports.0, ports.1].contains(&389) && crate::ldap::looks_right(payload) {
        App::Ldap(Box::default())
    } else {
        return None;
    };
    let well_known = |port: u16| matches!(port, 88 | 389 | 443 | 464);
    // The side with the service's port answers; otherwise whoever speaks first asks.
    let from_server = well_known(ports.0) && !well_known(ports.1);
    let (client, server) = if from_server {
        (unit.dst(), unit.src())
    } else {
        (unit.src(), unit.dst())
    };
    let info = FlowInfo::new(unit.seen.record, client, server, "udp", &mut out.memo);
    Some(Flow {
        info,
        last_ns: unit.seen.ts_ns,
        app,
    })
}

/// DHCP option 252, the address of a proxy script.
///
/// Source: RFC 2131, 2132; the WPAD draft for option 252.
fn dhcp(out: &mut Emit, unit: &Unit, payload: &[u8]) {
    let Some(options) = payload
        .get(236..)
        .and_then(|rest| rest.strip_prefix(&[99, 130, 83, 99]))
    else {
        return;
    };
    let mut rest = options;
    let (mut message, mut found) = (0, None);
    for _ in 0..128 {
        match rest {
            [0, tail @ ..] => rest = tail,
            [255, ..] | [] | [_] => break,
            [kind, len, tail @ ..] => {
                let Some(value) = tail.get(..usize::from(*len)) else {
                    break;
                };
                match kind {
                    53 => message = value.first().copied().unwrap_or(0),
                    252 => found = Some(value),
                    _ => {}
                }
                rest = tail.get(usize::from(*len)..).unwrap_or_default();
            }
        }
    }
    let Some(value) = found else { return };
    let mut info = FlowInfo::new(unit.seen.record, unit.src(), unit.dst(), "udp", &mut out.memo);
    let cx = Cx { out, info: &mut info };
    let mut row = cx.row("dhcp.option", unit.seen, true);
    let url: Text = clean_text(value, 255).trim_end_matches(['\u{fffd}', '\0']).into();
    row.url = Some(crate::mask::url(&url));
    row.message = format!("DHCP offers the proxy script {url}");
    let name = match message {
        2 => "offer",
        5 => "ack",
        8 => "inform",
        _ => "other",
    };
    row.fields = JsonObject::new()
        .num(member!("option"), 252)
        .str(member!("value"), &url)
        .str(member!("message"), name)
        .finish();
    out.push(row);
}
