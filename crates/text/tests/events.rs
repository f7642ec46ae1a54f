//! Windows events in every form that people send them in.

mod common;
use casetrace_model::{Context, Level, Outcome, Row};
use common::{Read, at, column, field, read, wide};

/// The message of event 1098 as the Event Viewer shows it.
const REFUSED: &str = "Error: 0xCAA2000C The request requires user interaction.\nCode: interaction_required\nDescription: AADSTS50076: Multi-factor authentication is needed.\nTrace ID: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nCorrelation ID: 2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11\nTokenEndpoint: https://login.microsoftonline.com/common/oauth2/token\nLogged at OAuthTokenRequestBase.cpp, line: 449, method: x.\n\nRequest: authority: https://login.microsoftonline.com/common, client: d3590ed6-52b3-4102-aeff-aad2292ab01c, resource: https://graph.microsoft.com\n";

const HELLO: &str = "Windows Hello for Business provisioning will not be launched. \nDevice is AAD joined ( AADJ or DJ++ ): Yes \nUser has logged on with AAD credentials: No \nWindows Hello for Business policy is enabled: Yes \nLocal computer meets Windows hello for business hardware requirements: Yes \nUser is not connected to the machine via Remote Desktop: Yes \n";

fn events(read: &Read) -> Vec<&Row> {
    read.kind("event").collect()
}

/// What the form itself does not change.
fn is_refusal(row: &Row) {
    assert_eq!(row.event_id, Some(1098));
    assert_eq!(column(row, "provider"), "Microsoft-Windows-AAD");
    assert_eq!(column(row, "error_code"), "AADSTS50076");
    assert_eq!(
        column(row, "correlation_id"),
        "2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11"
    );
    assert_eq!(row.outcome, Some(Outcome::Failure));
    assert_eq!(row.level, Some(Level::Error));
    assert_eq!(field(row, "Error"), "0xCAA2000C");
    assert!(field(row, "ErrorMessage").starts_with("The request requires user interaction."));
    assert!(field(row, "AdditionalInformation").contains("OAuthTokenRequestBase.cpp"));
    assert!(
        row.message.starts_with("Token broker failed with AADSTS50076"),
        "{}",
        row.message
    );
}

#[test]
fn copied_from_the_event_viewer_in_english() {
    let text = format!(
        "Log Name:      Microsoft-Windows-AAD/Operational\r\nSource:        Microsoft-Windows-AAD\r\nDate:          3/2/2026 9:15:02 AM\r\nEvent ID:      1098\r\nTask Category: AadTokenBrokerPlugin Operation\r\nLevel:         Error\r\nKeywords:      Error,Error\r\nUser:          SYSTEM\r\nComputer:      PC01.contoso.local\r\nDescription:\r\n{REFUSED}"
    );
    let read = read("mail.txt", text.as_bytes());
    let [row] = events(&read)[..] else { panic!() };
    is_refusal(row);
    assert_eq!(column(row, "channel"), "Microsoft-Windows-AAD/Operational");
    assert_eq!(column(row, "host"), "PC01.contoso.local");
    assert_eq!(column(row, "task"), "AadTokenBrokerPlugin Operation");
    assert_eq!(row.context, Some(Context::System));
    assert_eq!(field(row, "local_time"), "2026-03-02T09:15:02");
}

#[test]
fn copied_from_the_event_viewer_in_other_languages() {
    let forms = [
        (
            "ログの名前:         Microsoft-Windows-AAD/Operational\nソース:           Microsoft-Windows-AAD\n日付:            2026/03/02 9:15:02\nイベント ID:       1098\nタスクのカテゴリ:      なし\nレベル:           エラー\nキーワード:         \nユーザー:          S-1-5-21-1-2-3-1104\nコンピューター:       PC01\n説明:\n",
            "ja",
        ),
        (
            "Protokollname: Microsoft-Windows-AAD/Operational\nQuelle:        Microsoft-Windows-AAD\nDatum:         02.03.2026 09:15:02\nEreignis-ID:   1098\nAufgabenkategorie:Keine\nEbene:         Fehler\nBenutzer:      S-1-5-21-1-2-3-1104\nComputer:      PC01\nBeschreibung:\n",
            "de",
        ),
        (
            "Nom du journal :Microsoft-Windows-AAD/Operational\nSource :       Microsoft-Windows-AAD\nDate :         2026-03-02 09:15:02\nID de l’événement :1098\nCatégorie de la tâche :Aucun\nNiveau :       Erreur\nUtilisateur :  S-1-5-21-1-2-3-1104\nOrdinateur :   PC01\nDescription :\n",
            "fr",
        ),
        (
            "Nombre de registro:Microsoft-Windows-AAD/Operational\nOrigen:        Microsoft-Windows-AAD\nFecha:         02/03/2026 9:15:02\nId. del evento:1098\nCategoría de la tarea:Ninguno\nNivel:         Error\nUsuario:       S-1-5-21-1-2-3-1104\nEquipo:        PC01\nDescripción:\n",
            "es",
        ),
    ];
    for (header, language) in forms {
        let read = read("mail.txt", format!("{header}{REFUSED}").as_bytes());
        let [row] = events(&read)[..] else {
            panic!("{language}")
        };
        is_refusal(row);
        assert_eq!(column(row, "host"), "PC01", "{language}");
        assert_eq!(column(row, "user_sid"), "S-1-5-21-1-2-3-1104", "{language}");
        assert_eq!(field(row, "local_time"), "2026-03-02T09:15:02", "{language}");
        assert_eq!(row.task, None, "{language}");
    }
}

#[test]
fn xml_behind_the_copy_gives_exact_times_and_all_data() {
    let text = format!(
        "Log Name:      Microsoft-Windows-User Device Registration/Admin\nSource:        Microsoft-Windows-User Device Registration\nDate:          3/2/2026 9:15:02 AM\nEvent ID:      360\nLevel:         Warning\nDescription:\n{HELLO}Event Xml:\n<Event xmlns=\"http://schemas.microsoft.com/win/2004/08/events/event\">\n  <System>\n    <Provider Name=\"Microsoft-Windows-User Device Registration\" />\n    <EventID>360</EventID>\n    <Version>0</Version>\n    <Level>3</Level>\n    <TimeCreated SystemTime=\"2026-03-02T00:15:02.1234567Z\" />\n    <Execution ProcessID=\"712\" ThreadID=\"8\" />\n    <Channel>Microsoft-Windows-User Device Registration/Admin</Channel>\n    <Computer>PC01</Computer>\n  </System>\n  <EventData>\n    <Data Name=\"DeviceIsJoined\">Yes</Data>\n    <Data Name=\"AADPrt\">No</Data>\n    <Data Name=\"MachinePolicySource\">none</Data>\n  </EventData>\n</Event>\n\nLog Name:      Application\nSource:        ADSync\nDate:          3/2/2026 9:16:02 AM\nEvent ID:      6800\nLevel:         Error\nDescription:\nno endpoint\n"
    );
    let read = read("mail.txt", text.as_bytes());
    let [first, second] = events(&read)[..] else {
        panic!()
    };
    assert_eq!(at(first), "2026-03-02T00:15:02");
    assert_eq!((first.pid, first.level), (Some(712), Some(Level::Warning)));
    assert_eq!(field(first, "MachinePolicySource"), "none");
    assert!(field(first, "rendered").starts_with("Windows Hello for Business provisioning"));
    assert_eq!(
        (second.event_id, second.outcome),
        (Some(6800), Some(Outcome::Failure))
    );
}

#[test]
fn prerequisites_of_hello_are_told_by_the_message() {
    let text = format!(
        "Log Name:      Microsoft-Windows-User Device Registration/Admin\nSource:        User Device Registration\nDate:          3/2/2026 9:15:02 AM\nEvent ID:      360\nLevel:         Warning\nDescription:\n{HELLO}"
    );
    let read = read("mail.txt", text.as_bytes());
    let [row] = events(&read)[..] else { panic!() };
    assert_eq!(
        column(row, "provider"),
        "Microsoft-Windows-User Device Registration"
    );
    let told = [
        "DeviceIsJoined",
        "AADPrt",
        "NgcPolicyEnabled",
        "NgcHardwarePolicyMet",
        "UserIsRemote",
    ];
    assert_eq!(
        told.map(|name| field(row, name)),
        ["Yes", "No", "Yes", "Yes", "Yes"]
    );
}

#[test]
fn listed_by_wevtutil() {
    let text = format!(
        "Event[0]:\n  Log Name: Application\n  Source: PasswordResetService\n  Date: 2026-03-02T09:15:02.123\n  Event ID: 31034\n  Task: N/A\n  Level: Error\n  Opcode: Info\n  Keyword: Classic\n  User: N/A\n  User Name: N/A\n  Computer: connect1.contoso.local\n  Description: \nServiceBusListenerError: host tenant-x.servicebus.windows.net: The remote certificate is invalid according to the validation procedure.\n\nEvent[1]\n  Log Name: Microsoft-Windows-AAD/Operational\n  Source: Microsoft-Windows-AAD\n  Date: 2026-03-02T00:15:03.0000000Z\n  Event ID: 1098\n  Level: Error\n  Computer: PC01\n  Description: \n{REFUSED}"
    );
    let read = read("events.txt", text.as_bytes());
    let [bus, refusal] = events(&read)[..] else {
        panic!()
    };
    assert_eq!(column(bus, "server_name"), "tenant-x.servicebus.windows.net");
    assert!(field(bus, "Data").contains("remote certificate is invalid"));
    is_refusal(refusal);
    assert_eq!(at(refusal), "2026-03-02T00:15:03");
}

#[test]
fn other_outputs_in_one_file_keep_their_readers() {
    let text = format!(
        "+----------------------------------------------------------------------+\n| Device State                                                         |\n+----------------------------------------------------------------------+\n\n             AzureAdJoined : NO\n\nLog Name:      Microsoft-Windows-AAD/Operational\nSource:        AAD\nDate:          3/2/2026 9:15:02 AM\nEvent ID:      1098\nLevel:         Error\nDescription:\n{REFUSED}\nPS C:\\> w32tm /stripchart /computer:time.windows.com /samples:1 /dataonly\nTracking time.windows.com [20.101.57.9:123].\n09:15:02, +00.0012345s\n"
    );
    let read = read("mail.txt", text.as_bytes());
    is_refusal(events(&read)[0]);
    assert_eq!(read.kind("dsregcmd.section").count(), 1);
    // The message is no pasted sentence of its own, and its end is not in the command behind it.
    assert_eq!(events(&read).len(), 1);
    assert!(!field(events(&read)[0], "rendered").contains("w32tm"));
}

#[test]
fn printed_by_powershell_as_lists() {
    let message = REFUSED.replace('\n', "\n               ");
    let text = format!(
        "\nTimeCreated  : 3/2/2026 9:15:02 AM\nProviderName : Microsoft-Windows-AAD\nId           : 1098\nLevelDisplayName : Error\nMessage      : {message}\n"
    );
    is_refusal(events(&read("e.txt", &wide(&text)))[0]);
    let text = "Index              : 91822\nEntryType          : Error\nInstanceId         : 3221232272\nMessage            : The password reset endpoint could not be started.\nCategory           : (0)\nCategoryNumber     : 0\nReplacementStrings : {x}\nSource             : ADSync\nTimeGenerated      : 3/2/2026 9:15:02 AM\nTimeWritten        : 3/2/2026 9:15:02 AM\nUserName           : \n";
    let read = read("e.txt", text.as_bytes());
    let [row] = events(&read)[..] else { panic!() };
    assert_eq!((row.event_id, row.record), (Some(6800), 91_822));
    assert_eq!(column(row, "provider"), "ADSync");
}

#[test]
fn printed_by_powershell_as_a_table() {
    let text = "PS C:\\> Get-WinEvent -LogName Microsoft-Windows-AAD/Operational\n\n\n   ProviderName: Microsoft-Windows-AAD\n\nTimeCreated                     Id LevelDisplayName Message\n-----------                     -- ---------------- -------\n3/2/2026 9:15:02 AM           1104 Error            AAD Cloud AP plugin call GenericCallPkg returned error: 0xC0048512\n3/2/2026 9:15:01 AM           1098 Error            Error: 0xCAA5001C Token broker operation failed....\n";
    let read = read("e.txt", text.as_bytes());
    let codes: Vec<_> = events(&read)
        .iter()
        .map(|row| column(row, "error_code"))
        .collect();
    assert_eq!(codes, ["0xc0048512", "0xcaa5001c"]);
    assert_eq!(field(events(&read)[0], "API"), "GenericCallPkg");
    assert_eq!(events(&read)[1].level, Some(Level::Error));
}

#[test]
fn saved_as_a_table() {
    let quoted = REFUSED.replace('"', "\"\"");
    let comma = format!(
        "\u{feff}Level,Date and Time,Source,Event ID,Task Category\r\nError,3/2/2026 9:15:02 AM,Microsoft-Windows-AAD,1098,None,\"{quoted}\"\r\n"
    );
    let tabs = format!(
        "\u{feff}レベル\t日付と時刻\tソース\tイベント ID\tタスクのカテゴリ\r\nエラー\t2026/03/02 9:15:02\tMicrosoft-Windows-AAD\t1098\tなし\t\"{quoted}\"\r\n"
    );
    let members = format!(
        "#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\r\n\"Message\",\"Id\",\"Level\",\"Task\",\"RecordId\",\"ProviderName\",\"LogName\",\"ProcessId\",\"MachineName\",\"UserId\",\"TimeCreated\",\"ActivityId\",\"LevelDisplayName\"\r\n\"{quoted}\",\"1098\",\"2\",\"101\",\"812\",\"Microsoft-Windows-AAD\",\"Microsoft-Windows-AAD/Operational\",\"764\",\"PC01\",\"S-1-5-18\",\"3/2/2026 9:15:02 AM\",\"1ffc0a6c-0000-0001-0000-000000000001\",\"Error\"\r\n"
    );
    for (name, text) in [
        ("events.csv", comma),
        ("events.txt", tabs),
        ("events.csv", members),
    ] {
        let read = read(name, text.as_bytes());
        let [row] = events(&read)[..] else {
            panic!("{text}")
        };
        is_refusal(row);
        assert_eq!(field(row, "local_time"), "2026-03-02T09:15:02");
    }
}

#[test]
fn the_order_of_day_and_month_is_that_of_the_file() {
    let line = |date: &str| format!("Error,{date} 09:15:02,Microsoft-Windows-AAD,1085,None,x\r\n");
    let header = "Level,Date and Time,Source,Event ID,Task Category\r\n";
    let times = |dates: [&str; 2]| {
        let text = format!("{header}{}{}", line(dates[0]), line(dates[1]));
        let read = read("events.csv", text.as_bytes());
        events(&read)
            .iter()
            .map(|row| field(row, "local_time"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        times(["05/03/2026", "20/03/2026"]),
        ["2026-03-05T09:15:02", "2026-03-20T09:15:02"]
    );
    assert_eq!(
        times(["03/05/2026", "03/20/2026"]),
        ["2026-03-05T09:15:02", "2026-03-20T09:15:02"]
    );
    let french = "Niveau,Date et heure,Source,ID de l’événement,Catégorie de la tâche\r\nErreur,02/03/2026 09:15:02,Microsoft-Windows-AAD,1085,Aucun,x\r\n";
    let read = read("events.csv", french.as_bytes());
    assert_eq!(field(events(&read)[0], "local_time"), "2026-03-02T09:15:02");
    assert_eq!(events(&read)[0].level, Some(Level::Error));
}

#[test]
fn xml_names_its_data_as_an_evtx_does() {
    let text = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-CAPI2'/><EventID>11</EventID><Level>2</Level><TimeCreated SystemTime='2026-03-02T01:16:11Z'/><Channel>Microsoft-Windows-CAPI2/Operational</Channel></System><UserData><CertGetCertificateChain xmlns='x'><Certificate fileRef='A.cer' subjectName='login.microsoftonline.com'/><Result value='800B0109'>A root is not trusted.</Result><Empty/></CertGetCertificateChain></UserData></Event><Event><System><Provider Name='Old'/><EventID>7</EventID></System><EventData><Data>a</Data><Data/><Data>c</Data></EventData></Event>";
    let read = read("capi2.xml", text.as_bytes());
    let [chain, old] = events(&read)[..] else { panic!() };
    assert_eq!(column(chain, "error_code"), "0x800b0109");
    assert_eq!(
        field(chain, "CertGetCertificateChain/Certificate/@subjectName"),
        "login.microsoftonline.com"
    );
    assert_eq!(field(chain, "CertGetCertificateChain/Empty"), "");
    assert_eq!(
        ["Data", "Data_2", "Data_3"].map(|name| field(old, name)),
        ["a", "", "c"]
    );
}

#[test]
fn an_event_without_an_end_is_kept() {
    for text in [
        "Log Name:      Application\nSource:        ADSync\nEvent ID:      6800\nLevel:         Error\n",
        "Event[0]:\n  Log Name: Application\n  Source: ADSync\n  Event ID: 6800\n  Description:",
        "Level,Date and Time,Source,Event ID,Task Category\nError,x,ADSync,6800,None,\"never closed",
    ] {
        let read = read("e.txt", text.as_bytes());
        assert_eq!(events(&read)[0].event_id, Some(6800), "{text}");
    }
}
