//! The small text files of an Authlogs folder.

use std::fmt::Write as _;

use crate::identity::Identity;
use crate::moment::Moment;

/// `script-info.txt` of the collection scripts 6.x; without `stop` the collection never ended.
pub fn script_info(id: &Identity, arguments: &[&str], start: Moment, stop: Option<Moment>) -> String {
    let mut out = String::from("Microsoft CSS Authentication Script version 6.3\n");
    for argument in arguments {
        let _ = writeln!(out, "Arguments passed: {argument}");
    }
    let mut times = |title: &str, at: Moment| {
        let local = id.local(at, "%Y/%m/%d %H:%M:%S");
        let utc = at.format("%Y/%m/%d %H:%M:%S", 0);
        let zone = id.zone_name();
        let _ = writeln!(
            out,
            "{title}\n    {local} {zone} (local time on computer data was collected)\n    {utc} UTC"
        );
    };
    times("Data collection started on", start);
    if let Some(stop) = stop {
        times("Data collection stopped on", stop);
    }
    out
}

/// `Build.txt`.
pub fn build(id: &Identity) -> String {
    format!(
        "{} Windows 11 Enterprise Client Version:6.3 23H2 Build:22631.4890\n{}\nBuildLabEx: 22621.1.amd64fre.ni_release.220506-1250\n{}\n",
        id.computer,
        "-".repeat(67),
        "-".repeat(51)
    )
}

/// `Tasklist.txt` (`tasklist /svc`) of `(image, pid, services)`.
pub fn tasklist(id: &Identity, processes: &[(&str, u32, &str)]) -> String {
    let head = if id.japanese {
        "\nイメージ名                     PID サービス                                    \n"
    } else {
        "\nImage Name                     PID Services                                    \n"
    };
    let mut out =
        format!("{head}========================= ======== ============================================\n");
    for (image, pid, services) in processes {
        let _ = writeln!(out, "{image:<25} {pid:>8} {services:<44}");
    }
    out
}

/// `Displaydns.txt` (`ipconfig /displaydns`): `(name, address)` or a name that doesn't exist.
pub fn display_dns(id: &Identity, entries: &[(&str, Option<&str>)]) -> String {
    let (title, missing) = if id.japanese {
        ("Windows IP 構成", "名前は存在しません。")
    } else {
        ("Windows IP Configuration", "Name does not exist.")
    };
    let mut out = format!("\n{title}\n\n");
    for (name, address) in entries {
        let _ = writeln!(out, "    {name}\n    ----------------------------------------");
        match address {
            None => {
                let _ = writeln!(out, "    {missing}\n\n");
            }
            Some(ip) if id.japanese => {
                let _ = writeln!(
                    out,
                    "    レコード名 . . . . . : {name}\n    レコードの種類 . . . : 1\n    Time To Live  . . . .: 41\n    データの長さ . . . . : 4\n    セクション . . . . . : 回答\n    A (ホスト) レコード  : {ip}\n\n"
                );
            }
            Some(ip) => {
                let _ = writeln!(
                    out,
                    "    Record Name . . . . . : {name}\n    Record Type . . . . . : 1\n    Time To Live  . . . . : 41\n    Data Length . . . . . : 4\n    Section . . . . . . . : Answer\n    A (Host) Record . . . : {ip}\n\n"
                );
            }
        }
    }
    out
}

/// `Ipconfig-info.txt` (`ipconfig /all`), one adapter.
pub fn ipconfig(id: &Identity, ip: &str, dns: &str) -> String {
    if id.japanese {
        return format!(
            "\nWindows IP 構成\n\n   ホスト名. . . . . . . . . . . . . . .: {}\n   プライマリ DNS サフィックス . . . . .: {}\n   ノード タイプ . . . . . . . . . . . .: ハイブリッド\n   DNS サフィックス検索一覧. . . . . . .: {}\n\nイーサネット アダプター イーサネット:\n\n   接続固有の DNS サフィックス . . . . .: {}\n   物理アドレス. . . . . . . . . . . . .: 02-00-5E-10-00-2A\n   DHCP 有効 . . . . . . . . . . . . . .: はい\n   IPv4 アドレス . . . . . . . . . . . .: {ip}(優先)\n   サブネット マスク . . . . . . . . . .: 255.255.255.0\n   デフォルト ゲートウェイ . . . . . . .: 192.0.2.1\n   DNS サーバー. . . . . . . . . . . . .: {dns}\n",
            id.computer, id.domain, id.domain, id.domain
        );
    }
    format!(
        "\nWindows IP Configuration\n\n   Host Name . . . . . . . . . . . . : {}\n   Primary Dns Suffix  . . . . . . . : {}\n   Node Type . . . . . . . . . . . . : Hybrid\n   DNS Suffix Search List. . . . . . : {}\n\nEthernet adapter Ethernet:\n\n   Connection-specific DNS Suffix  . : {}\n   Physical Address. . . . . . . . . : 02-00-5E-10-00-2A\n   DHCP Enabled. . . . . . . . . . . : Yes\n   IPv4 Address. . . . . . . . . . . : {ip}(Preferred)\n   Subnet Mask . . . . . . . . . . . : 255.255.255.0\n   Default Gateway . . . . . . . . . : 192.0.2.1\n   DNS Servers . . . . . . . . . . . : {dns}\n",
        id.computer, id.domain, id.domain, id.domain
    )
}

/// A key's values as name, type and data.
pub type Values<'a> = &'a [(&'a str, &'a str, &'a str)];

/// A `reg query` dump of keys with `(name, type, data)` values.
pub fn reg_query(keys: &[(&str, Values<'_>)]) -> String {
    let mut out = String::new();
    for (key, values) in keys {
        let _ = writeln!(out, "\n{key}");
        for (name, kind, data) in *values {
            let _ = writeln!(out, "    {name}    {kind}    {data}");
        }
    }
    out.push('\n');
    out
}

/// What `reg query` prints for a key that isn't there.
pub fn reg_missing(id: &Identity) -> String {
    if id.japanese {
        "エラー: 指定されたレジストリ キーまたは値が見つかりませんでした。\n".into()
    } else {
        "ERROR: The system was unable to find the specified registry key or value.\n".into()
    }
}

/// `whoami.txt` of the collecting administrator.
pub fn whoami(id: &Identity) -> String {
    format!(
        "\nUSER INFORMATION\n----------------\n\nUser Name            SID\n==================== ==============================================\n{}\\admin1       S-1-5-21-1004336348-1177238915-682003330-1108\n",
        id.netbios.to_lowercase()
    )
}

/// `Netsetup.log` of a successful domain join long ago.
pub fn netsetup(id: &Identity, at: Moment) -> String {
    let t = id.local(at, "%m/%d/%Y %H:%M:%S:%3f");
    format!(
        "{t} -----------------------------------------------------------------\n{t} NetpDoDomainJoin\n{t} NetpDoDomainJoin: using current computer names\n{t} NetpMachineValidToJoin: '{0}'\n{t} NetpMachineValidToJoin: status: 0x0\n{t} NetpJoinDomain\n{t} \tHostName: {0}\n{t} \tDomain: {1}\n{t} NetpJoinDomainOnDs: status: 0x0\n{t} NetpDoDomainJoin: status: 0x0\n",
        id.computer, id.domain
    )
}
