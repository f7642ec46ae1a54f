//! Network evidence: lookups, direct and proxied TLS exchanges, blocked hosts, kept apart from everyday noise.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Case;
pub use super::handshake::{Handshake, handshake};
use super::world::{self, CLIENT, DC, DSREGCMD, LSASS, PROXY, PROXY_NAME, PROXY_PORT, SVCHOST, Who};
use crate::event::{Event, Provider, Value};
use crate::moment::Moment;
use crate::net::dns::{self, Answer};
use crate::net::{Tcp, http, ldap, quic, tls};

/// DNS client provider.
pub const DNS_CLIENT: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "Microsoft-Windows-DNS-Client/Operational",
};
/// WebIO provider (WinHTTP's lower half).
pub const WEBIO: Provider = Provider {
    name: "Microsoft-Windows-WebIO",
    guid: "50b3e73c-9370-461d-bb9f-26f32d68887d",
    channel: "Microsoft-Windows-WebIO/Diagnostic",
};
/// WinHTTP provider.
pub const WINHTTP: Provider = Provider {
    name: "Microsoft-Windows-WinHttp",
    guid: "7d44233d-3055-4b9c-ba64-0d47ca40a232",
    channel: "Microsoft-Windows-WinHttp/Diagnostic",
};

/// What the proxy answers to CONNECT.
#[derive(Debug, Clone)]
pub enum Gate {
    /// 200 at once.
    Open,
    /// 407, the client authenticates on the same connection, 200.
    Negotiated,
    /// 407 each time; the client can't authenticate. Number of tries.
    Denied(u32),
    /// Another status with headers and an HTML page.
    Status(u16, &'static str, &'static [&'static str]),
}

/// What happens to a connection attempt that never opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// SYNs are dropped.
    Drop,
    /// SYNs are answered with RST.
    Reject,
    /// A router reports "administratively prohibited".
    Icmp,
}

impl Case {
    pub(super) fn local(&mut self) -> SocketAddr {
        let port = self.port();
        SocketAddr::new(IpAddr::V4(CLIENT), port)
    }

    fn dns_trace(&mut self, at: Moment, host: &str, status: u32, results: &str) {
        let pid = SVCHOST.pid + 924;
        self.trace.push(
            Event::new(DNS_CLIENT, 3006, at)
                .process(pid, pid + 8)
                .field("QueryName", host)
                .field("QueryType", 1u32)
                .field("QueryOptions", Value::U64(0x4002_6010))
                .field("ServerList", "")
                .field("IsNetworkQuery", 0u32)
                .field("NetworkQueryIndex", 0u32)
                .field("InterfaceIndex", 0u32)
                .field("IsAsyncQuery", 0u32),
        );
        self.trace.push(
            Event::new(DNS_CLIENT, 3008, at.plus_ms(12))
                .process(pid, pid + 8)
                .field("QueryName", host)
                .field("QueryType", 1u32)
                .field("QueryOptions", Value::U64(0x4002_6010))
                .field("QueryStatus", status)
                .field("QueryResults", results),
        );
    }

    fn ask(&mut self, at: Moment, host: &str, qtype: u16) -> (SocketAddr, u16) {
        let (from, id) = (self.local(), self.dns_id());
        let to = SocketAddr::new(IpAddr::V4(DC), 53);
        self.wire.udp(
            at,
            from,
            to,
            &dns::query(id, host, qtype),
            true,
            SVCHOST.pid + 924,
        );
        (from, id)
    }

    fn answer(&mut self, at: Moment, to: SocketAddr, message: &[u8]) {
        let from = SocketAddr::new(IpAddr::V4(DC), 53);
        self.wire.udp(at, from, to, message, false, 0);
    }

    /// A lookup of A and AAAA that finds these addresses (and no IPv6, which is normal).
    pub fn lookup_as(&mut self, at: Moment, host: &str, addresses: &[Ipv4Addr]) {
        let (from, id) = self.ask(at, host, dns::A);
        let answers: Vec<Answer> = addresses
            .iter()
            .map(|a| Answer::Address(IpAddr::V4(*a)))
            .collect();
        self.answer(at.plus_ms(8), from, &dns::response(id, host, dns::A, 0, &answers));
        let (from, id) = self.ask(at.plus_ms(1), host, dns::AAAA);
        self.answer(at.plus_ms(9), from, &dns::response(id, host, dns::AAAA, 0, &[]));
        let list: String = addresses.iter().map(|a| format!("::ffff:{a};")).collect();
        self.dns_trace(at, host, 0, &list);
    }

    /// A lookup that finds the host's usual address.
    pub fn lookup(&mut self, at: Moment, host: &str) {
        self.lookup_as(at, host, &[world::address(host)]);
    }

    /// A lookup answered with a code: 3 NXDOMAIN, 2 SERVFAIL.
    pub fn lookup_fails(&mut self, at: Moment, host: &str, rcode: u8) {
        let (from, id) = self.ask(at, host, dns::A);
        self.answer(at.plus_ms(10), from, &dns::response(id, host, dns::A, rcode, &[]));
        self.dns_trace(at, host, 9000 + u32::from(rcode), "");
    }

    /// A lookup nobody answers: the resolver's usual retries.
    pub fn lookup_times_out(&mut self, at: Moment, host: &str) {
        let (from, id) = (self.local(), self.dns_id());
        for ms in [0, 1_000, 2_000, 4_000, 8_000] {
            let to = SocketAddr::new(IpAddr::V4(DC), 53);
            self.wire.udp(
                at.plus_ms(ms),
                from,
                to,
                &dns::query(id, host, dns::A),
                true,
                SVCHOST.pid + 924,
            );
        }
        self.dns_trace(at, host, 1460, "");
    }

    /// A direct connection to `host` that carries TLS. Returns the time after it.
    pub fn tls(&mut self, at: Moment, host: &str, who: Who, how: &Handshake) -> Moment {
        let from = self.local();
        let mut tcp = Tcp::new(&mut self.wire, at, from, world::https(host)).pid(who.pid);
        tcp.handshake();
        handshake(&mut tcp, host, how);
        tcp.now()
    }

    /// A QUIC hello sent three times to a network that drops UDP; browsers then take TCP.
    pub fn quic_unanswered(&mut self, at: Moment, host: &str, who: Who) {
        let from = self.local();
        let hello = tls::ClientHello::new(host)
            .alpn(&["h3"])
            .versions(&[tls::TLS13])
            .grease();
        let packet = quic::initial(&crate::bytes::noise(host, 8), &hello);
        for ms in [0, 300, 900] {
            self.wire
                .udp(at.plus_ms(ms), from, world::https(host), &packet, true, who.pid);
        }
    }

    /// Lookup and a working TLS 1.3 exchange.
    pub fn works(&mut self, at: Moment, host: &str, who: Who) -> Moment {
        self.lookup(at, host);
        self.tls(at.plus_ms(30), host, who, &Handshake::Modern)
    }

    /// A connection attempt that never opens.
    pub fn blocked(&mut self, at: Moment, to: SocketAddr, who: Who, how: Block) -> Moment {
        let from = self.local();
        let mut tcp = Tcp::new(&mut self.wire, at, from, to).pid(who.pid);
        match how {
            Block::Drop => tcp.unanswered(5),
            Block::Reject => tcp.refused(3),
            Block::Icmp => tcp.unanswered(1),
        };
        let end = tcp.now();
        if how == Block::Icmp {
            let router = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
            self.wire.icmp_about_last(at.plus_ms(3), router, from.ip(), 13, 0);
        }
        end
    }

    /// CONNECT through the proxy, and TLS in the tunnel if it opens. Returns the time after it.
    pub fn via_proxy(&mut self, at: Moment, host: &str, who: Who, gate: &Gate, inner: &Handshake) -> Moment {
        self.lookup(at, PROXY_NAME);
        self.winhttp_trace(at, host, who);
        let target = format!("{host}:443");
        let tries = if let Gate::Denied(n) = gate {
            (*n).max(1)
        } else {
            1
        };
        let mut now = at.plus_ms(40);
        for _ in 0..tries {
            let from = self.local();
            let proxy = SocketAddr::new(IpAddr::V4(PROXY), PROXY_PORT);
            let mut tcp = Tcp::new(&mut self.wire, now, from, proxy)
                .pid(who.pid)
                .delay_us(900);
            tcp.handshake()
                .client(&http::connect(&target, who.agent, &[]))
                .wait_ms(4);
            match gate {
                Gate::Open => {
                    tcp.server(&http::connected());
                    handshake(&mut tcp, host, inner);
                }
                Gate::Negotiated => {
                    negotiate(&mut tcp, &target, who);
                    handshake(&mut tcp, host, inner);
                }
                Gate::Denied(_) => {
                    tcp.server(&http::proxy_auth_required(&["Negotiate", "NTLM"], PROXY_NAME))
                        .server_close();
                }
                Gate::Status(status, reason, headers) => {
                    let page = "<html><head><title>Blocked</title></head><body>The requested address is blocked by policy.</body></html>";
                    tcp.server(&http::response(*status, reason, headers, page))
                        .server_close();
                }
            }
            now = tcp.now().plus_ms(500);
        }
        now
    }

    /// What WinHTTP writes into a trace before it talks to the proxy.
    fn winhttp_trace(&mut self, at: Moment, host: &str, who: Who) {
        let url = format!("https://{host}/");
        let proxy = format!("{PROXY_NAME}:{PROXY_PORT}");
        self.trace.push(
            Event::new(WINHTTP, 814, at.plus_ms(2))
                .version(1)
                .process(who.pid, who.pid + 12)
                .field("_URLLength", Value::U16(url.len() as u16))
                .field("URL", Value::TextCounted(url))
                .field("_ProxyStringLength", Value::U16(proxy.len() as u16))
                .field("ProxyString", Value::TextCounted(proxy)),
        );
    }

    /// A request as WebIO records it, with its response's header block: status line and content type.
    pub fn webio(&mut self, at: Moment, who: Who, (method, url): (&str, &str), answer: (&str, &str)) {
        let request = Value::Pointer(0x1f2_0000 + u64::from(who.pid));
        self.trace.push(
            Event::new(WEBIO, 17, at)
                .process(who.pid, who.pid + 12)
                .field("Request", request.clone())
                .field("RequestHandle", Value::U64(7))
                .field("Session", Value::Pointer(0x1f1_0000))
                .field("SessionHandle", Value::U64(3))
                .field("Method", Value::Ansi(method.into()))
                .field("URI", url)
                .field("VersionMajor", Value::U16(1))
                .field("VersionMinor", Value::U16(1))
                .field("Error", 0u32),
        );
        let (host, path) = url
            .trim_start_matches("https://")
            .split_once('/')
            .unwrap_or((url, ""));
        let blocks = [
            (
                100,
                format!(
                    "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {}\r\n\r\n",
                    who.agent
                ),
            ),
            (101, format!("{}\r\nContent-Type: {}\r\n\r\n", answer.0, answer.1)),
        ];
        for (id, text) in blocks {
            self.trace.push(
                Event::new(WEBIO, id, at.plus_ms(i64::from(id) - 98))
                    .process(who.pid, who.pid + 12)
                    .level(5)
                    .field("Request", request.clone())
                    .field("Length", Value::U16(text.len() as u16))
                    .field("Headers", Value::AnsiCounted(text)),
            );
        }
    }

    /// The lookup of the registration service's address in the directory: found with these keywords, or a result
    /// code (32 noSuchObject).
    pub fn scp_lookup(&mut self, at: Moment, keywords: Result<&[&str], i64>) -> Moment {
        const SCP: &str = "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=corp,DC=contoso,DC=com";
        let from = self.local();
        let to = SocketAddr::new(IpAddr::V4(DC), 389);
        let mut tcp = Tcp::new(&mut self.wire, at, from, to)
            .pid(DSREGCMD.pid)
            .delay_us(400);
        tcp.handshake().client(&ldap::bind(1)).server(&ldap::bind_done(1));
        tcp.client(&ldap::search(2, SCP, 0, &["keywords"]));
        match keywords {
            Ok(values) => {
                tcp.server(&[ldap::entry(2, SCP, "keywords", values), ldap::done(2, 0, "")].concat());
            }
            Err(code) => {
                let text =
                    "0000208D: NameErr: DSID-03100245, problem 2001 (NO_OBJECT), data 0, best match of";
                tcp.server(&ldap::done(2, code, text));
            }
        }
        tcp.client_close();
        tcp.now()
    }

    /// One Kerberos exchange over UDP.
    pub fn kerberos(&mut self, at: Moment, request: &[u8], reply: &[u8]) {
        let from = self.local();
        let kdc = SocketAddr::new(IpAddr::V4(DC), 88);
        self.wire.udp(at, from, kdc, request, true, LSASS.pid);
        self.wire.udp(at.plus_ms(2), kdc, from, reply, false, 0);
    }
}

/// 407 with a Negotiate challenge and a second CONNECT with a token on the same connection.
fn negotiate(tcp: &mut Tcp<'_>, target: &str, who: Who) {
    let challenge = http::response(
        407,
        "Proxy Authentication Required",
        &[
            "Via: 1.1 proxy.corp.contoso.com",
            "Proxy-Authenticate: Negotiate",
            "Proxy-Authenticate: NTLM",
            "Proxy-Connection: Keep-Alive",
        ],
        "",
    );
    tcp.server(&challenge).wait_ms(6);
    let token =
        ["Proxy-Authorization: Negotiate YIIHKgYGKwYBBQUCoIIHHjCCBxqgMDAuBgkqhkiC9xIBAgIGCSqGSIb3EgECAg=="];
    tcp.client(&http::connect(target, who.agent, &token)).wait_ms(9);
    tcp.server(&http::connected());
}
