//! An event's XML text into an [`Event`].

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event as Xml};

use crate::event::Event;

/// Reads one `<Event>`; false if the text is not well formed (what was read until then stays in `event`).
pub(crate) fn read(xml: &[u8], event: &mut Event<'_>) -> bool {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().check_end_names = false;
    let mut texts: Vec<String> = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Xml::Start(tag)) => {
                start(&tag, event);
                texts.push(String::new());
            }
            Ok(Xml::Empty(tag)) => {
                start(&tag, event);
                event.end(Cow::Borrowed(""));
            }
            Ok(Xml::End(_)) => {
                let Some(text) = texts.pop() else { return false };
                event.end(Cow::Owned(text));
            }
            Ok(Xml::Text(text)) => push(&mut texts, &String::from_utf8_lossy(&text)),
            Ok(Xml::CData(text)) => push(&mut texts, &String::from_utf8_lossy(&text)),
            Ok(Xml::GeneralRef(reference)) => match (reference.resolve_char_ref(), reference.decode()) {
                (Ok(Some(c)), _) => push(&mut texts, c.encode_utf8(&mut [0; 4])),
                (_, Ok(name)) => push(&mut texts, resolve_predefined_entity(&name).unwrap_or("\u{fffd}")),
                _ => push(&mut texts, "\u{fffd}"),
            },
            Ok(Xml::Eof) => return texts.is_empty(),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn push(texts: &mut [String], text: &str) {
    if let Some(last) = texts.last_mut() {
        last.push_str(text);
    }
}

fn start(tag: &BytesStart<'_>, event: &mut Event<'_>) {
    event.start(&String::from_utf8_lossy(tag.local_name().as_ref()));
    for attribute in tag.attributes().with_checks(false).flatten() {
        // Namespace declarations keep their prefix, so that `xmlns:auto-ns2` is not taken for a field.
        let name = attribute.key;
        let name = if name.as_namespace_binding().is_some() {
            name.as_ref()
        } else {
            name.local_name().into_inner()
        };
        let raw = String::from_utf8_lossy(&attribute.value);
        let value =
            quick_xml::escape::unescape(&raw).map_or_else(|_| raw.to_string(), |text| text.into_owned());
        event.attribute(&String::from_utf8_lossy(name), Cow::Owned(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_columns_and_fields() {
        let xml = br#"<Event xmlns="urn:x"><System><Provider Name="P" Guid="{g}" EventSourceName="s"/>
<EventID Qualifiers="16384">7</EventID><Version>1</Version><Level>2</Level><Keywords>0x8000000000000001</Keywords>
<TimeCreated SystemTime="2024-05-22T03:11:55.2642578Z"/><Channel>C</Channel><Security UserID="S-1-5-18"/></System>
<EventData><Data Name="A">1 &lt; 2 &#38; 3</Data><Data>x</Data><Data/><Binary>00</Binary></EventData>
<UserData><Root xmlns:auto="u"><Item id="5">t</Item><Item id="6"/></Root></UserData>
<RenderingInfo Culture="en-US"><Message>Hello</Message><Task>T</Task></RenderingInfo></Event>"#;
        let mut event = Event::default();
        assert!(read(xml, &mut event));
        assert_eq!(
            (event.system.event_id, event.system.qualifiers),
            (Some(7), Some(16384))
        );
        assert_eq!(event.system.keywords, Some(0x8000_0000_0000_0001));
        assert_eq!(event.system.time_ns, Some(1_716_347_515_264_257_800));
        let fields: Vec<_> = event.fields.iter().collect();
        assert_eq!(
            fields,
            [
                ("System/Provider/@EventSourceName", "s"),
                ("System/EventID/@Qualifiers", "16384"),
                ("A", "1 < 2 & 3"),
                ("Data", "x"),
                ("Data_2", ""),
                ("Binary", "00"),
                ("Root/Item/@id", "5"),
                ("Root/Item", "t"),
                ("Root/Item/@id_2", "6"),
            ]
        );
        assert_eq!(event.rendered.message.as_deref(), Some("Hello"));
    }

    #[test]
    fn torn_text_is_reported() {
        assert!(!read(b"<Event><System><EventID>1</Ev", &mut Event::default()));
        assert!(!read(b"</Event>", &mut Event::default()));
    }
}
