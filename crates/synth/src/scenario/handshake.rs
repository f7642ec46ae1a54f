//! TLS handshakes, good and bad, played on an open connection.

use crate::net::{Tcp, tls};

/// How a TLS handshake goes.
#[derive(Debug, Clone)]
pub enum Handshake {
    /// TLS 1.3, then application data.
    Modern,
    /// TLS 1.2 with this chain, then application data.
    Classic(Vec<Vec<u8>>),
    /// TLS 1.2 with this chain, which the client refuses with this alert.
    Refused(Vec<Vec<u8>>, u8),
    /// The hello is acknowledged, then reset.
    Reset,
    /// The computer itself resets right after its hello, as a filter on it does.
    LocalReset,
    /// The hello is acknowledged, then nothing.
    Silence,
    /// The server answers the hello with this alert.
    ServerAlert(u8),
    /// The client offers only this version; the server answers `protocol_version`.
    OldVersion(u16),
    /// The server asks for a client certificate and gets none.
    NoClientCertificate(Vec<Vec<u8>>),
    /// The server asks for a client certificate and gets this one.
    ClientCertificate(Vec<Vec<u8>>, Vec<Vec<u8>>),
}

/// Plays a handshake on an open connection and closes it.
pub fn handshake(tcp: &mut Tcp<'_>, host: &str, how: &Handshake) {
    let hello = tls::ClientHello::new(host).alpn(&["h2", "http/1.1"]);
    match how {
        Handshake::Modern => {
            tcp.client(&hello.record());
            let flight = [
                tls::record(22, tls::TLS12, &tls::server_hello13(0x1302, 0x001d)),
                tls::record(20, tls::TLS12, &[1]),
                tls::application_data(host, 2_900),
            ];
            tcp.server(&flight.concat());
            tcp.client(
                &[
                    tls::record(20, tls::TLS12, &[1]),
                    tls::application_data("finished", 74),
                ]
                .concat(),
            );
            exchange(tcp, host);
        }
        Handshake::Classic(chain) => {
            tcp.client(&hello.record()).server(&server_flight(chain, false));
            tcp.client(
                &[
                    tls::record(22, tls::TLS12, &tls::client_key_exchange()),
                    tls::finished(),
                ]
                .concat(),
            );
            tcp.server(&tls::finished());
            exchange(tcp, host);
        }
        Handshake::Refused(chain, code) => {
            tcp.client(&hello.record()).server(&server_flight(chain, false));
            tcp.client(&tls::alert(2, *code)).client_close();
        }
        Handshake::Reset => {
            tcp.client(&hello.record()).server_rst();
        }
        Handshake::LocalReset => {
            tcp.client(&hello.record()).client_rst();
        }
        Handshake::Silence => {
            tcp.client(&hello.record()).wait_ms(21_000).client_close();
        }
        Handshake::ServerAlert(code) => {
            tcp.client(&hello.record())
                .server(&tls::alert(2, *code))
                .server_close();
        }
        Handshake::OldVersion(version) => {
            let suites = [0xc014, 0xc013, 0x0035, 0x002f, 0x000a];
            let old = hello.versions(&[*version]).ciphers(&suites);
            tcp.client(&old.record())
                .server(&tls::alert(2, tls::PROTOCOL_VERSION))
                .server_close();
        }
        Handshake::NoClientCertificate(chain) => client_certificate(tcp, host, chain, &[]),
        Handshake::ClientCertificate(chain, own) => client_certificate(tcp, host, chain, own),
    }
}

fn server_flight(chain: &[Vec<u8>], ask_client: bool) -> Vec<u8> {
    let mut messages = vec![
        tls::server_hello(tls::TLS12, 0xc030, Some("h2")),
        tls::certificate(chain),
        tls::server_key_exchange(),
    ];
    if ask_client {
        messages.push(tls::certificate_request());
    }
    messages.push(tls::server_hello_done());
    tls::record(22, tls::TLS12, &messages.concat())
}

fn client_certificate(tcp: &mut Tcp<'_>, host: &str, chain: &[Vec<u8>], own: &[Vec<u8>]) {
    let hello = tls::ClientHello::new(host).versions(&[tls::TLS12]);
    tcp.client(&hello.record()).server(&server_flight(chain, true));
    let mut messages = vec![tls::certificate(own), tls::client_key_exchange()];
    if !own.is_empty() {
        messages.push(tls::certificate_verify());
    }
    tcp.client(&[tls::record(22, tls::TLS12, &messages.concat()), tls::finished()].concat());
    tcp.server(&tls::finished());
    exchange(tcp, host);
}

fn exchange(tcp: &mut Tcp<'_>, host: &str) {
    tcp.client(&tls::application_data(&format!("request {host}"), 420))
        .wait_ms(60);
    tcp.server(&tls::application_data(&format!("response {host}"), 3_300))
        .client_close();
}
