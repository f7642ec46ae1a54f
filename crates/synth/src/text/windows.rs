//! Output of general Windows tools: `netsh winhttp`, `osinfo.txt`, `envinfo.txt`, SDP result files.

use crate::identity::Identity;

/// `netsh winhttp show proxy`: direct access, or a proxy with its bypass list.
pub fn winhttp_proxy(id: &Identity, proxy: Option<&str>) -> String {
    match (id.japanese, proxy) {
        (false, None) => {
            "\nCurrent WinHTTP proxy settings:\n\n    Direct access (no proxy server).\n\n".into()
        }
        (true, None) => {
            "\n現在の WinHTTP プロキシ設定:\n\n    直接アクセス (プロキシ サーバーなし)。\n\n".into()
        }
        (false, Some(p)) => format!(
            "\nCurrent WinHTTP proxy settings:\n\n    Proxy Server(s) :  {p}\n    Bypass List     :  <local>\n\n"
        ),
        (true, Some(p)) => format!(
            "\n現在の WinHTTP プロキシ設定:\n\n    プロキシ サーバー: {p}\n    バイパス一覧    : <local>\n\n"
        ),
    }
}

/// `systeminfo.txt`, the lines a reader needs.
pub fn systeminfo(id: &Identity) -> String {
    let zone = if id.zone_min == 540 {
        "(UTC+09:00) Osaka, Sapporo, Tokyo"
    } else {
        "(UTC) Coordinated Universal Time"
    };
    format!(
        "\nHost Name:                 {}\nOS Name:                   Microsoft Windows 11 Enterprise\nOS Version:                10.0.22631 N/A Build 22631\nOS Configuration:          Member Workstation\nDomain:                    {}\nTime Zone:                 {zone}\n",
        id.computer, id.domain
    )
}

/// `results.xml` of a diagnostic package.
pub fn sdp_results(package: &str, name: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><DiagnosticResults><ID>{package}</ID><Name>{name}</Name><Publisher>Microsoft Corporation</Publisher><Icon>@DiagPackage.dll,-1005</Icon><Category/><Keyword/></DiagnosticResults>"
    )
}

/// `ResultReport.xml` with root causes as `(id, text)`.
pub fn sdp_report(id: &Identity, causes: &[(&str, &str)]) -> String {
    let causes: String = causes
        .iter()
        .map(|(cause, text)| {
            format!("<RootCauseInformation><RootCause id=\"{cause}\" name=\"{cause}\"><Data id=\"Summary\" name=\"Summary\">{text}</Data></RootCause></RootCauseInformation>")
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ResultReport><Header><Data id=\"ComputerName\">{}</Data><Data id=\"OS\">Windows 11 Enterprise</Data></Header><ComputerInformation><Data id=\"Name\">{}</Data></ComputerInformation><PackageInformation><Data id=\"Package\">ICE</Data></PackageInformation><Package><Problem><DetectionInformation><DetailedInformation><Detail id=\"1\" name=\"Collected\"/></DetailedInformation></DetectionInformation>{causes}</Problem></Package></ResultReport>\n",
        id.computer,
        id.fqdn()
    )
}
