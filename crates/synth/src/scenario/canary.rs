//! Made-up secrets and a made-up person that every bundle carries in plain sight, so that a test can search all outputs for
//! them: as UTF-8 and UTF-16, percent-encoded and in base64.

/// A secret.
pub const SECRET: &str = "CANARY7Zq4Kx9wB2mT";
/// A person nobody else in the bundles is named after.
pub const PERSON: &str = "canary.person@fabrikam-secret.com";

/// `client_secret=…` in base64.
const SECRET_BASE64: &str = "Y2xpZW50X3NlY3JldD1DQU5BUlk3WnE0S3g5d0IybVQ=";
/// `password=…` as UTF-16, in base64.
const SECRET_WIDE_BASE64: &str = "cABhAHMAcwB3AG8AcgBkAD0AQwBBAE4AQQBSAFkANwBaAHEANABLAHgAOQB3AEIAMgBtAFQA";
/// A sentence with the person in base64.
const PERSON_BASE64: &str = "c2lnbmVkIGluIGFzIGNhbmFyeS5wZXJzb25AZmFicmlrYW0tc2VjcmV0LmNvbSBqdXN0IG5vdw==";

/// Target of an HTTP request that carries both.
pub(crate) fn target(path: &str) -> String {
    let person = PERSON.replace('@', "%40");
    format!(
        "{path}?code={SECRET}&ru=https%3A%2F%2Fapp.example%2Fcb%3Fid_token%3D{SECRET}&login_hint={person}"
    )
}

/// Headers of an HTTP request that carry both.
pub(crate) fn headers() -> Vec<String> {
    vec![
        format!("Authorization: Bearer {SECRET}{SECRET}"),
        format!("Cookie: ESTSAUTHPERSISTENT={SECRET}; x-ms-gateway-slice=estsfd"),
        format!("X-Note: {SECRET_BASE64}"),
        format!("X-Wide: {SECRET_WIDE_BASE64}"),
        format!("X-Who: {PERSON_BASE64}"),
        format!("From: {PERSON}"),
    ]
}

/// A sentence of a log that carries both; event logs and some texts keep it as UTF-16.
pub(crate) fn sentence() -> String {
    format!("retry for {PERSON} with client_secret={SECRET} data {SECRET_BASE64}")
}
