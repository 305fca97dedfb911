//! Reads the XML of the platform: one root `<xml>` with each field once.
//!
//! Messages need nothing else of XML, and the rest is dangerous. So document types, other entities
//! than the five of XML itself, processing instructions, attributes and comments are refused.
//! Elements inside a field, which some events have, are checked and skipped.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Deepest nesting of elements; the platform's own messages have five levels.
const DEPTH_MAX: usize = 8;

/// Why a text is not such XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongXml {
    /// Bytes that are not UTF-8.
    #[error("the message is not UTF-8")]
    NotUtf8,
    /// A character that no XML may have.
    #[error("the message has the character {0:?}, which XML does not allow")]
    Character(char),
    /// Not XML: where and why.
    #[error("the message is not well-formed XML: {0}")]
    Broken(String),
    /// XML that is more than a message needs.
    #[error("the message has {0}, which messages do not have")]
    Foreign(&'static str),
    /// A field that is there twice.
    #[error("the message has the field {0:?} twice")]
    Repeated(String),
}

/// The fields of a message: name and text. No text if the field has elements.
pub type Fields = BTreeMap<String, Option<String>>;

/// Reads a whole text.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Fields, WrongXml> {
    let text = std::str::from_utf8(bytes).map_err(|_| WrongXml::NotUtf8)?;
    if let Some(char) = text.chars().find(|char| !is_allowed(*char)) {
        return Err(WrongXml::Character(char));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk::default();
    while !walk.has_ended {
        walk.take(reader.read_event().map_err(broken)?)?;
    }
    Ok(walk.fields)
}

/// True for a character that XML 1.0 allows.
pub fn is_allowed(char: char) -> bool {
    match char {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        other => other >= ' ',
    }
}

/// True for a name of an element, without name spaces.
fn is_name(name: &str) -> bool {
    let letter = |char: char| char.is_alphabetic() || char == '_';
    let other = |char: char| char.is_numeric() || matches!(char, '-' | '.');
    name.starts_with(letter) && name.chars().all(|char| letter(char) || other(char))
}

fn broken(error: impl std::fmt::Display) -> WrongXml {
    WrongXml::Broken(error.to_string())
}

/// The state of the reader.
#[derive(Default)]
struct Walk {
    /// Open elements: 1 is inside the root, 2 inside a field.
    depth: usize,
    has_begun: bool,
    has_root: bool,
    has_ended: bool,
    name: String,
    text: String,
    has_elements: bool,
    fields: Fields,
}

impl Walk {
    fn take(&mut self, event: Event<'_>) -> Result<(), WrongXml> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        match event {
            Event::Start(tag) | Event::Empty(tag) => self.open(&tag),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(&text.decode().map_err(broken)?),
            Event::CData(text) => self.data(&text.decode().map_err(broken)?),
            Event::GeneralRef(reference) => self.data(&referred(&reference)?),
            Event::Decl(declared) if is_first => declared.version().map(drop).map_err(broken),
            Event::Decl(_) | Event::PI(_) => Err(WrongXml::Foreign("a processing instruction")),
            Event::DocType(_) => Err(WrongXml::Foreign("a document type")),
            Event::Comment(_) => Err(WrongXml::Foreign("a comment")),
            Event::Eof => self.end(),
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), WrongXml> {
        if !tag.attributes_raw().trim_ascii().is_empty() {
            return Err(WrongXml::Foreign("an attribute"));
        }
        let name = tag.name();
        let name = String::from_utf8_lossy(name.as_ref());
        if !is_name(&name) {
            return Err(broken(format!("{name:?} is not a name")));
        }
        match self.depth {
            0 if name != "xml" => return Err(WrongXml::Foreign("a root that is not <xml>")),
            0 if self.has_root => return Err(WrongXml::Foreign("a second root")),
            0 => self.has_root = true,
            1 if self.fields.contains_key(&*name) => {
                return Err(WrongXml::Repeated(name.into_owned()));
            }
            1 => self.name = name.into_owned(),
            DEPTH_MAX.. => return Err(WrongXml::Foreign("elements nested too deep")),
            _ => self.has_elements = true,
        }
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), WrongXml> {
        if self.depth == 2 {
            let text = std::mem::take(&mut self.text);
            let text = (!std::mem::take(&mut self.has_elements)).then_some(text);
            self.fields.insert(std::mem::take(&mut self.name), text);
        }
        let outer = self.depth.checked_sub(1);
        self.depth = outer.ok_or_else(|| broken("an end without a start"))?;
        Ok(())
    }

    /// Characters as they are: between elements they may be white space.
    fn text(&mut self, text: &str) -> Result<(), WrongXml> {
        if text.contains("]]>") {
            return Err(broken("]]> outside of CDATA"));
        }
        if self.depth < 2 && text.trim_ascii().is_empty() {
            return Ok(());
        }
        self.data(text)
    }

    fn data(&mut self, text: &str) -> Result<(), WrongXml> {
        match self.depth {
            0 | 1 => Err(WrongXml::Foreign("text outside of its fields")),
            2 => {
                self.text.push_str(text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), WrongXml> {
        if self.depth > 0 || !self.has_root {
            return Err(broken("it ends too early"));
        }
        self.has_ended = true;
        Ok(())
    }
}

/// The text of a reference: a character by its number, or one of the five entities of XML itself.
fn referred(reference: &BytesRef<'_>) -> Result<String, WrongXml> {
    if let Some(char) = reference.resolve_char_ref().map_err(broken)? {
        return Some(char)
            .filter(|char| is_allowed(*char))
            .map(String::from)
            .ok_or(WrongXml::Character(char));
    }
    let name = reference.decode().map_err(broken)?;
    let text = resolve_xml_entity(&name).map(str::to_owned);
    text.ok_or(WrongXml::Foreign("an entity that is not one of XML's own"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(xml: &str) -> Option<String> {
        let fields = read(xml.as_bytes()).unwrap_or_else(|wrong| panic!("{xml}: {wrong}"));
        fields.get("C").cloned().expect("the field")
    }

    #[test]
    fn a_text_is_read_in_every_notation() {
        for (written, expected) in [
            ("<![CDATA[a b]]>", "a b"),
            ("a b", "a b"),
            (" a ", " a "),
            ("", ""),
            ("<![CDATA[]]>", ""),
            ("<![CDATA[a]]]]><![CDATA[>b]]>", "a]]>b"),
            ("x<![CDATA[<&amp;>]]>&lt;&#25250;&#x62A2;", "x<&amp;><抢抢"),
            ("&amp;&quot;&apos;&gt;", "&\"'>"),
        ] {
            let xml = format!("<xml><B>1</B><C>{written}</C></xml>");
            assert_eq!(text(&xml).as_deref(), Some(expected), "{written}");
        }
        let spaced = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xml>\n  <C >x</C >\r\n</xml>\n";
        assert_eq!(text(spaced).as_deref(), Some("x"));
        assert_eq!(text("<xml><C/></xml>").as_deref(), Some(""));
        assert_eq!(read(b"<xml/>"), Ok(Fields::new()));
    }

    #[test]
    fn elements_in_a_field_are_passed_over() {
        let nested = "<xml><C> <L><i>1</i><i><![CDATA[2]]>&amp;</i></L></C><D>x</D></xml>";
        assert_eq!(text(nested), None);
        let fields = read(nested.as_bytes()).expect("well formed");
        assert_eq!(fields["D"].as_deref(), Some("x"));
    }

    #[test]
    fn what_messages_do_not_have_is_refused() {
        let deep = |depth: usize| {
            let (open, close) = ("<a>".repeat(depth), "</a>".repeat(depth));
            format!("<xml>{open}{close}</xml>")
        };
        assert!(read(deep(DEPTH_MAX - 1).as_bytes()).is_ok());
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]><xml><C>&b;</C></xml>";
        let file = "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><xml><C>x</C></xml>";
        for xml in [
            bomb,
            file,
            &deep(DEPTH_MAX),
            &deep(5_000),
            "<xml><C>&nbsp;</C></xml>",
            "<xml><C>&b;</C></xml>",
            "<xml><?php x ?><C>x</C></xml>",
            "<xml><C>x</C></xml><?xml version=\"1.0\"?>",
            "<xml><!-- x --></xml>",
            "<xml a=\"1\"><C>x</C></xml>",
            "<xml><C a=\"1\">x</C></xml>",
            "<html><C>x</C></html>",
            "<XML><C>x</C></XML>",
            "<xml></xml><xml></xml>",
            "<xml>x</xml>",
            "<xml><![CDATA[ ]]></xml>",
            "<xml>&#32;</xml>",
            "x<xml></xml>",
            "<xml></xml>x",
        ] {
            let wrong = read(xml.as_bytes());
            assert!(
                matches!(wrong, Err(WrongXml::Foreign(_))),
                "{xml}: {wrong:?}"
            );
        }
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for xml in [
            "",
            " ",
            "{}",
            "<xml>",
            "<xml><C>",
            "<xml><C></xml>",
            "<xml></C></xml>",
            "</xml>",
            "<xml><C>x</D></xml>",
            "<xml><C>&amp</C></xml>",
            "<xml><C>&</C></xml>",
            "<xml><C><![CDATA[x</C></xml>",
            "<xml><C>x</C",
            "<",
            "<!",
            "<![CDATA[",
            "&",
            "<xml><C>&#;</C></xml>",
            "<xml><C>&#x110000;</C></xml>",
            "<xml><1a>x</1a></xml>",
            "<xml><C><a,b>x</a,b></C></xml>",
            "<xml><a:b:c>x</a:b:c></xml>",
            "<xml><>x</></xml>",
            "<xml><C>a]]>b</C></xml>",
            "<?xml foo?><xml></xml>",
        ] {
            let wrong = read(xml.as_bytes());
            assert!(
                matches!(wrong, Err(WrongXml::Broken(_) | WrongXml::Foreign(_))),
                "{xml}: {wrong:?}"
            );
        }
        let twice = read(b"<xml><C>x</C><C>x</C></xml>");
        assert_eq!(twice, Err(WrongXml::Repeated("C".to_owned())));
        assert_eq!(read(b"<xml><C>\xff</C></xml>"), Err(WrongXml::NotUtf8));
        for xml in ["<xml><C>\u{1}</C></xml>", "<xml><C>&#1;</C></xml>"] {
            assert_eq!(read(xml.as_bytes()), Err(WrongXml::Character('\u{1}')));
        }
        for xml in ["<xml><C>\0</C></xml>", "<xml><C>&#0;</C></xml>"] {
            assert!(read(xml.as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_tags_cause_a_panic(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "<xml>", "</xml>", "<a>", "</a>", "<a/>", "<![CDATA[", "]]>", "&amp;", "&#60;",
                    "&x;", "&", "<", ">", "<?", "?>", "<!--", "-->", "<!DOCTYPE", "[", "]", "x", " ",
                    "\"", "=", "抢", "\u{feff}", "<?xml", "version", "/",
                ]),
                0..40,
            ),
        ) {
            let _ = read(pieces.concat().as_bytes());
        }

        #[test]
        fn every_text_is_read_as_it_was_written(text in "\\PC*") {
            let parts = text.replace("]]>", "]]]]><![CDATA[>");
            let xml = format!("<xml><C><![CDATA[{parts}]]></C></xml>");
            let expected = text.chars().all(is_allowed).then_some(text);
            let read = read(xml.as_bytes()).ok().and_then(|fields| fields["C"].clone());
            prop_assert_eq!(read, expected);
        }
    }
}
