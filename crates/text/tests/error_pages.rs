//! Pages and windows that tell a user why signing in or joining failed, as users paste them.

mod common;
use casetrace_model::Outcome;
use common::{at, column, field, read};

#[test]
fn the_page_of_a_refused_sign_in() {
    let text = "Sign in\nSorry, but we're having trouble signing you in.\n\nAADSTS53003: Access has been blocked by Conditional Access policies.\n\nTroubleshooting details\nCopy info to clipboard\n\nRequest Id: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nCorrelation Id: 2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11\nTimestamp: 2026-03-02T00:15:02Z\nMessage: AADSTS53003: Access has been blocked by Conditional Access policies.\n\nFlag sign-in errors for review: Enable flagging\n";
    let read = read("mail.txt", text.as_bytes());
    let row = read.only("error.page");
    assert_eq!(column(row, "error_code"), "AADSTS53003");
    assert_eq!(
        column(row, "correlation_id"),
        "2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11"
    );
    assert_eq!(
        (at(row), row.outcome),
        ("2026-03-02T00:15:02".into(), Some(Outcome::Failure))
    );
    assert_eq!(field(row, "request_id"), "0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100");
    assert!(row.message.starts_with("AADSTS53003: Access has been blocked"));
}

#[test]
fn the_page_of_a_device_that_may_not() {
    let text = "Error Code: 53003\nRequest Id: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nCorrelation Id: 2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11\nTimestamp: 2026-03-02T00:15:02.123Z\nApp name: Microsoft Teams\nApp id: 1fec8e78-bce4-4aaf-ab1b-5451cc387264\nIP address: 203.0.113.7\nDevice identifier: Not available\nDevice platform: Windows 10\nDevice state: Unregistered\n";
    let read = read("mail.txt", text.as_bytes());
    let row = read.only("error.page");
    assert_eq!(column(row, "error_code"), "AADSTS53003");
    assert_eq!(column(row, "src_ip"), "203.0.113.7");
    assert_eq!(
        (field(row, "application"), field(row, "device_state")),
        ("Microsoft Teams".into(), "Unregistered".into())
    );
    assert_eq!(row.device_id, None);
}

#[test]
fn the_window_of_a_refused_join() {
    let text = "Something went wrong.\nThis feature is not supported. You can try to do this again or contact your system administrator with the error code 801c0003.\nAdditional problem information:\nServer error code: 801c0003\nCorrelation ID: 2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11\nTimestamp: 03-02-2026 0:15:02Z\nServer message: User 'xxxx' is not eligible to enroll a device of type 'Windows'. Reason 'DeviceCapReached'.\nMore information: https://www.microsoft.com/aadjerrors\n";
    let read = read("mail.txt", text.as_bytes());
    let row = read.only("error.page");
    assert_eq!(column(row, "error_code"), "0x801c0003");
    assert_eq!(at(row), "2026-03-02T00:15:02");
    assert!(field(row, "server_message").contains("DeviceCapReached"));
}

#[test]
fn two_pages_and_a_command_are_three_things() {
    let page = |code: &str| {
        format!(
            "Error Code: {code}\nRequest Id: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nTimestamp: 2026-03-02T00:15:02Z\n\n"
        )
    };
    let text = format!(
        "{}{}PS C:\\> w32tm /stripchart /computer:time.windows.com /samples:1 /dataonly\nTracking time.windows.com [20.101.57.9:123].\n09:15:02, +00.0012345s\n",
        page("53003"),
        page("50105")
    );
    let read = read("mail.txt", text.as_bytes());
    let codes: Vec<_> = read
        .kind("error.page")
        .map(|row| column(row, "error_code"))
        .collect();
    assert_eq!(codes, ["AADSTS53003", "AADSTS50105"]);
    assert!(read.kind("config").count() > 0);
}

#[test]
fn labels_without_a_code_are_no_page() {
    let text = "Request Id: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nCorrelation Id: 2f0cbbd1-5e0a-4a83-8d1d-7e1e0a3c7a11\n";
    assert_eq!(read("mail.txt", text.as_bytes()).kind("error.page").count(), 0);
}
