//! CAPI2's records of one certificate check: the certificates, the chain, the verdict.

use super::events::CAPI2;
use super::world::SYSTEM;
use crate::bytes::guid_for;
use crate::event::{Element, Event};
use crate::moment::Moment;

/// What all three records of a check share.
struct Check<'a> {
    task: String,
    process: &'a str,
    subjects: &'a [&'a str],
    result: u32,
    text: &'a str,
}

fn file_of(subject: &str) -> String {
    format!("{}.cer", guid_for(subject).replace('-', "").to_uppercase())
}

fn certificate(subject: &str) -> Element {
    Element::new("Certificate")
        .attr("fileRef", &file_of(subject))
        .attr("subjectName", subject)
}

impl Check<'_> {
    /// Adds the chain, process, task link and result that end both 11 and 30.
    fn end(&self, element: Element, sequence: &str) -> Element {
        let value = if self.result == 0 {
            "0".to_owned()
        } else {
            format!("{:X}", self.result)
        };
        let link = Element::new("CorrelationAuxInfo")
            .attr("TaskId", &self.task)
            .attr("SeqNumber", sequence);
        element
            .child(Element::new("EventAuxInfo").attr("ProcessName", self.process))
            .child(link)
            .child(Element::new("Result").attr("value", &value).text(self.text))
    }

    fn chain(&self, parent: Element) -> Element {
        self.subjects.iter().fold(parent, |e, s| {
            e.child(Element::new("ChainElement").child(certificate(s)))
        })
    }

    fn leaf(&self) -> Element {
        certificate(self.subjects.first().copied().unwrap_or_default())
    }

    fn build(&self) -> Element {
        let untrusted = self.result == 0x800b_0109;
        let error = Element::new("ErrorStatus")
            .attr("value", if untrusted { "20" } else { "0" })
            .attr(
                "CERT_TRUST_IS_UNTRUSTED_ROOT",
                if untrusted { "true" } else { "false" },
            );
        let status = Element::new("TrustStatus").child(error);
        let chain = self.chain(Element::new("CertificateChain").child(status));
        self.end(
            Element::new("CertGetCertificateChain")
                .child(self.leaf())
                .child(chain),
            "1",
        )
    }

    fn verify(&self, host: &str) -> Element {
        let policy = Element::new("Policy")
            .attr("type", "CERT_CHAIN_POLICY_SSL")
            .attr("constant", "4");
        let server = Element::new("SSLAdditionalPolicyInfo")
            .attr("authType", "server")
            .attr("serverName", host);
        let status = Element::new("Status")
            .attr("chainIndex", "0")
            .attr("elementIndex", "-1");
        let verify = Element::new("CertVerifyCertificateChainPolicy")
            .child(policy)
            .child(self.leaf())
            .child(self.chain(Element::new("CertificateChain")))
            .child(server)
            .child(status);
        self.end(verify, "2")
    }

    /// Each certificate with subject and issuer; the last one signs itself.
    fn objects(&self) -> Element {
        let named = |tag: &str, name: &str| Element::new(tag).child(Element::new("CN").text(name));
        let list =
            self.subjects
                .iter()
                .enumerate()
                .fold(Element::new("X509Objects"), |list, (index, subject)| {
                    let issuer = self.subjects.get(index + 1).unwrap_or(subject);
                    list.child(
                        certificate(subject)
                            .child(named("Subject", subject))
                            .child(named("Issuer", issuer)),
                    )
                });
        list.child(Element::new("EventAuxInfo").attr("ProcessName", self.process))
    }
}

/// CAPI2 90 (certificates), 11 (build chain) and 30 (verify policy) for a server, with the result of the latter.
/// `subjects` is the chain, leaf first.
pub fn capi2(
    at: Moment,
    host: &str,
    process: &str,
    subjects: &[&str],
    result: u32,
    text: &str,
) -> Vec<Event> {
    let task = format!(
        "{{{}}}",
        guid_for(&format!("capi2 {host} {}", at.0)).to_uppercase()
    );
    let check = Check {
        task,
        process,
        subjects,
        result,
        text,
    };
    let level = if result == 0 { 4 } else { 2 };
    let record = |id: u16, ms: i64, level: u8, data: Element| {
        Event::new(CAPI2, id, at.plus_ms(ms))
            .level(level)
            .user(SYSTEM)
            .process(712, 2300)
            .user_data(data)
    };
    vec![
        record(90, -1, 4, check.objects()),
        record(11, 0, level, check.build()),
        record(30, 2, level, check.verify(host)),
    ]
}
