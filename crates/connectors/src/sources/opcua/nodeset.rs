//! An address space as a NodeSet2 document (OPC 10000-6, annex F).
//!
//! Not kept: definitions of structures and permissions of roles. Invariant: nodes and references
//! are sorted and no time is written, so equal address spaces have equal documents.

use super::{
    client::Reference,
    types::{Id, Item, NodeId, Variant, escaped},
};
use std::{collections::BTreeMap, fmt::Write as _};

/// Attributes (OPC 10000-6, A.1).
const BROWSE_NAME: u32 = 3;
const DISPLAY_NAME: u32 = 4;
const DESCRIPTION: u32 = 5;
const INVERSE_NAME: u32 = 10;

/// Attribute and its name in the document, where it is an attribute there too.
const WRITTEN: [(u32, &str, &str); 13] = [
    (8, "IsAbstract", "false"),
    (9, "Symmetric", "false"),
    (11, "ContainsNoLoops", "false"),
    (12, "EventNotifier", "0"),
    (14, "DataType", "i=24"),
    (15, "ValueRank", "-1"),
    (16, "ArrayDimensions", ""),
    (17, "AccessLevel", "1"),
    (18, "UserAccessLevel", "1"),
    (19, "MinimumSamplingInterval", "0"),
    (20, "Historizing", "false"),
    (21, "Executable", "true"),
    (22, "UserExecutable", "true"),
];

pub struct Node {
    pub class: u32,
    pub references: Vec<Reference>,
    pub attributes: BTreeMap<u32, Variant>,
    pub value: Option<Variant>,
}

impl Node {
    pub fn new(class: u32, references: Vec<Reference>) -> Self {
        Self { class, references, attributes: BTreeMap::new(), value: None }
    }

    /// Whether it is a variable whose value may be read (OPC 10000-3, 8.57: bit 0).
    pub fn has_value(&self) -> bool {
        let level = self.attributes.get(&17).and_then(|level| level.items.first());
        match self.class {
            2 => matches!(level, Some(Item::Unsigned(level)) if level & 1 != 0),
            _ => false,
        }
    }
}

/// The attributes that nodes of a class have (OPC 10000-3, 5).
pub fn attributes(class: u32) -> &'static [u32] {
    match class {
        1 => &[3, 4, 5, 12],
        2 => &[3, 4, 5, 14, 15, 16, 17, 18, 19, 20],
        4 => &[3, 4, 5, 21, 22],
        8 | 64 => &[3, 4, 5, 8],
        16 => &[3, 4, 5, 8, 14, 15, 16],
        32 => &[3, 4, 5, 8, 9, 10],
        128 => &[3, 4, 5, 11, 12],
        _ => &[3, 4, 5],
    }
}

/// Attributes that a node of the class need not have.
pub fn is_optional(attribute: u32) -> bool {
    matches!(attribute, DESCRIPTION | INVERSE_NAME | 16 | 19)
}

pub fn document(namespaces: &[String], nodes: &BTreeMap<NodeId, Node>) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <UANodeSet xmlns=\"http://opcfoundation.org/UA/2011/03/UANodeSet.xsd\" \
         xmlns:uax=\"http://opcfoundation.org/UA/2008/02/Types.xsd\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<NamespaceUris>\n",
    );
    for uri in namespaces {
        writeln!(out, "<Uri>{}</Uri>", escaped(uri)).expect("to a string");
    }
    out.push_str("</NamespaceUris>\n");
    nodes.iter().for_each(|(id, node)| write(id, node, &mut out));
    out.push_str("</UANodeSet>\n");
    out
}

fn write(id: &NodeId, node: &Node, out: &mut String) {
    let name = match node.class {
        1 => "UAObject",
        2 => "UAVariable",
        4 => "UAMethod",
        8 => "UAObjectType",
        16 => "UAVariableType",
        32 => "UAReferenceType",
        64 => "UADataType",
        _ => "UAView",
    };
    write!(out, "<{name} NodeId=\"{}\"", escaped(&id.to_string())).expect("to a string");
    if let Some(Item::Named { namespace, name }) = first(node, BROWSE_NAME) {
        let prefix = if *namespace > 0 { format!("{namespace}:") } else { String::new() };
        write!(out, " BrowseName=\"{prefix}{}\"", escaped(name)).expect("to a string");
    }
    if let Some(parent) = node.references.iter().find(|r| !r.is_forward && is_parent(&r.kind)) {
        let parent = escaped(&parent.target.to_string());
        write!(out, " ParentNodeId=\"{parent}\"").expect("to a string");
    }
    for (attribute, name, usual) in WRITTEN {
        let Some(variant) = node.attributes.get(&attribute) else { continue };
        let shown: Vec<String> = variant
            .items
            .iter()
            .map(|item| match item {
                Item::Node(id) => escaped(&id.to_string()),
                other => other.to_xml(),
            })
            .collect();
        let shown = shown.join(",");
        if shown != usual {
            write!(out, " {name}=\"{shown}\"").expect("to a string");
        }
    }
    out.push_str(">\n");
    for (attribute, name) in
        [(DISPLAY_NAME, "DisplayName"), (DESCRIPTION, "Description"), (INVERSE_NAME, "InverseName")]
    {
        if let Some(Item::Localized { locale, text: Some(text) }) = first(node, attribute) {
            let locale = locale.as_deref().filter(|locale| !locale.is_empty());
            let locale = locale.map(|l| format!(" Locale=\"{}\"", escaped(l))).unwrap_or_default();
            writeln!(out, "<{name}{locale}>{}</{name}>", escaped(text)).expect("to a string");
        }
    }
    references(node, out);
    if let Some(value) = &node.value {
        writeln!(out, "<Value>{}</Value>", value.to_xml()).expect("to a string");
    }
    writeln!(out, "</{name}>").expect("to a string");
}

fn first(node: &Node, attribute: u32) -> Option<&Item> {
    node.attributes.get(&attribute)?.items.first()
}

/// Organizes, HasSubtype, HasProperty, HasComponent, HasOrderedComponent (OPC 10000-5, 11).
fn is_parent(kind: &NodeId) -> bool {
    matches!(kind, NodeId { namespace: 0, id: Id::Number(35 | 45 | 46 | 47 | 49) })
}

fn references(node: &Node, out: &mut String) {
    out.push_str("<References>\n");
    // One direction says it all but for what hangs on a node of the standard; the way to the
    // parent is written too, as tools that read such documents look for it.
    let kept = |r: &&Reference| r.is_forward || r.target.namespace == 0 || is_parent(&r.kind);
    for reference in node.references.iter().filter(kept) {
        let kind = escaped(&reference.kind.to_string());
        let direction = if reference.is_forward { "" } else { " IsForward=\"false\"" };
        let target = escaped(&reference.target.to_string());
        writeln!(out, "<Reference ReferenceType=\"{kind}\"{direction}>{target}</Reference>")
            .expect("to a string");
    }
    out.push_str("</References>\n");
}
