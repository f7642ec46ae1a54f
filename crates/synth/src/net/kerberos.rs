//! Kerberos messages over UDP (prefix with a length for TCP).
//!
//! Source: RFC 4120 §5.4, §5.9. Encrypted parts are noise.

use crate::bytes::noise;
use crate::der::{application, bits, context, general, integer, octets, sequence, tlv};
use crate::moment::Moment;

/// KDC_ERR_C_PRINCIPAL_UNKNOWN.
pub const C_PRINCIPAL_UNKNOWN: i64 = 6;
/// KDC_ERR_S_PRINCIPAL_UNKNOWN.
pub const S_PRINCIPAL_UNKNOWN: i64 = 7;
/// KDC_ERR_PREAUTH_REQUIRED: part of every normal password logon.
pub const PREAUTH_REQUIRED: i64 = 25;
/// KDC_ERR_PREAUTH_FAILED.
pub const PREAUTH_FAILED: i64 = 24;
/// KRB_AP_ERR_SKEW.
pub const SKEW: i64 = 37;
/// KDC_ERR_PADATA_TYPE_NOSUPP.
pub const PADATA_TYPE_NOSUPP: i64 = 16;

fn time(at: Moment) -> Vec<u8> {
    tlv(0x18, at.format("%Y%m%d%H%M%SZ", 0).as_bytes())
}

fn principal(kind: i64, parts: &[&str]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = parts.iter().map(|p| general(p)).collect();
    sequence(&[context(0, &integer(kind)), context(1, &sequence(&names))])
}

fn request_body(realm: &str, user: Option<&str>, service: &[&str], nonce: i64) -> Vec<u8> {
    let mut fields = vec![context(0, &bits(&[0x40, 0x81, 0x00, 0x10]))];
    if let Some(user) = user {
        fields.push(context(1, &principal(1, &[user])));
    }
    fields.push(context(2, &general(realm)));
    fields.push(context(3, &principal(2, service)));
    fields.push(context(5, &time(Moment::at("2037-09-13T02:48:05Z"))));
    fields.push(context(7, &integer(nonce)));
    fields.push(context(8, &sequence(&[integer(18), integer(17), integer(23)])));
    sequence(&fields)
}

/// AS-REQ of `user` for the realm's ticket-granting service; `preauth` adds an encrypted timestamp.
pub fn as_req(realm: &str, user: &str, preauth: bool) -> Vec<u8> {
    let mut fields = vec![context(1, &integer(5)), context(2, &integer(10))];
    if preauth {
        let data = sequence(&[context(0, &integer(18)), context(2, &octets(&noise(user, 56)))]);
        let pa = sequence(&[context(1, &integer(2)), context(2, &octets(&data))]);
        fields.push(context(3, &sequence(&[pa])));
    }
    fields.push(context(
        4,
        &request_body(realm, Some(user), &["krbtgt", realm], 0x1234_5678),
    ));
    application(10, &sequence(&fields))
}

/// TGS-REQ for a service such as `["HTTP", "sts.contoso.com"]`.
pub fn tgs_req(realm: &str, service: &[&str]) -> Vec<u8> {
    let ap_req = sequence(&[
        context(1, &integer(1)),
        context(2, &octets(&noise("ap-req", 900))),
    ]);
    application(
        12,
        &sequence(&[
            context(1, &integer(5)),
            context(2, &integer(12)),
            context(3, &sequence(&[ap_req])),
            context(4, &request_body(realm, None, service, 0x2345_6789)),
        ]),
    )
}

fn reply(kind: u8, realm: &str, user: &str, service: &[&str]) -> Vec<u8> {
    let enc = |label: &str, n: usize| {
        sequence(&[
            context(0, &integer(18)),
            context(1, &integer(2)),
            context(2, &octets(&noise(label, n))),
        ])
    };
    let ticket = application(
        1,
        &sequence(&[
            context(0, &integer(5)),
            context(1, &general(realm)),
            context(2, &principal(2, service)),
            context(3, &enc("ticket", 1000)),
        ]),
    );
    application(
        kind,
        &sequence(&[
            context(0, &integer(5)),
            context(1, &integer(i64::from(kind))),
            context(3, &general(realm)),
            context(4, &principal(1, &[user])),
            context(5, &ticket),
            context(6, &enc("reply", 280)),
        ]),
    )
}

/// AS-REP.
pub fn as_rep(realm: &str, user: &str) -> Vec<u8> {
    reply(11, realm, user, &["krbtgt", realm])
}

/// TGS-REP.
pub fn tgs_rep(realm: &str, user: &str, service: &[&str]) -> Vec<u8> {
    reply(13, realm, user, service)
}

/// KRB-ERROR; `server_time` is the KDC's clock.
pub fn error(realm: &str, service: &[&str], code: i64, server_time: Moment) -> Vec<u8> {
    application(
        30,
        &sequence(&[
            context(0, &integer(5)),
            context(1, &integer(30)),
            context(4, &time(server_time)),
            context(5, &integer(server_time.0.rem_euclid(1_000_000_000) / 1_000)),
            context(6, &integer(code)),
            context(9, &general(realm)),
            context(10, &principal(2, service)),
        ]),
    )
}

/// The four-byte length in front of a message on TCP.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = (message.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(message);
    out
}
