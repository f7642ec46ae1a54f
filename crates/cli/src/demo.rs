//! The demo uploads, carried in the program: `fixtures/demo`, which `casetrace-synth` makes.

/// One made-up upload.
pub(crate) struct Bundle {
    pub(crate) name: &'static str,
    pub(crate) shows: [&'static str; 2],
    pub(crate) files: &'static [(&'static str, &'static [u8])],
    /// For its encrypted members.
    pub(crate) passwords: Option<&'static [u8]>,
}

macro_rules! upload {
    ($bundle:literal: $($file:literal),+) => {
        &[$(($file, include_bytes!(concat!("../../../fixtures/demo/", $bundle, "/upload/", $file)))),+]
    };
}

/// All of them, the one to begin with first.
pub(crate) const BUNDLES: &[Bundle] = &[
    Bundle {
        name: "hybrid-join-407",
        shows: [
            "Hybrid join fails: the proxy wants a sign-in that the system account never gives",
            "ハイブリッド参加の失敗: システム アカウントがプロキシ認証に応じていない",
        ],
        files: upload!("hybrid-join-407": "Authlogs.zip", "dsregcmd-user.txt"),
        passwords: None,
    },
    Bundle {
        name: "tls-inspection",
        shows: [
            "A middlebox opens the TLS of the sign-in hosts",
            "中間装置がサインイン先の TLS を検査している",
        ],
        files: upload!("tls-inspection": "Capi2_Oper.evtx", "NetTrace.etl", "az-login-debug.txt", "nettrace.cab"),
        passwords: None,
    },
    Bundle {
        name: "az-arm-blocked",
        shows: [
            "az login signs in, then Resource Manager cannot be reached",
            "az login のサインイン後、Resource Manager に到達できない",
        ],
        files: upload!("az-arm-blocked": "az-login.zip"),
        passwords: None,
    },
    Bundle {
        name: "writeback-servicebus-blocked",
        shows: [
            "Password writeback cannot reach its service bus",
            "パスワード ライトバックが Service Bus に到達できない",
        ],
        files: upload!("writeback-servicebus-blocked": "AADC01-writeback.zip"),
        passwords: None,
    },
    Bundle {
        name: "healthy",
        shows: [
            "Nothing is wrong; everyday noise, and an encrypted Fiddler archive",
            "異常なし。日常的な雑音と暗号化された Fiddler アーカイブを含む",
        ],
        files: upload!("healthy": "Authlogs.zip", "PC100_icesdptool.cab", "nettrace.cab"),
        passwords: Some(include_bytes!("../../../fixtures/demo/healthy/passwords.txt")),
    },
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names(folder: &Path) -> BTreeSet<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn every_fixture_is_carried_whole() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo");
        let carried: BTreeSet<String> = BUNDLES.iter().map(|b| b.name.to_owned()).collect();
        assert_eq!(carried, names(&fixtures));
        for bundle in BUNDLES {
            let files: BTreeSet<String> = bundle.files.iter().map(|(name, _)| (*name).to_owned()).collect();
            let folder = fixtures.join(bundle.name);
            assert_eq!(files, names(&folder.join("upload")), "{}", bundle.name);
            assert_eq!(bundle.passwords.is_some(), folder.join("passwords.txt").exists());
        }
    }
}
