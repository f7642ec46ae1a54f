//! Windows events as people send them: copied, listed, printed or saved as text.

use crate::moment::Moment;

/// One event with its message.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    /// The log's name.
    pub channel: &'a str,
    /// The provider's full name.
    pub provider: &'a str,
    /// Event id.
    pub id: u32,
    /// When it was logged; forms without a zone show it in UTC.
    pub at: Moment,
    /// The computer's name.
    pub computer: &'a str,
    /// The message.
    pub message: &'a str,
}

impl Told<'_> {
    /// "Copy Details as Text" of the Event Viewer, in English, with the XML behind it if `xml`.
    pub fn copied(&self, xml: bool) -> String {
        let mut text = format!(
            "Log Name:      {}\nSource:        {}\nDate:          {}\nEvent ID:      {}\nTask Category: None\nLevel:         Error\nKeywords:      \nUser:          SYSTEM\nComputer:      {}\nDescription:\n{}\n",
            self.channel,
            self.provider,
            self.at.format("%-m/%-d/%Y %-I:%M:%S %p", 0),
            self.id,
            self.computer,
            self.message,
        );
        if xml {
            text += &format!("Event Xml:\n{}\n", self.xml());
        }
        text
    }

    /// The same on a Japanese system.
    pub fn copied_in_japanese(&self) -> String {
        format!(
            "ログの名前:         {}\nソース:           {}\n日付:            {}\nイベント ID:       {}\nタスクのカテゴリ:      なし\nレベル:           エラー\nキーワード:         クラシック\nユーザー:          N/A\nコンピューター:       {}\n説明:\n{}\n",
            self.channel,
            self.provider,
            self.at.format("%Y/%m/%d %-H:%M:%S", 0),
            self.id,
            self.computer,
            self.message,
        )
    }

    /// As wevtutil writes XML, with the message as the only datum.
    pub fn xml(&self) -> String {
        let message = self.message.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{}'/><EventID>{}</EventID><Version>0</Version><Level>2</Level><TimeCreated SystemTime='{}'/><EventRecordID>812</EventRecordID><Channel>{}</Channel><Computer>{}</Computer><Security UserID='S-1-5-18'/></System><EventData><Data>{message}</Data><Data/></EventData></Event>",
            self.provider,
            self.id,
            self.at.iso(),
            self.channel,
            self.computer,
        )
    }

    /// An entry of `wevtutil qe /f:text`.
    pub fn listed(&self, number: usize) -> String {
        format!(
            "Event[{number}]:\n  Log Name: {}\n  Source: {}\n  Date: {}\n  Event ID: {}\n  Task: N/A\n  Level: Error\n  Opcode: Info\n  Keyword: N/A\n  User: S-1-5-18\n  User Name: NT AUTHORITY\\SYSTEM\n  Computer: {}\n  Description: \n{}\n\n",
            self.channel,
            self.provider,
            self.at.iso(),
            self.id,
            self.computer,
            self.message,
        )
    }

    /// `Get-WinEvent | Format-List`.
    pub fn printed(&self) -> String {
        format!(
            "\nTimeCreated  : {}\nProviderName : {}\nId           : {}\nMessage      : {}\n",
            self.at.format("%-m/%-d/%Y %-I:%M:%S %p", 0),
            self.provider,
            self.id,
            self.message.replace('\n', "\n               "),
        )
    }

    /// `Get-WinEvent` as it prints by itself.
    pub fn tabled(&self) -> String {
        format!(
            "\n\n   ProviderName: {}\n\nTimeCreated                     Id LevelDisplayName Message\n-----------                     -- ---------------- -------\n{:<21} {:>12} Error            {}\n",
            self.provider,
            self.at.format("%-m/%-d/%Y %-I:%M:%S %p", 0),
            self.id,
            self.message.lines().next().unwrap_or_default(),
        )
    }

    /// What the Event Viewer saves as CSV.
    pub fn saved(&self) -> String {
        format!(
            "Level,Date and Time,Source,Event ID,Task Category\nError,{},{},{},None,\"{}\"\n",
            self.at.format("%-m/%-d/%Y %-I:%M:%S %p", 0),
            self.provider,
            self.id,
            self.message.replace('"', "\"\""),
        )
    }

    /// In every form.
    pub fn in_every_form(&self) -> Vec<String> {
        vec![
            self.copied(false),
            self.copied(true),
            self.copied_in_japanese(),
            self.listed(0) + &self.listed(1),
            self.printed(),
            self.tabled(),
            self.saved(),
            self.xml(),
        ]
    }
}

/// The start of the Entra Connect wizard's trace, and an error of it. The machine's clock is `offset_min` ahead of UTC.
pub fn connect_trace(at: Moment, offset_min: i32, error: &str) -> String {
    let line = |s: i64, level: &str, text: &str| {
        format!(
            "[{}.125] [  1] [{level:<5}] {text}\n",
            at.plus_s(s).format("%H:%M:%S", offset_min)
        )
    };
    let start = |offset: i32| at.format("%a, %d %b %Y %H:%M:%S GMT", offset);
    [
        line(0, "INFO", "================"),
        line(0, "INFO", &format!("Start Time (Local): {}", start(offset_min))),
        line(0, "INFO", &format!("Start Time (UTC): {}", start(0))),
        line(1, "INFO", "Application Version: 2.3.20.0"),
        line(1, "INFO", "Default Proxy [ProxyAddress]: <Unspecified>"),
        line(9, "ERROR", error),
    ]
    .concat()
}
