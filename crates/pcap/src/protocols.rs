//! One protocol at a time on plain bytes: for fuzzing, tests and other containers of the same messages.
//!
//! Every function takes any bytes, never fails, and returns what it found. Streams are cut into pieces at the places
//! `cut` gives, to show that cutting makes no difference.

use casetrace_model::{Limits, Row, Source};

pub use crate::dns::message::{Message, Protocol, Record, parse_message};
pub use crate::http::auth::{Ntlm, parse_ntlm};
pub use crate::tls::cert::{Certificate, certificate_list, parse_certificate};
pub use crate::tls::hello::{
    ClientHello, ServerHello, parse_client_hello, parse_server_hello, parse_ssl2_hello,
};

use crate::app::App;
use crate::emit::{Cx, Emit, FlowInfo, Seen};
use crate::flow::{End, Shared};
use crate::net::Opener;
use crate::net::addr::Addr;

const SEEN: Seen = Seen {
    ts_ns: 1_700_000_000_000_000_000,
    record: 1,
};

fn endpoints(port: u16, transport: &'static str, out: &mut Emit) -> FlowInfo {
    FlowInfo::new(
        1,
        (Addr::v4([192, 0, 2, 1]), 50_000),
        (Addr::v4([198, 51, 100, 1]), port),
        transport,
        &mut out.memo,
    )
}

/// A TCP connection of which the client sent and the server answered these bytes; the protocol is told by content.
///
/// `cut` is the size of the pieces the bytes arrive in (0 counts as 1).
pub fn connection(port: u16, client: &[u8], server: &[u8], cut: usize) -> Vec<Row> {
    let mut out = Emit::new(Source::Pcap);
    let mut info = endpoints(port, "tcp", &mut out);
    let (mut waiting_bytes, mut given_up) = (0, 0);
    let max_waiting_bytes = Limits::default().max_stream_bytes;
    let mut shared = Shared {
        out: &mut out,
        waiting_bytes: &mut waiting_bytes,
        max_waiting_bytes,
        given_up: &mut given_up,
    };
    let mut app = App::default();
    let mut client_side = true;
    for (from_client, bytes) in [(true, client), (false, server)] {
        for piece in bytes.chunks(cut.max(1)) {
            if !app.is_done() {
                // The sides may turn out to be the other way round.
                client_side ^= app.data(&mut shared, &mut info, from_client == client_side, SEEN, piece);
            }
        }
    }
    app.end(
        &mut shared,
        &mut info,
        End::Idle {
            now_ns: SEEN.ts_ns,
            answered: true,
        },
    );
    out.rows.into_rows()
}

/// A captured frame, opened down to its transport; true if that worked.
pub fn frame(link_type: u16, data: &[u8]) -> bool {
    crate::net::open(link_type, data, 0, &mut Opener::new(), |_| ()).is_ok()
}

/// UDP datagrams between one client and a server's port: QUIC if they look like it, else Kerberos or CLDAP by port.
pub fn datagrams<'a>(port: u16, from_client: impl IntoIterator<Item = &'a [u8]>) -> Vec<Row> {
    let mut out = Emit::new(Source::Pcap);
    let mut info = endpoints(port, "udp", &mut out);
    let (mut quic, mut ldap) = (crate::quic::Quic::default(), crate::ldap::Ldap::default());
    for data in from_client {
        let mut cx = Cx {
            out: &mut out,
            info: &mut info,
        };
        match port {
            88 => drop(crate::kerberos::message(&mut cx, true, SEEN, data, "udp")),
            389 => drop(ldap.datagram(&mut cx, true, SEEN, data)),
            _ => quic.datagram(&mut cx, true, SEEN, data),
        }
    }
    quic.end(
        &mut Cx {
            out: &mut out,
            info: &mut info,
        },
        SEEN.ts_ns,
    );
    out.rows.into_rows()
}

/// A Kerberos message without its TCP length; the row, if it is one.
pub fn kerberos(data: &[u8]) -> Option<Row> {
    datagrams(88, [data]).pop()
}
