//! What a normal machine does all the time, and what must not become a finding.

use std::net::{IpAddr, SocketAddr};

use super::handshake::{Handshake, handshake};
use super::world::{self, SVCHOST};
use super::{Case, canary};
use crate::moment::Moment;
use crate::net::{Tcp, dns, http, kerberos};

impl Case {
    /// What every machine does all the time: a password logon, WPAD search without result, connectivity probe,
    /// telemetry, time, multicast names nobody answers.
    pub fn noise(&mut self) {
        let realm = self.id.domain.to_uppercase();
        let t = self.at(7);
        let service = ["krbtgt", realm.as_str()];
        let preauth = kerberos::error(&realm, &service, kerberos::PREAUTH_REQUIRED, t.plus_ms(1));
        self.kerberos(t, &kerberos::as_req(&realm, "user1", false), &preauth);
        let reply = kerberos::as_rep(&realm, "user1");
        self.kerberos(t.plus_ms(30), &kerberos::as_req(&realm, "user1", true), &reply);
        let wpad = format!("wpad.{}", self.id.domain);
        self.lookup_fails(self.at(21), &wpad, 3);
        self.probe(self.at(24));
        self.works(self.at(31), "settings-win.data.microsoft.com", SVCHOST);
        self.works(self.at(64), "www.bing.com", world::EDGE);
        self.lost_syn(self.at(80));
        let (from, id) = (self.local(), self.dns_id());
        let llmnr = SocketAddr::from(([224, 0, 0, 252], 5355));
        for ms in [0, 410] {
            self.wire.udp(
                self.at(90).plus_ms(ms),
                from,
                llmnr,
                &dns::query(id, "wpad", dns::A),
                true,
                2244,
            );
        }
    }

    /// The connectivity probe of Windows: plain HTTP with a known answer.
    fn probe(&mut self, at: Moment) {
        const HOST: &str = "www.msftconnecttest.com";
        self.lookup(at, HOST);
        let (from, ip) = (self.local(), IpAddr::V4(world::address(HOST)));
        let mut tcp = Tcp::new(&mut self.wire, at.plus_ms(20), from, SocketAddr::new(ip, 80)).pid(2100);
        let host = format!("Host: {HOST}");
        tcp.handshake();
        let canaries = canary::headers();
        let mut headers = vec!["Connection: Close", "User-Agent: Microsoft NCSI", &host];
        headers.extend(canaries.iter().map(String::as_str));
        tcp.client(&http::request(
            "GET",
            &canary::target("/connecttest.txt"),
            &headers,
            "",
        ));
        let date = format!("Date: {}", tcp.now().http_date());
        tcp.server(&http::response(
            200,
            "OK",
            &["Content-Type: text/plain", &date],
            "Microsoft Connect Test",
        ));
        tcp.server_close();
    }

    /// A SYN that got lost once; the repeat is answered. Normal on any network.
    fn lost_syn(&mut self, at: Moment) {
        let from = self.local();
        let server = world::https("www.bing.com");
        let mut tcp = Tcp::new(&mut self.wire, at, from, server).pid(world::EDGE.pid);
        tcp.unanswered(1).handshake();
        handshake(&mut tcp, "www.bing.com", &Handshake::Modern);
    }
}
