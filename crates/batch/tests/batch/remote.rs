//! The same protocol over an S3-style store: a moto server on this machine, where Python has it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::trial::{Place, Ran, kill};

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PYTHON: &str = "
import sys
try:
    from moto.server import ThreadedMotoServer
except ImportError:
    sys.exit(7)
import logging
logging.disable(logging.CRITICAL)
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
";

/// `None`, with a word, where moto is missing.
fn server() -> Option<Server> {
    let started = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        println!("skipped: no python3");
        return None;
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    match line.trim().parse() {
        Ok(port) => Some(Server { child, port }),
        Err(_) => {
            println!("skipped: Python has no moto[server]");
            let _ = child.wait();
            None
        }
    }
}

impl Server {
    /// One plain HTTP request; status and body.
    fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap();
        (status, body)
    }

    fn run(&self, place: &Place, arguments: &[&str]) -> Ran {
        Ran(self.command(place, arguments).output().unwrap())
    }

    fn command(&self, place: &Place, arguments: &[&str]) -> Command {
        let mut command = place.command(arguments);
        command
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1");
        command
    }

    /// Keys below a prefix.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let (_, body) = self.http("GET", &format!("/results?list-type=2&prefix={prefix}"), "");
        body.split("<Key>")
            .skip(1)
            .map(|part| part.split("</Key>").next().unwrap().to_owned())
            .collect()
    }
}

const PLACES: [&str; 2] = ["share=s3://uploads/in", "out=s3://results/night"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    let mut all = vec!["run"];
    all.extend(PLACES);
    all.extend(more);
    all
}

#[test]
fn a_share_and_an_output_in_a_store() {
    let Some(server) = server() else { return };
    let place = Place::new();
    for bucket in ["/uploads", "/results"] {
        assert_eq!(server.http("PUT", bucket, "").0, 200);
    }
    for at in 0..4 {
        server.http(
            "PUT",
            &format!("/uploads/in/case{at}/a/log.txt"),
            &format!("content {at}"),
        );
    }
    server.http("PUT", "/uploads/in/lone.zip", "pk");
    let first = server.run(&place, &with(&["jobs=2"]));
    assert_eq!(
        first.code(),
        0,
        "{} {}",
        first.text(),
        String::from_utf8_lossy(&first.0.stderr)
    );
    assert_eq!(first.last()["ended"]["published"], 5);
    assert_eq!(server.keys("night/manifests/").len(), 5);
    assert_eq!(server.keys("night/timeline/month=2026-03/").len(), 5);
    assert_eq!(server.keys("night/leases/").len(), 0);
    let again = server.run(&place, &with(&[])).last();
    assert_eq!(again["planned"]["published"], 5, "{again}");
    second_writer_loses(&server, &place);
    damaged_manifest_is_replaced(&server, &place);
}

/// One worker is held up just before its conditional PUT; another publishes; the first gets 412.
fn second_writer_loses(server: &Server, place: &Place) {
    server.http("PUT", "/uploads/in/race/log.txt", "race");
    let go = format!("go={}", place.path("go").display());
    let mut arguments = with(&["stop-at=synced"]);
    arguments.push(&go);
    let mut held = server
        .command(place, &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(held.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("reached") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    let other = server.run(place, &with(&["lease-ms=0"])).last();
    assert_eq!(other["ended"]["published"], 1, "{other}");
    std::fs::write(place.path("go"), "").unwrap();
    let rest: Vec<String> = out.lines().map(Result::unwrap).collect();
    assert!(held.wait().unwrap().success());
    assert!(
        rest.iter().any(|line| line.contains("\"status\":\"lost_race\"")),
        "{rest:?}"
    );
    assert_eq!(server.keys("night/manifests/").len(), 6);
    let data: std::collections::BTreeSet<String> = server
        .keys("night/data/")
        .iter()
        .map(|key| key.rsplit_once('/').unwrap().0.to_owned())
        .collect();
    assert_eq!(data.len(), 6, "the loser's upload is gone");
}

fn damaged_manifest_is_replaced(server: &Server, place: &Place) {
    let key = server.keys("night/manifests/").pop().unwrap();
    server.http("PUT", &format!("/results/{key}"), "{ damaged");
    let ran = server.run(place, &with(&[]));
    assert_eq!(ran.last()["ended"]["published"], 1, "{}", ran.text());
    let (_, body) = server.http("GET", &format!("/results/{key}"), "");
    assert!(serde_json::from_str::<Value>(&body).is_ok());
}

#[test]
fn a_worker_killed_over_a_store_leaves_nothing_visible() {
    let Some(server) = server() else { return };
    let place = Place::new();
    for bucket in ["/uploads", "/results"] {
        server.http("PUT", bucket, "");
    }
    server.http("PUT", "/uploads/in/case/log.txt", "content");
    let arguments = with(&["stop-at=synced", "lease-ms=1000"]);
    let mut worker = server
        .command(&place, &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(worker.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("reached"));
    kill(worker);
    assert_eq!(server.keys("night/manifests/").len(), 0);
    // The store's times have whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let ran = server.run(&place, &with(&["lease-ms=1000"]));
    assert_eq!(ran.last()["ended"]["published"], 1, "{}", ran.text());
    assert_eq!(server.keys("night/manifests/").len(), 1);
    let mut janitor = vec!["janitor", "older-ms=0"];
    janitor.extend(PLACES);
    let said = server.run(&place, &janitor).last();
    assert!(said["stages_removed"].as_u64().unwrap() > 0, "{said}");
}
