//! LDAP messages of a directory search.
//!
//! Source: RFC 4511.

use crate::der::{application, boolean, enumerated, integer, octets, sequence, set, tlv};

/// A base-object search with filter `(objectClass=*)`. `scope`: 0 base, 1 one level, 2 subtree.
pub fn search(id: i64, base: &str, scope: i64, attributes: &[&str]) -> Vec<u8> {
    let wanted: Vec<Vec<u8>> = attributes.iter().map(|a| octets(a.as_bytes())).collect();
    let operation = [
        octets(base.as_bytes()),
        enumerated(scope),
        enumerated(0),
        integer(0),
        integer(120),
        boolean(false),
        // Filter: present [7].
        tlv(0x87, b"objectClass"),
        sequence(&wanted),
    ];
    sequence(&[integer(id), application(3, &operation.concat())])
}

/// A found entry with one attribute.
pub fn entry(id: i64, dn: &str, attribute: &str, values: &[&str]) -> Vec<u8> {
    let list: Vec<Vec<u8>> = values.iter().map(|v| octets(v.as_bytes())).collect();
    let one = sequence(&[octets(attribute.as_bytes()), set(&list)]);
    sequence(&[
        integer(id),
        application(4, &[octets(dn.as_bytes()), sequence(&[one])].concat()),
    ])
}

/// The end of a search: 0 success, 32 noSuchObject, 50 insufficientAccessRights.
pub fn done(id: i64, result: i64, message: &str) -> Vec<u8> {
    let body = [enumerated(result), octets(b""), octets(message.as_bytes())].concat();
    sequence(&[integer(id), application(5, &body)])
}

/// A simple anonymous bind and its answer are not needed by any rule; SASL binds are noise on the wire.
pub fn bind(id: i64) -> Vec<u8> {
    let body = [integer(3), octets(b""), tlv(0x80, b"")].concat();
    sequence(&[integer(id), application(0, &body)])
}

/// bindResponse success.
pub fn bind_done(id: i64) -> Vec<u8> {
    sequence(&[
        integer(id),
        application(1, &[enumerated(0), octets(b""), octets(b"")].concat()),
    ])
}
