//! Files as collection tools leave them: Authlogs folder, network trace, its cabinet, diagnostic cabinet.

use super::Case;
use super::world::{CLIENT, PROCESSES, SYSTEM};
use crate::archive::{Cab, CabMethod, Member, Zip};
use crate::etl::{Etl, Interface, Process};
use crate::event::Event;
use crate::evtx::Evtx;
use crate::moment::Moment;
use crate::net::Host;
use crate::text::{Dsregcmd, Encoding, authlogs, windows};

/// Event-log files of an Authlogs folder and their channels.
const LOGS: [(&str, &str); 12] = [
    ("Aad_Oper.evtx", "Microsoft-Windows-AAD/Operational"),
    ("Aad_Analytic.evtx", "Microsoft-Windows-AAD/Analytic"),
    (
        "UsrDeviceReg_Adm.evtx",
        "Microsoft-Windows-User Device Registration/Admin",
    ),
    ("Hfb_Oper.evtx", "Microsoft-Windows-HelloForBusiness/Operational"),
    ("Capi2_Oper.evtx", "Microsoft-Windows-CAPI2/Operational"),
    ("Kerb_Oper.evtx", "Microsoft-Windows-Kerberos/Operational"),
    ("NTLM_Oper.evtx", "Microsoft-Windows-NTLM/Operational"),
    ("WebAuthn_Oper.evtx", "Microsoft-Windows-WebAuthN/Operational"),
    ("GroupPolicy.evtx", "Microsoft-Windows-GroupPolicy/Operational"),
    (
        "DeviceManagement_Adm.evtx",
        "Microsoft-Windows-DeviceManagement-Enterprise-Diagnostics-Provider/Admin",
    ),
    ("System.evtx", "System"),
    ("Application.evtx", "Application"),
];

impl Case {
    /// What `Add-Content` and cmd write on this system.
    pub fn ansi(&self) -> Encoding {
        if self.id.japanese {
            Encoding::Cp932
        } else {
            Encoding::Cp1252
        }
    }

    /// An event log with the records of one channel.
    pub fn evtx(&self, channel: &str) -> Vec<u8> {
        Evtx::new(&self.id.fqdn())
            .first_record(4_100)
            .events(self.channel(channel))
            .write()
    }

    /// The network trace as `netsh trace stop` leaves it: merged, with schemas, interfaces and packets.
    pub fn nettrace(&self) -> Vec<u8> {
        self.trace_file().write()
    }

    /// The same, before writing, for cases that want it damaged or lossy.
    pub fn trace_file(&self) -> Etl {
        self.trace_since(self.start)
    }

    /// The same as a piece of a trace that began earlier.
    pub(super) fn trace_since(&self, start: Moment) -> Etl {
        let path = r"C:\Users\user1\AppData\Local\Temp\NetTraces\NetTrace.etl";
        let mut etl = Etl::new(start)
            .cpus(4)
            .zone(self.id.zone_min)
            .merged(path)
            .end(self.stop);
        // Stories tell of earlier attempts too; the trace saw only those of its own time.
        let during = |at: Moment| at >= self.start && at <= self.stop;
        let mut wire = self.wire.clone();
        wire.frames.retain(|f| during(f.at));
        etl.packets(&wire, 12);
        for (n, event) in self.trace.iter().filter(|e| during(e.at)).enumerate() {
            etl.event(&event.clone().cpu(n as u16 % 4));
        }
        let ethernet = Interface {
            index: 12,
            alias: if self.id.japanese {
                "イーサネット".into()
            } else {
                "Ethernet".into()
            },
            description: "Intel(R) Ethernet Connection I219-LM".into(),
            kind: 6,
            host: Host(CLIENT.into()),
        };
        etl.packet_schema(self.stop).interface(&ethernet, self.stop);
        for sample in distinct(&self.trace) {
            etl.schema(sample, self.stop);
        }
        etl
    }

    /// `kernel.etl`: the processes.
    pub fn kernel_trace(&self) -> Vec<u8> {
        let mut etl = Etl::new(self.start)
            .names("NT Kernel Logger", r"C:\Auth\authlogs\kernel.etl")
            .end(self.stop);
        for who in PROCESSES {
            let sid = if who.system { SYSTEM } else { self.id.sid.as_str() };
            let mut process = Process::new(who.pid, who.image, sid);
            process.session = u32::from(!who.system);
            etl.process_rundown(&process, self.start.plus_ms(5));
        }
        etl.write()
    }

    /// The Authlogs folder with its usual files; files added to the case replace them.
    pub fn authlogs(&self, dsregcmd: &Dsregcmd) -> Vec<Member> {
        let ansi = self.ansi();
        let status = ansi.encode(&dsregcmd.text());
        let wide = |text: String| Encoding::Utf16Le.encode(&text);
        let processes: Vec<(&str, u32, &str)> = PROCESSES
            .iter()
            .map(|w| {
                (
                    w.image,
                    w.pid,
                    if w.image == "lsass.exe" {
                        "KeyIso, SamSs, VaultSvc"
                    } else {
                        "N/A"
                    },
                )
            })
            .collect();
        let build = authlogs::build(&self.id);
        let info = authlogs::script_info(&self.id, &["vAuth"], self.start, Some(self.stop));
        let mut files = vec![
            Member::new("script-info.txt", ansi.encode(&info)),
            Member::new("Build.txt", ansi.encode(&build)),
            Member::new("Dsregcmd.txt", status.clone()),
            Member::new("Dsregcmddebug.txt", status.clone()),
            Member::new("PreTraceLogs/DsRegCmdStatus.txt", status),
            Member::new(
                "Tasklist.txt",
                ansi.encode(&authlogs::tasklist(&self.id, &processes)),
            ),
            Member::new(
                "Ipconfig-info.txt",
                ansi.encode(&authlogs::ipconfig(&self.id, "192.0.2.42", "192.0.2.10")),
            ),
            Member::new("whoami.txt", ansi.encode(&authlogs::whoami(&self.id))),
            Member::new(
                "Netsetup.log",
                ansi.encode(&authlogs::netsetup(&self.id, self.start.plus_s(-40_000_000))),
            ),
            Member::new("CDJ-AAD.txt", wide(authlogs::reg_missing(&self.id))),
            Member::new("Schannel-key.txt", wide(schannel_key())),
            Member::new("WinHttp-TLS-key.txt", wide(authlogs::reg_missing(&self.id))),
            Member::new("Reg-WPJ-Policy-key.txt", wide(authlogs::reg_missing(&self.id))),
            Member::new("Nettrace.etl", self.nettrace()),
            Member::new("kernel.etl", self.kernel_trace()),
        ];
        for (name, channel) in LOGS {
            files.push(Member::new(name, self.evtx(channel)));
        }
        for own in &self.files {
            files.retain(|m| m.name != own.name);
            files.push(own.clone());
        }
        files.retain(|m| !self.missing.contains(&m.name.as_str()));
        files
    }

    /// The folder zipped by Explorer.
    pub fn authlogs_zip(&self, dsregcmd: &Dsregcmd) -> Vec<u8> {
        let files = self
            .authlogs(dsregcmd)
            .into_iter()
            .map(|m| Member::new(&format!("Authlogs/{}", m.name), m.data));
        Zip::new()
            .dated(self.stop.plus_s(120), self.id.zone_min)
            .files(files)
            .write()
    }

    /// `nettrace.cab`: a copy of the trace and the text reports.
    pub fn nettrace_cab(&self, trace: &[u8], proxy: Option<&str>) -> Vec<u8> {
        let ansi = self.ansi();
        Cab::new(CabMethod::MsZip)
            .dated(self.stop.plus_s(30), self.id.zone_min)
            .file("report.etl", trace)
            .file(
                "report.html",
                b"<html><head><title>Network Trace Report</title></head><body></body></html>".to_vec(),
            )
            .file("osinfo.txt", ansi.encode(&windows::systeminfo(&self.id)))
            .file(
                "envinfo.txt",
                ansi.encode(&windows::winhttp_proxy(&self.id, proxy)),
            )
            .file(
                "ipconfig.txt",
                ansi.encode(&authlogs::ipconfig(&self.id, "192.0.2.42", "192.0.2.10")),
            )
            .write()
    }

    /// A diagnostic (SDP) cabinet with its result files and these members.
    pub fn sdp_cab(&self, members: Vec<Member>) -> Vec<u8> {
        let name = "Office sign-in and authentication diagnostic";
        Cab::new(CabMethod::MsZip)
            .dated(self.stop.plus_s(60), self.id.zone_min)
            .file(
                "results.xml",
                Encoding::Utf8.encode(&windows::sdp_results("ICE", name)),
            )
            .file(
                "ResultReport.xml",
                Encoding::Utf8.encode(&windows::sdp_report(&self.id, &[])),
            )
            .files(members)
            .write()
    }
}

/// One sample of each kind of event.
fn distinct(events: &[Event]) -> Vec<&Event> {
    let mut seen: Vec<(&str, u16, u8)> = vec![];
    let mut out = vec![];
    for event in events {
        let key = (event.provider.guid, event.id, event.version);
        if !seen.contains(&key) {
            seen.push(key);
            out.push(event);
        }
    }
    out
}

fn schannel_key() -> String {
    let base = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL";
    authlogs::reg_query(&[
        (base, &[("EventLogging", "REG_DWORD", "0x1")]),
        (
            &format!(r"{base}\Protocols\TLS 1.2\Client"),
            &[
                ("Enabled", "REG_DWORD", "0x1"),
                ("DisabledByDefault", "REG_DWORD", "0x0"),
            ],
        ),
    ])
}
