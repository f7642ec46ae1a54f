//! Event-log records a case needs, with the field names and types of the real manifests.

use super::canary;
pub use super::certificates::capi2;
use super::world::SYSTEM;
use crate::event::{Event, Provider, Value};
use crate::moment::Moment;

const fn provider(name: &'static str, guid: &'static str, channel: &'static str) -> Provider {
    Provider { name, guid, channel }
}

const AAD_GUID: &str = "4de9bc9c-b27a-43c9-8994-0915f1a5e24f";
const UDR_GUID: &str = "23b8d46b-67dd-40a3-b636-d43e50552c6d";

/// AAD errors and warnings.
pub const AAD: Provider = provider(
    "Microsoft-Windows-AAD",
    AAD_GUID,
    "Microsoft-Windows-AAD/Operational",
);
/// AAD steps.
pub const AAD_ANALYTIC: Provider = provider(
    "Microsoft-Windows-AAD",
    AAD_GUID,
    "Microsoft-Windows-AAD/Analytic",
);
/// User Device Registration.
pub const UDR: Provider = provider(
    "Microsoft-Windows-User Device Registration",
    UDR_GUID,
    "Microsoft-Windows-User Device Registration/Admin",
);
/// Hello for Business.
pub const HELLO: Provider = provider(
    "Microsoft-Windows-HelloForBusiness",
    "906b8a99-63ce-58d7-86ab-10989bbd5567",
    "Microsoft-Windows-HelloForBusiness/Operational",
);
/// CAPI2.
pub const CAPI2: Provider = provider(
    "Microsoft-Windows-CAPI2",
    "5bbca4a8-b209-48dc-a8c7-b23d3e5216fb",
    "Microsoft-Windows-CAPI2/Operational",
);
/// Schannel.
pub const SCHANNEL: Provider = provider("Schannel", "1f678132-5938-4686-9fdc-c8ff68f15c85", "System");
/// Windows time.
pub const TIME_SERVICE: Provider = provider(
    "Microsoft-Windows-Time-Service",
    "06edcfeb-0fd1-4e53-acca-a6f8bbf81bcb",
    "System",
);
/// Group policy.
pub const GROUP_POLICY: Provider = provider(
    "Microsoft-Windows-GroupPolicy",
    "aea1b4fa-97d1-45f2-a64c-4d69fffd92c9",
    "System",
);
/// Netlogon.
pub const NETLOGON: Provider = provider("NETLOGON", "", "System");
/// TPM.
pub const TPM_WMI: Provider = provider(
    "Microsoft-Windows-TPM-WMI",
    "7d5387b0-cbe0-11da-a94d-0800200c9a66",
    "System",
);
/// Security audit.
pub const SECURITY: Provider = provider(
    "Microsoft-Windows-Security-Auditing",
    "54849625-5478-4994-a5ba-3e3b0328c30d",
    "Security",
);
/// Kerberos client.
pub const KERBEROS: Provider = provider(
    "Microsoft-Windows-Security-Kerberos",
    "98e6cfcb-ee0a-41e0-a57b-622d4e1b30b1",
    "System",
);
/// NTLM audit.
pub const NTLM: Provider = provider(
    "Microsoft-Windows-NTLM",
    "ac43300d-5fcc-4800-8e99-1bd3f85f0320",
    "Microsoft-Windows-NTLM/Operational",
);
/// Device management.
pub const MDM: Provider = provider(
    "Microsoft-Windows-DeviceManagement-Enterprise-Diagnostics-Provider",
    "3da494e4-0fe2-415c-b895-fb5265c5c83b",
    "Microsoft-Windows-DeviceManagement-Enterprise-Diagnostics-Provider/Admin",
);
/// Password writeback.
pub const PASSWORD_RESET: Provider = provider("PasswordResetService", "", "Application");
/// Synchronisation service.
pub const ADSYNC: Provider = provider("ADSync", "", "Application");

/// A User Device Registration event of SYSTEM.
pub fn udr(id: u16, level: u8, at: Moment) -> Event {
    Event::new(UDR, id, at)
        .level(level)
        .user(SYSTEM)
        .process(6124, 6140)
}

/// 201: discovery failed.
pub fn udr_201(at: Moment, exit: u32, http: u32, message: &str) -> Event {
    udr(201, 2, at)
        .field("ExitCode", exit as i32)
        .field("HttpStatus", http)
        .field("ServerMessage", message)
}

/// 204: the join request was refused.
pub fn udr_204(at: Moment, exit: u32, activity: &str, http: u32, response: &str) -> Event {
    udr(204, 2, at)
        .field("ExitCode", exit as i32)
        .field("ActivityId", activity)
        .field("HttpStatus", http)
        .field("ServerResponse", response)
}

/// 304: automatic registration failed; `phase` is the one the debug output names.
pub fn udr_304(at: Moment, exit: u32, server: &str, kind: &str, phase: &str, tenant: &str) -> Event {
    let tenant_type = if kind == "fed" { "Federated" } else { "Managed" };
    let debug = format!(
        "joinMode: Join\r\ndrsInstance: azure\r\nregistrationType: {kind}\r\ntenantType: {tenant_type}\r\ntenantId: {tenant}\r\nconfigLocation: undefined\r\nerrorPhase: {phase}\r\nadalCorrelationId: undefined\r\nadalLog: \r\nadalResponseCode: 0x0\r\n"
    );
    udr(304, 2, at)
        .field("ExitCode", exit as i32)
        .field("ServerErrorMessage", server)
        .field("TenantType", tenant_type)
        .field("JoinType", kind)
        .field("DebugOutput", debug)
}

/// 305: no access token for the registration service.
pub fn udr_305(at: Moment, exit: u32, adal: u32, message: &str, correlation: &str) -> Event {
    let text = format!(
        "AdalMessage: {message}\r\nAdalErrorCode: {adal:#x}\r\nAdalCorrelationId: {{{correlation}}}\r\nAdalLog:  HRESULT: {adal:#x}\r\n"
    );
    udr(305, 2, at)
        .field("ExitCode", exit as i32)
        .field("ServerErrorMessage", text)
        .field("TenantType", "Federated")
        .field("TenantName", "contoso.com")
}

/// 339: a proxy is used for the request.
pub fn udr_339(at: Moment, proxy: &str, port: u32) -> Event {
    udr(339, 4, at)
        .field("fProxy", "true")
        .field("fBypass", "false")
        .field("INTERNET_SCHEME", 1u32)
        .field("pwszProxy", proxy)
        .field("ProxyPort", port)
}

/// 336 (no proxy found, going direct), 337 (request through the proxy failed) or 340.
pub fn udr_wpad(id: u16, at: Moment, error: u32) -> Event {
    udr(id, if id == 336 { 4 } else { 2 }, at)
        .field("dwInternetStatus", 0u32)
        .field("dwResult", Value::U64(0))
        .field("dwError", error)
        .field("InternetStatus", "")
        .field("Result", "")
}

/// 301: key registration was refused.
pub fn udr_301(at: Moment, exit: u32, code: &str, message: &str, request: &str) -> Event {
    Event::new(UDR, 301, at)
        .level(2)
        .process(7788, 7800)
        .field("ExitCode", exit as i32)
        .field("ClientRequestId", request)
        .field("ServerRequestId", request)
        .field("ErrorCode", code)
        .field("ServerErrorMessage", message)
        .field("RecommendedClientResponse", "none")
        .field(
            "ServerResponse",
            format!("{{\"ErrorType\":\"{code}\",\"Message\":\"{message}\"}}"),
        )
}

/// 358 (Hello will start) or 360 (will not): answers to the prerequisites in manifest order. The last one answers
/// "is not connected via Remote Desktop", so `Yes` is good there too.
pub fn udr_hello(id: u16, at: Moment, answers: [&str; 6]) -> Event {
    let names = [
        "DeviceIsJoined",
        "AADPrt",
        "NgcPolicyEnabled",
        "NgcPostLogonProvisioningEnabled",
        "NgcHardwarePolicyMet",
        "UserIsRemote",
    ];
    let word = if id == 358 { "will" } else { "will not" };
    let event = Event::new(UDR, id, at)
        .level(if id == 358 { 4 } else { 3 })
        .process(7788, 7800);
    let event = event.field(
        "Message",
        format!("Windows Hello for Business provisioning {word} be launched."),
    );
    names
        .iter()
        .zip(answers)
        .fold(event, |e, (name, answer)| e.field(name, answer))
        .field("LogonCertRequired", "No")
        .field("MachinePolicySource", "Group Policy")
}

/// An AAD Operational event of the CloudAP plug-in (lsass).
pub fn aad(id: u16, level: u8, at: Moment) -> Event {
    Event::new(AAD, id, at)
        .level(level)
        .user(SYSTEM)
        .process(712, 2208)
}

/// 1081: the token endpoint answered with an error.
pub fn aad_1081(at: Moment, error: &str, description: &str, correlation: &str) -> Event {
    aad(1081, 2, at)
        .field("Error", error)
        .field("ErrorDescription", description)
        .field("CorrelationID", correlation)
}

/// 1025: an HTTP request ended with a WinHTTP error or status.
pub fn aad_1025(at: Moment, value: i32, method: &str, uri: &str, correlation: &str) -> Event {
    aad(1025, 2, at)
        .field("value", value)
        .field("Method", method)
        .field("EndpointUri", uri)
        .field("CorrelationID", correlation)
}

/// 1084: HTTP transport failed.
pub fn aad_1084(at: Moment, result: u32, correlation: &str) -> Event {
    aad(1084, 2, at)
        .field("Result", result as i32)
        .field("Target", correlation)
}

/// 1085: the logon failed with this status.
pub fn aad_1085(at: Moment, status: u32, correlation: &str) -> Event {
    aad(1085, 2, at)
        .field("Status", Value::Hex32(status))
        .field("CorrelationID", correlation)
}

/// 1088: WS-Trust fault.
pub fn aad_1088(at: Moment, error: &str, description: &str) -> Event {
    aad(1088, 2, at)
        .field("Error", error)
        .field("ErrorDescription", description)
}

/// 1104: a CloudAP plug-in call failed; "Lookup name name from SID" with 0xC00485D3 is everyday noise.
pub fn aad_1104(at: Moment, api: &str, status: u32) -> Event {
    aad(1104, 2, at)
        .field("API", api)
        .field("Result", Value::Hex32(status))
}

/// 1098: the token broker failed.
pub fn aad_1098(at: Moment, error: u32, message: &str, extra: &str, sid: &str) -> Event {
    Event::new(AAD, 1098, at)
        .level(2)
        .user(sid)
        .process(7788, 7900)
        .field("Error", error)
        .field("ErrorMessage", message)
        .field("AdditionalInformation", extra)
}

/// 1006/1007 (acquire) or 1028/1029 (refresh) with the end's status, and the correlation id between them.
pub fn aad_prt(at: Moment, refresh: bool, status: u32, correlation: &str) -> Vec<Event> {
    let step = |id: u16, ms: i64| {
        Event::new(AAD_ANALYTIC, id, at.plus_ms(ms))
            .user(SYSTEM)
            .process(712, 2208)
            .activity(correlation)
    };
    let (begin, name, end) = if refresh {
        (1028, 1030, 1029)
    } else {
        (1006, 1018, 1007)
    };
    vec![
        step(begin, 0),
        step(name, 2).field("value", correlation),
        step(end, 480).field("Status", Value::Hex32(status)),
    ]
}

/// 1250 (acquire) or 1252 (refresh): the diagnostics dsregcmd prints too.
#[derive(Debug, Clone)]
pub struct PrtFailure<'a> {
    /// Result as NTSTATUS.
    pub result: u32,
    /// User principal name.
    pub upn: &'a str,
    /// Correlation id.
    pub correlation: &'a str,
    /// Endpoint.
    pub uri: &'a str,
    /// WinHTTP error, 0 if the server answered.
    pub transport: u32,
    /// HTTP status.
    pub http: u32,
    /// OAuth error.
    pub error: &'a str,
    /// Its description.
    pub description: &'a str,
}

impl PrtFailure<'_> {
    /// As event 1250.
    pub fn event(&self, at: Moment) -> Event {
        aad(1250, 2, at)
            .field("Result", self.result)
            .field("UserIdentity", self.upn)
            .field("CredentialType", 1)
            .field("CorrelationID", self.correlation)
            .field("EndpointUri", self.uri)
            .field("Method", "POST")
            .field("HTTPTransportError", self.transport as i32)
            .field("HTTPStatus", self.http as i32)
            .field("ErrorCode", self.error)
            .field("ErrorDescription", self.description)
    }

    /// As fields of dsregcmd's SSO State.
    pub fn dsregcmd(&self, at: Moment) -> Vec<(&'static str, String)> {
        vec![
            ("Previous Prt Attempt", at.dsregcmd()),
            ("Attempt Status", format!("{:#010x}", self.result)),
            ("User Identity", self.upn.to_owned()),
            ("Credential Type", "Password".into()),
            ("Correlation ID", self.correlation.to_owned()),
            ("Endpoint URI", self.uri.to_owned()),
            ("HTTP Method", "POST".into()),
            ("HTTP Error", format!("{:#x}", self.transport)),
            ("HTTP status", self.http.to_string()),
            ("Server Error Code", self.error.to_owned()),
            ("Server Error Description", self.description.to_owned()),
        ]
    }
}

/// A classic Application-log event of password writeback: one text block.
pub fn password_reset(id: u16, level: u8, at: Moment, text: &str) -> Event {
    Event::new(PASSWORD_RESET, id, at)
        .level(level)
        .keywords(0x0080_0000_0000_0000)
        .data(text)
}

/// The service bus of password writeback.
pub const BUS: &str = "ssprdedicatedsbprodncu.servicebus.windows.net";

/// The records of one failed attempt to listen on the service bus: 31034, 32002, 32014.
pub fn writeback_errors(at: Moment) -> Vec<Event> {
    let tracking = crate::bytes::guid_for(&format!("tracking {}", at.0));
    let details = format!(
        "TrackingId: {tracking}, Error connecting to ServiceBus. The token provider was unable to provide a security token while accessing 'https://{BUS}/'. Details: Microsoft.ServiceBus.Messaging.MessagingCommunicationException: Unable to connect to the remote server ---> System.Net.WebException: Unable to connect to the remote server ---> System.Net.Sockets.SocketException: A connection attempt failed because the connected party did not properly respond after a period of time 203.0.113.31:443"
    );
    let listener = format!("TrackingId: {tracking}, ServiceBus listener error for {BUS}. {details}");
    let retry = format!("TrackingId: {tracking}, Retrying the connection to {BUS}.");
    vec![
        password_reset(31034, 2, at, &listener),
        password_reset(32002, 2, at.plus_ms(40), &details),
        password_reset(32014, 3, at.plus_ms(900), &retry),
    ]
}

/// A classic event of the synchronisation service.
pub fn adsync(id: u16, level: u8, at: Moment, text: &str) -> Event {
    Event::new(ADSYNC, id, at)
        .level(level)
        .keywords(0x0080_0000_0000_0000)
        .data(text)
}

/// Schannel 36887 (alert received) or 36888 (alert sent).
pub fn schannel_alert(at: Moment, sent: bool, code: u32) -> Event {
    let event = Event::new(SCHANNEL, if sent { 36888 } else { 36887 }, at)
        .level(2)
        .user(SYSTEM);
    let event = event.field("AlertDesc", code);
    if sent {
        event.field("ErrorState", 252u32)
    } else {
        event
    }
}

/// 5157: the filtering platform blocked an outbound connection.
pub fn wfp_block(at: Moment, pid: u32, image: &str, destination: &str) -> Event {
    Event::new(SECURITY, 5157, at)
        .level(0)
        .keywords(0x8010_0000_0000_0000)
        .process(4, 8)
        .field("ProcessID", Value::U64(u64::from(pid)))
        .field(
            "Application",
            format!(r"\device\harddiskvolume3\windows\system32\{image}").as_str(),
        )
        .field("Direction", "%%14593")
        .field("SourceAddress", "192.0.2.42")
        .field("SourcePort", "50311")
        .field("DestAddress", destination)
        .field("DestPort", "443")
        .field("Protocol", 6u32)
        .field("FilterRTID", Value::U64(78_112))
        .field("LayerName", "%%14611")
        .field("LayerRTID", Value::U64(48))
}

/// Everyday System records: policy applied, clock synchronised.
pub fn system_noise(at: Moment) -> Vec<Event> {
    vec![
        Event::new(GROUP_POLICY, 1501, at.plus_s(12))
            .user(SYSTEM)
            .field("SupportInfo1", 1u32)
            .field("ProcessingMode", 0u32)
            .field("ProcessingTimeInMilliseconds", 813u32)
            .field("DCName", r"\\dc01.corp.contoso.com")
            .field("ErrorDescription", canary::sentence()),
        Event::new(TIME_SERVICE, 35, at.plus_s(40))
            .user("S-1-5-19")
            .field(
                "TimeSource",
                "dc01.corp.contoso.com (ntp.d|0.0.0.0:123->192.0.2.10:123)",
            ),
    ]
}
