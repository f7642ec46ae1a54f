//! Texts with something to redact, and questions to the knowledge base.

/// Secrets and identities in every wrapping that is known.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyMSIsInVwbiI6InVzZXIxQGNvbnRvc28uY29tIn0.c2lnbmF0dXJl";
    let texts = [
        format!("Authorization: Bearer {jwt}\r\nCookie: ESTSAUTH=abc; x=y\r\nSet-Cookie: fpc=1; path=/"),
        "password=hunter2&user=me&code=0.AAAA&client_secret=s%3Dt&state=x".into(),
        r#"{"access_token":"abc","refresh_token":"def","user":"user1@contoso.com","nested":"{\"password\":\"x\"}"}"#.into(),
        r"CORP\user1 at PC042.corp.contoso.com (192.0.2.42, 2001:db8::1, fe80::1%12) S-1-5-21-1004336348-1177238915-682003330-1104".into(),
        "tenant aaaabbbb-0000-cccc-1111-dddd2222eeee device 00001111-aaaa-2222-bbbb-3333cccc4444 correlation 6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11".into(),
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n".into(),
        "cGFzc3dvcmQ9aHVudGVyMiZ1c2VyPW1l and %70assword%3Dhunter2 and https://u:p@a.example/?sig=abc%2Fd&se=2026".into(),
        "user-1a2b3c4d@h-1a2b3c4d.example 240.1.2.3 ca5e0000-0000-0000-0000-000000000000 ***".into(),
        "<wsse:Password Type=\"x\">hunter2</wsse:Password><saml:Assertion ID=\"a\">text</saml:Assertion>".into(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Questions in every spelling.
pub(crate) fn questions() -> Vec<Vec<u8>> {
    [
        "0x801c03f2",
        "-2145648607",
        "2148734208",
        "12007",
        "AADSTS50126",
        "50126",
        "ERROR_WINHTTP_NAME_NOT_RESOLVED",
        "STATUS_LOGON_FAILURE",
        "KDC_ERR_PREAUTH_FAILED",
        "User Device Registration 304",
        "Microsoft-Windows-AAD/1098",
        "304",
        "login.microsoftonline.com",
        "https://device.login.microsoftonline.com/x",
        "DSREG_AUTOJOIN_DISC_FAILD",
        "407",
        "",
        " \t",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// Times in every spelling, and zones.
pub(crate) fn times() -> Vec<Vec<u8>> {
    [
        "2026-03-02T01:16:11Z",
        "2026-03-02T01:16:11.123456789+09:00",
        "1677-09-21T00:12:43.145224193Z",
        "2262-04-11T23:47:16.854775807Z",
        "2026-06-30T23:59:60Z",
        "2026-03-02 01:16:11",
        "Tokyo Standard Time",
        "(UTC+09:00) Osaka, Sapporo, Tokyo",
        "Europe/Berlin",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}
