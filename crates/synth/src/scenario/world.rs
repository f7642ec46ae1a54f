//! The made-up network: addresses, processes, user agents, certificate chains.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::x509::Certificate;

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 42);
/// Domain controller and DNS server.
pub const DC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The proxy.
pub const PROXY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// The proxy's name.
pub const PROXY_NAME: &str = "proxy.corp.contoso.com";
/// The proxy's port.
pub const PROXY_PORT: u16 = 8080;
/// SID of SYSTEM.
pub const SYSTEM: &str = "S-1-5-18";

/// A process that talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// Process id.
    pub pid: u32,
    /// Image.
    pub image: &'static str,
    /// User agent it sends.
    pub agent: &'static str,
    /// Runs as SYSTEM.
    pub system: bool,
}

/// The registration task.
pub const DSREGCMD: Who = Who {
    pid: 6124,
    image: "dsregcmd.exe",
    agent: "Dsreg/10.0 (Windows 10.0.22631.4890)",
    system: true,
};
/// The CloudAP plug-in.
pub const LSASS: Who = Who {
    pid: 712,
    image: "lsass.exe",
    agent: "Windows-AzureAD-Authentication-Provider/1.0",
    system: true,
};
/// A service host of SYSTEM.
pub const SVCHOST: Who = Who {
    pid: 1320,
    image: "svchost.exe",
    agent: "Microsoft-CryptoAPI/10.0",
    system: true,
};
/// The user's browser.
pub const EDGE: Who = Who {
    pid: 9120,
    image: "msedge.exe",
    agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36 Edg/133.0.0.0",
    system: false,
};
/// The token broker of the user.
pub const BROKER: Who = Who {
    pid: 7788,
    image: "Microsoft.AAD.BrokerPlugin.exe",
    agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; WebView/3.0) AppleWebKit/537.36 (KHTML, like Gecko)",
    system: false,
};
/// Azure CLI.
pub const AZ: Who = Who {
    pid: 5120,
    image: "python.exe",
    agent: "python-requests/2.32.3",
    system: false,
};
/// PowerShell 7.
pub const PWSH: Who = Who {
    pid: 8448,
    image: "pwsh.exe",
    agent: "AzurePowershell/Az.Accounts3.0.0",
    system: false,
};
/// The synchronisation service.
pub const MIISERVER: Who = Who {
    pid: 3460,
    image: "miiserver.exe",
    agent: "PasswordResetService",
    system: true,
};

/// All processes of a rundown.
pub const PROCESSES: [Who; 8] = [DSREGCMD, LSASS, SVCHOST, EDGE, BROKER, AZ, PWSH, MIISERVER];

/// Address of a host; unknown names get one of 198.51.100.0/24 that depends on the name.
pub fn address(host: &str) -> Ipv4Addr {
    match host {
        "login.microsoftonline.com" => Ipv4Addr::new(203, 0, 113, 10),
        "device.login.microsoftonline.com" => Ipv4Addr::new(203, 0, 113, 11),
        "enterpriseregistration.windows.net" => Ipv4Addr::new(203, 0, 113, 12),
        "autologon.microsoftazuread-sso.com" => Ipv4Addr::new(203, 0, 113, 13),
        "management.azure.com" => Ipv4Addr::new(203, 0, 113, 20),
        "graph.microsoft.com" => Ipv4Addr::new(203, 0, 113, 21),
        "aadcdn.msauth.net" => Ipv4Addr::new(203, 0, 113, 22),
        "passwordreset.microsoftonline.com" => Ipv4Addr::new(203, 0, 113, 30),
        "ssprdedicatedsbprodncu.servicebus.windows.net" => Ipv4Addr::new(203, 0, 113, 31),
        "sts.contoso.com" => Ipv4Addr::new(192, 0, 2, 60),
        "dc01.corp.contoso.com" => DC,
        PROXY_NAME => PROXY,
        other => {
            let n = crate::bytes::noise(other, 1);
            Ipv4Addr::new(198, 51, 100, n[0] | 1)
        }
    }
}

/// Address and port 443 of a host.
pub fn https(host: &str) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address(host)), 443)
}

/// The chain a public server shows: leaf and intermediate of a public authority.
pub fn public_chain(host: &str) -> Vec<Vec<u8>> {
    let issuer = "CN=DigiCert SHA2 Secure Server CA, O=DigiCert Inc, C=US";
    let subject = match host {
        "login.microsoftonline.com" => {
            "CN=stamp2.login.microsoftonline.com, O=Microsoft Corporation, C=US".to_owned()
        }
        other => format!("CN={other}, O=Microsoft Corporation, C=US"),
    };
    let root = "CN=DigiCert Global Root CA, OU=www.digicert.com, O=DigiCert Inc, C=US";
    vec![
        Certificate::new(&subject, issuer).san(&[host]).der(),
        Certificate::new(issuer, root).authority().der(),
    ]
}

/// The chain an inspecting proxy shows for any host.
pub fn inspected_chain(host: &str, authority: &str) -> Vec<Vec<u8>> {
    vec![
        Certificate::new(&format!("CN={host}"), authority)
            .san(&[host])
            .der(),
        Certificate::new(authority, authority).authority().der(),
    ]
}

/// The inspecting proxy's authority.
pub const PROXY_CA: &str = "CN=Contoso Web Proxy CA, OU=Network Security, O=Contoso";
/// Fiddler's authority.
pub const FIDDLER_CA: &str =
    "CN=DO_NOT_TRUST_FiddlerRoot, O=DO_NOT_TRUST, OU=Created by http://www.fiddler2.com";
