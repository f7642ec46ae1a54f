//! Archives to members, as a run opens them: unpacked, hashed, spooled, probed.

use std::io::Read;

use casetrace_bundle::{Case, Member, Secret};
use casetrace_model::{CountOnly, Limits};

use crate::decoders::whole;
use crate::input::PASSWORD;
use crate::{Failure, Given, Ready, Work};

/// Opens the archive; its spool file lies beside it.
fn open(given: &Given) -> Result<Case, Failure> {
    let folder = given.path.parent().ok_or("the input lies in no folder")?;
    let options = casetrace_bundle::Options {
        limits: Limits::default(),
        passwords: vec![Secret::new(PASSWORD.to_owned())],
        work_dir: folder.join("spool"),
        threads: 1,
    };
    let case = casetrace_bundle::open(std::slice::from_ref(&given.path), &options, &mut |_| {})?;
    let members = case.members.iter().flat_map(|member| &member.diagnostics);
    whole(members.chain(&case.diagnostics))?;
    Ok(case)
}

/// Everything the archive holds.
fn inside(case: &Case) -> impl Iterator<Item = &Member> {
    case.members.iter().filter(|member| member.parent.is_some())
}

/// Bytes and members.
pub(crate) fn unpack(given: &Given) -> Result<Ready, Failure> {
    let given = given.clone();
    Ok(Box::new(move || {
        let case = open(&given)?;
        Ok(Work {
            bytes: inside(&case).map(|member| member.size).sum(),
            items: inside(&case).count() as u64,
            read: 0,
        })
    }))
}

/// Recorded exchanges to rows, unpacking included.
pub(crate) fn saz(given: &Given) -> Result<Ready, Failure> {
    let given = given.clone();
    Ok(Box::new(move || {
        let case = open(&given)?;
        let members: Vec<&Member> = inside(&case).collect();
        let names: Vec<&str> = members
            .iter()
            .map(|member| member.path.rsplit_once("!/").map_or("", |(_, name)| name))
            .collect();
        let mut sink = CountOnly::default();
        for group in casetrace_saz::group(names.iter().copied()) {
            let part = |at: Option<usize>| at.and_then(|at| members.get(at)).map(|member| content(member));
            let [client, server, meta] = [group.client, group.server, group.meta].map(part);
            let [client, server, meta] = [client.transpose()?, server.transpose()?, meta.transpose()?];
            let session = casetrace_saz::Session {
                id: group.id,
                client: client.as_deref().unwrap_or_default(),
                server: server.as_deref().unwrap_or_default(),
                meta: meta.as_deref(),
            };
            casetrace_saz::decode_session(&session, &casetrace_saz::Options::default(), &mut sink);
        }
        Ok(Work {
            bytes: members.iter().map(|member| member.size).sum(),
            items: sink.rows,
            read: 0,
        })
    }))
}

fn content(member: &Member) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    member.open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
