//! Object stores on this machine: moto for S3, Azurite for Azure. What is not installed is skipped with a word.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::trial::{Place, Ran};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    S3,
    Azure,
}

pub(crate) struct Server {
    kind: Kind,
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MOTO: &str = "
import sys
try:
    from moto.server import ThreadedMotoServer
except ImportError:
    sys.exit(7)
import logging
logging.disable(logging.CRITICAL)
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0)
server.start()
print('http://127.0.0.1:%d' % server.get_host_and_port()[1], flush=True)
sys.stdin.read()
";

/// One request to Azurite, signed with the key every emulator has: port, method, target, body.
const AZURE: &str = "
import base64, email.utils, hashlib, hmac, http.client, sys, urllib.parse
port, method, target, body = sys.argv[1:5]
account = 'devstoreaccount1'
key = base64.b64decode('Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==')
path, _, query = target.partition('?')
headers = {'x-ms-date': email.utils.formatdate(usegmt=True), 'x-ms-version': '2021-08-06'}
if method == 'PUT' and not query:
    headers['x-ms-blob-type'] = 'BlockBlob'
lines = [method, '', '', str(len(body.encode())) if body else '', *[''] * 8]
lines += [f'{name}:{headers[name]}' for name in sorted(headers)]
lines += [f'/{account}/{account}{path}']
lines += [f'{name}:{value}' for name, value in sorted(urllib.parse.parse_qsl(query))]
sign = hmac.new(key, '\\n'.join(lines).encode(), hashlib.sha256).digest()
headers['Authorization'] = f'SharedKey {account}:{base64.b64encode(sign).decode()}'
connection = http.client.HTTPConnection('127.0.0.1', int(port))
connection.request(method, f'/{account}{target}', body.encode(), headers)
answer = connection.getresponse()
print(answer.status)
print(answer.read().decode(), end='')
";

/// All that can be started here.
pub(crate) fn servers() -> Vec<Server> {
    let mut moto = Command::new("python3");
    moto.args(["-c", MOTO]);
    let mut azurite = Command::new("azurite-blob");
    azurite.args(["--silent", "--disableTelemetry", "--inMemoryPersistence"]);
    azurite.args([
        "--skipApiVersionCheck",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        "0",
    ]);
    [
        start(Kind::S3, moto, "Python has no moto[server]"),
        start(
            Kind::Azure,
            azurite,
            "no azurite-blob on the path (npm install azurite)",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Waits for the line that names the port.
fn start(kind: Kind, mut command: Command, missing: &str) -> Option<Server> {
    let started = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        println!("skipped: {missing}");
        return None;
    };
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while said.read_line(&mut line).unwrap() > 0 {
        if let Some((_, port)) = line.trim().split_once("http://127.0.0.1:") {
            let port = port.parse().unwrap();
            std::thread::spawn(move || said.lines().for_each(drop));
            return Some(Server { kind, child, port });
        }
        line.clear();
    }
    println!("skipped: {missing}");
    let _ = child.wait();
    None
}

impl Server {
    /// `share=` and `out=` in this store.
    pub(crate) fn places(&self) -> [&'static str; 2] {
        match self.kind {
            Kind::S3 => ["share=s3://uploads/in", "out=s3://results/night"],
            Kind::Azure => ["share=az://uploads/in", "out=az://results/night"],
        }
    }

    /// One request; status and body.
    fn ask(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        match self.kind {
            Kind::S3 => self.plain(method, target, body),
            Kind::Azure => self.signed(method, target, body),
        }
    }

    fn plain(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        // Not checked, but without one moto refuses what is there already.
        let sign = "AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: {sign}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }

    fn signed(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        let port = self.port.to_string();
        let asked = Command::new("python3")
            .args(["-c", AZURE, &port, method, target, body])
            .output()
            .unwrap();
        let answer = String::from_utf8(asked.stdout).unwrap();
        let (status, body) = answer.split_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Makes the buckets or containers of [`Server::places`].
    pub(crate) fn make_places(&self) {
        for name in ["uploads", "results"] {
            let (target, made) = match self.kind {
                Kind::S3 => (format!("/{name}"), 200),
                Kind::Azure => (format!("/{name}?restype=container"), 201),
            };
            assert_eq!(self.ask("PUT", &target, "").0, made, "{name}");
        }
    }

    pub(crate) fn put(&self, key: &str, text: &str) {
        let (status, answer) = self.ask("PUT", key, text);
        assert!(
            matches!(status, 200 | 201),
            "{:?} {key}: {status} {answer}",
            self.kind
        );
    }

    pub(crate) fn get(&self, key: &str) -> String {
        self.ask("GET", key, "").1
    }

    /// Keys of results below a prefix.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = prefix.replace('=', "%3D");
        let (target, tag) = match self.kind {
            Kind::S3 => (format!("/results?list-type=2&prefix={prefix}"), "Key"),
            Kind::Azure => (
                format!("/results?comp=list&prefix={prefix}&restype=container"),
                "Name",
            ),
        };
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let (status, body) = self.ask("GET", &target, "");
        assert_eq!(status, 200, "{body}");
        let parts = body.split(&open).skip(1);
        parts
            .map(|part| part.split(&close).next().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn run(&self, place: &Place, arguments: &[&str]) -> Ran {
        Ran(self.command(place, arguments).output().unwrap())
    }

    pub(crate) fn command(&self, place: &Place, arguments: &[&str]) -> Command {
        let mut command = place.command(arguments);
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        match self.kind {
            Kind::S3 => command
                .env("AWS_ENDPOINT", endpoint)
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("AWS_REGION", "us-east-1"),
            Kind::Azure => command
                .env("AZURE_STORAGE_USE_EMULATOR", "true")
                .env("AZURITE_BLOB_STORAGE_URL", endpoint),
        };
        command
    }
}
