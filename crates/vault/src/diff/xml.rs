//! XML as a tree (Extensible Markup Language 1.0, fifth edition), as far as project files use it.
//!
//! No document type with declarations of its own, so no entity can grow; no namespaces: a prefix
//! is cut off. Invariant: what is not well-formed is no tree.

use std::collections::BTreeMap;

/// Elements inside elements.
const DEPTH_MAX: usize = 128;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Element {
    /// Without its prefix.
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub children: Vec<Element>,
    /// All text directly inside, without space around it.
    pub text: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// All text inside, at any depth, in order of the elements.
    pub fn all_text(&self) -> String {
        let parts = self.children.iter().map(Element::all_text);
        let mut text = self.text.clone();
        parts.for_each(|part| text.push_str(&part));
        text
    }
}

/// The root element; `None` when it is no XML.
pub fn parse(bytes: &[u8]) -> Option<Element> {
    let text = decoded(bytes)?;
    let mut reader = Reader { rest: &text };
    reader.skip_prolog()?;
    let root = reader.element(0)?;
    reader.skip_prolog()?;
    reader.rest.is_empty().then_some(root)
}

/// UTF-8, or UTF-16 by its mark.
fn decoded(bytes: &[u8]) -> Option<String> {
    let from_units = |pairs: &[[u8; 2]], unit: fn([u8; 2]) -> u16| {
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>().ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => from_units(rest.as_chunks::<2>().0, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => from_units(rest.as_chunks::<2>().0, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, word: &str) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(word)?;
        self.rest = after;
        Some(before)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Declarations, comments, processing instructions, a document type without a subset.
    fn skip_prolog(&mut self) -> Option<()> {
        loop {
            self.space();
            if self.eat("<?") {
                self.until("?>")?;
            } else if self.eat("<!--") {
                self.until("-->")?;
            } else if self.eat("<!DOCTYPE") {
                if self.until(">")?.contains('[') {
                    return None;
                }
            } else {
                return Some(());
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let ends = |c: char| c.is_whitespace() || "/>=<\"'&".contains(c);
        let end = self.rest.find(ends)?;
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        let bare = name.rsplit_once(':').map_or(name, |(_, bare)| bare);
        (!bare.is_empty()).then(|| bare.to_owned())
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        if depth > DEPTH_MAX || !self.eat("<") {
            return None;
        }
        let mut element = Element { name: self.name()?, ..Element::default() };
        loop {
            self.space();
            if self.eat("/>") {
                return Some(element);
            }
            if self.eat(">") {
                break;
            }
            let name = self.name()?;
            self.space();
            if !self.eat("=") {
                return None;
            }
            self.space();
            let quote = if self.eat("\"") { "\"" } else { self.eat("'").then_some("'")? };
            let value = unescaped(self.until(quote)?)?;
            element.attributes.insert(name, value);
        }
        let mut text = String::new();
        loop {
            let (before, _) = self.rest.split_once('<')?;
            text.push_str(&unescaped(before)?);
            self.rest = &self.rest[before.len()..];
            if self.eat("</") {
                let name = self.name()?;
                self.space();
                if name != element.name || !self.eat(">") {
                    return None;
                }
                text.trim().clone_into(&mut element.text);
                return Some(element);
            } else if self.eat("<![CDATA[") {
                text.push_str(self.until("]]>")?);
            } else if self.eat("<!--") {
                self.until("-->")?;
            } else if self.eat("<?") {
                self.until("?>")?;
            } else {
                element.children.push(self.element(depth + 1)?);
            }
        }
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let digits = name.strip_prefix('#')?;
                let number = match digits.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => digits.parse().ok()?,
                };
                char::from_u32(number)?
            }
        });
        out.push_str(rest);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_names_attributes_and_text() {
        let text = "\u{feff}<?xml version='1.0'?><!-- a --><x:a b=\"1 &lt; 2\"> t&#65; <c/>\
                    <![CDATA[<raw>]]><d>e</d></x:a>\n";
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!((root.name.as_str(), root.attribute("b")), ("a", Some("1 < 2")));
        assert_eq!((root.text.as_str(), root.all_text().as_str()), ("tA <raw>", "tA <raw>e"));
        let wide: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("<a>ü</a>".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(parse(&wide).unwrap().text, "ü");
    }

    #[test]
    fn what_is_not_well_formed_or_declares_entities_is_no_tree() {
        let deep = "<a>".repeat(1_000);
        for bad in
            ["", "text", "<a>", "<a></b>", "<a b=1/>", "<a/><b/>", "<a>&bomb;</a>", "<a", &deep]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(b"<!DOCTYPE a [<!ENTITY b \"c\">]><a/>"), None);
    }
}
