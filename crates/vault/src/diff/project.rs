//! Projects and models in XML by their own units: L5X of Rockwell, PLCopen XML (IEC 61131-10),
//! NodeSet2 of OPC UA.
//!
//! What an export writes anew each time (dates, places on a drawing) means nothing, nor does the
//! order of units. Values of tags are units of their own, apart from the logic. Invariant: units
//! are matched by name, so a rung added is one row and not a change of all that follow.

use super::{
    Change, Difference, Format,
    text::{Line, differences},
    xml::{Element, parse},
};
use std::{collections::BTreeMap, path::Path};

/// How one format names its parts.
pub struct Project {
    name: &'static str,
    root: &'static str,
    /// Elements that are units: name of the element, word for it, attribute that names it.
    units: &'static [(&'static str, &'static str, &'static str)],
    /// Elements whose content is a value, not the program.
    values: &'static [&'static str],
    /// Elements and attributes that mean nothing.
    noise: &'static [&'static str],
    /// Elements that hold one line of a program each.
    lines: &'static [&'static str],
    risk: fn(&Difference) -> Option<&'static str>,
}

pub const L5X: Project = Project {
    name: "l5x",
    root: "RSLogix5000Content",
    units: &[
        ("Controller", "controller", "Name"),
        ("DataType", "data type", "Name"),
        ("Module", "module", "Name"),
        ("AddOnInstructionDefinition", "add-on instruction", "Name"),
        ("Tag", "tag", "Name"),
        ("Program", "program", "Name"),
        ("Routine", "routine", "Name"),
        ("Task", "task", "Name"),
        ("Trend", "trend", "Name"),
        ("Member", "member", "Name"),
        ("Parameter", "parameter", "Name"),
        ("LocalTag", "local tag", "Name"),
    ],
    values: &["Data", "DefaultData", "ForceData"],
    noise: &[
        "ExportDate",
        "ExportOptions",
        "LastModifiedDate",
        "CommPath",
        "Owner",
        "Number",
        "X",
        "Y",
        "CustomProperties",
    ],
    lines: &["Rung", "Line"],
    risk: l5x_risk,
};

pub const PLCOPEN: Project = Project {
    name: "plcopen-xml",
    root: "project",
    units: &[
        ("dataType", "data type", "name"),
        ("pou", "unit", "name"),
        ("action", "action", "name"),
        ("transition", "transition", "name"),
        ("configuration", "configuration", "name"),
        ("resource", "resource", "name"),
        ("task", "task", "name"),
        ("pouInstance", "instance", "name"),
        ("variable", "variable", "name"),
    ],
    values: &["initialValue"],
    noise: &[
        "creationDateTime",
        "modificationDateTime",
        "contentHeader",
        "position",
        "relPosition",
        "width",
        "height",
        "coordinateInfo",
        "addData",
        "documentation",
    ],
    lines: &["ST", "IL"],
    risk: plcopen_risk,
};

pub const NODESET: Project = Project {
    name: "nodeset2",
    root: "UANodeSet",
    units: &[
        ("UAObject", "object", "NodeId"),
        ("UAVariable", "variable", "NodeId"),
        ("UAMethod", "method", "NodeId"),
        ("UAView", "view", "NodeId"),
        ("UAObjectType", "object type", "NodeId"),
        ("UAVariableType", "variable type", "NodeId"),
        ("UADataType", "data type", "NodeId"),
        ("UAReferenceType", "reference type", "NodeId"),
    ],
    values: &["Value"],
    noise: &["LastModified", "PublicationDate"],
    lines: &[],
    risk: nodeset_risk,
};

/// The lines of every unit, by its name.
type Units = BTreeMap<String, Vec<String>>;

/// Where an element stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    unit: &'a str,
    /// What stands before the name of a unit inside.
    scope: &'a str,
    /// The elements above it in its unit.
    path: &'a str,
}

impl Format for Project {
    fn name(&self) -> &'static str {
        self.name
    }

    fn compare(&self, _path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        // Cheap before dear: most files are no XML.
        let head = before.get(..before.len().min(16_384))?;
        let named = |head: &[u8]| {
            let head: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
            String::from_utf8_lossy(&head).contains(self.root)
        };
        if !named(head) {
            return None;
        }
        let (a, b) = (self.describe(before)?, self.describe(after)?);
        let mut units: Vec<&String> = a.keys().chain(b.keys()).collect();
        units.sort_unstable();
        units.dedup();
        let mut found = Vec::new();
        for unit in units {
            match (a.get(unit), b.get(unit)) {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) if a.len() == 1 && b.len() == 1 => {
                    found.extend(Difference::of(unit, a.first().cloned(), b.first().cloned()));
                }
                (Some(a), Some(b)) => found.extend(differences(&lines(unit, a), &lines(unit, b))),
                // A whole unit is one row; what is in it has rows of its own only as a unit.
                (a, b) => {
                    let shown = |lines: &Vec<String>| match lines.len() {
                        0 | 1 => lines.first().cloned().unwrap_or_else(|| "empty".to_owned()),
                        n => format!("{n} lines"),
                    };
                    found.extend(Difference::of(unit, a.map(shown), b.map(shown)));
                }
            }
        }
        found.iter_mut().for_each(|difference| difference.risk = (self.risk)(difference));
        Some(found)
    }
}

fn lines<'a>(unit: &'a str, lines: &'a [String]) -> Vec<Line<'a>> {
    lines.iter().map(|text| Line { section: Some(unit.into()), text }).collect()
}

impl Project {
    /// The lines of every unit, by its name.
    fn describe(&self, bytes: &[u8]) -> Option<Units> {
        let root = parse(bytes)?;
        if root.name != self.root {
            return None;
        }
        let mut found = Units::new();
        let place = Place { unit: "document", scope: "", path: "" };
        self.take(&root, place, &mut found);
        Some(found)
    }

    /// Takes an element into the unit it stands in, or makes a unit of it.
    fn take(&self, element: &Element, place: Place<'_>, found: &mut Units) {
        if self.noise.contains(&element.name.as_str()) {
            return;
        }
        let own = self.units.iter().find(|(name, ..)| *name == element.name);
        if let Some((_, word, key)) = own
            && let Some(name) = element.attribute(key)
        {
            return self.take_unit(element, &format!("{word} {name}"), place.scope, found);
        }
        let Place { unit, path, .. } = place;
        if self.values.contains(&element.name.as_str()) {
            let forces = if element.name == "ForceData" { "forces of " } else { "value of " };
            let entry = found.entry(format!("{forces}{unit}")).or_default();
            // The same value in a second form says nothing new.
            if entry.is_empty() {
                entry.push(value(element));
            }
            return;
        }
        let lines = found.entry(unit.to_owned()).or_default();
        if self.lines.contains(&element.name.as_str()) {
            let parts = element.children.iter().map(Element::all_text);
            for text in [element.text.clone()].into_iter().chain(parts) {
                lines.extend(text.lines().map(|line| line.trim_end().to_owned()));
            }
            return;
        }
        let path = match path {
            "" => element.name.clone(),
            path => format!("{path}/{}", element.name),
        };
        let mut line = path.clone();
        for attribute in self.attributes(element) {
            line.push(' ');
            line.push_str(&attribute);
        }
        if !element.text.is_empty() {
            line.push_str(" = ");
            line.push_str(&element.text);
        }
        // An element that only holds others says nothing itself.
        if line != path || element.children.is_empty() {
            lines.push(line);
        }
        let inside = Place { path: &path, ..place };
        element.children.iter().for_each(|child| self.take(child, inside, found));
    }

    fn take_unit(&self, element: &Element, name: &str, scope: &str, found: &mut Units) {
        let unit = match scope {
            "" => name.to_owned(),
            scope => format!("{scope}, {name}"),
        };
        // What a controller holds is not said to be in it again and again.
        let scope = if element.name == "Controller" { "" } else { unit.as_str() };
        let lines = found.entry(unit.clone()).or_default();
        lines.extend(self.attributes(element));
        lines.extend((!element.text.is_empty()).then(|| element.text.clone()));
        let inside = Place { unit: &unit, scope, path: "" };
        element.children.iter().for_each(|child| self.take(child, inside, found));
        // References of a node have no order; lines of a program have.
        if self.lines.is_empty()
            && let Some(lines) = found.get_mut(&unit)
        {
            lines.sort_unstable();
        }
    }

    fn attributes(&self, element: &Element) -> Vec<String> {
        let kept = element.attributes.iter();
        kept.filter(|(name, _)| !self.noise.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// A value as one line.
fn value(element: &Element) -> String {
    if element.children.is_empty() {
        return element.text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let parts = element.children.iter().map(|child| {
        let named = child.attribute("Name").or(child.attribute("Index")).unwrap_or(&child.name);
        let held = child.attribute("Value").or(child.attribute("value"));
        format!("{named}={}", held.map_or_else(|| value(child), str::to_owned))
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn l5x_risk(difference: &Difference) -> Option<&'static str> {
    let unit = difference.unit.as_deref()?;
    let has = |word: &str| {
        let texts = [&difference.before, &difference.after];
        texts.into_iter().flatten().any(|text| text.contains(word))
    };
    if unit.starts_with("forces of ") {
        Some("forces are in the project: are they meant to be?")
    } else if unit.starts_with("value of ") {
        None
    } else if has("SafetyLocked") || has("SafetyTaskSignature") || has("Class=Safety") {
        Some("a safety part changed: the acceptance may no longer hold")
    } else if unit.contains("add-on instruction") {
        Some("an add-on instruction changed: so does every program that uses it")
    } else if unit.starts_with("module") {
        let keying = has("EKey") || has("State=");
        Some(if keying { "the keying of a module changed" } else { "a module changed" })
    } else if unit.contains("routine") {
        Some("the program changed: is there an order for it?")
    } else if unit.starts_with("task") || unit.starts_with("controller") {
        Some("how the controller runs changed")
    } else if has("ExternalAccess=Read/Write") && difference.change != Change::Removed {
        Some("others may write the tag")
    } else {
        None
    }
}

fn plcopen_risk(difference: &Difference) -> Option<&'static str> {
    let unit = difference.unit.as_deref()?;
    if unit.starts_with("value of ") {
        None
    } else if unit.starts_with("unit ") {
        Some("the program changed: is there an order for it?")
    } else if ["task", "resource", "configuration", "instance"].iter().any(|w| unit.contains(w)) {
        Some("how the controller runs changed")
    } else {
        None
    }
}

/// Bit 1 of an access level is "may be written" (OPC 10000-3, 8.57); 1 is the usual level.
fn nodeset_risk(difference: &Difference) -> Option<&'static str> {
    let level = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("AccessLevel=1");
        let digits = text.strip_prefix("AccessLevel=").or(text.strip_prefix("UserAccessLevel="))?;
        digits.parse::<u32>().ok()
    };
    match (level(&difference.before), level(&difference.after)) {
        (Some(before), Some(after)) if before & 2 == 0 && after & 2 != 0 => {
            Some("write access gained")
        }
        _ if difference.unit.as_deref().is_some_and(|unit| unit.starts_with("method "))
            && difference.change == Change::Added =>
        {
            Some("a method that others may call")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &Project, before: &str, after: &str, expected: &[&str]) {
        let found = format.compare(Path::new("x"), before.as_bytes(), after.as_bytes()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|d| {
                let text = |o: &Option<String>| o.clone().unwrap_or("-".into());
                let risk = d.risk.map_or(String::new(), |r| format!(" ({r})"));
                format!("{}: {} > {}{risk}", text(&d.unit), text(&d.before), text(&d.after))
            })
            .collect();
        assert_eq!(shown, expected);
    }

    const BEFORE: &str = r#"<RSLogix5000Content ExportDate="Mon Mar 09 03:12:00 2026">
<Controller Name="Press4" ProcessorType="1756-L71" LastModifiedDate="a"><DataTypes>
<DataType Name="Axis"><Members><Member Name="Speed" DataType="REAL"/></Members></DataType>
</DataTypes>
<Modules><Module Name="In1" Slot="1"><EKey State="ExactMatch"/></Module></Modules>
<Tags><Tag Name="Count" DataType="DINT" ExternalAccess="Read Only">
<Data Format="L5K"><![CDATA[7]]></Data>
<Data Format="Decorated"><DataValue DataType="DINT" Value="7"/></Data></Tag></Tags>
<Programs><Program Name="Main"><Routines><Routine Name="Pump" Type="RLL"><RLLContent>
<Rung Number="0" Type="N"><Text><![CDATA[XIC(Start)OTE(Run);]]></Text></Rung>
<Rung Number="1" Type="N"><Text><![CDATA[XIC(Stop)OTU(Run);]]></Text></Rung>
</RLLContent></Routine></Routines></Program></Programs></Controller></RSLogix5000Content>"#;

    #[test]
    fn an_export_without_changes_means_the_same() {
        let later = BEFORE
            .replace("Mar 09 03:12", "Apr 01 08:00")
            .replace("LastModifiedDate=\"a\"", "LastModifiedDate=\"b\"");
        check(&L5X, BEFORE, &later, &[]);
        assert!(L5X.compare(Path::new("x"), b"<a/>", b"<a/>").is_none());
    }

    #[test]
    fn an_l5x_is_compared_by_rung_tag_type_and_module() {
        let inserted = r#"<Rung Number="0" Type="N">
<Text><![CDATA[XIC(Hidden)OTE(Valve);]]></Text></Rung><Rung Number="1""#;
        let after = BEFORE
            .replace("<Rung Number=\"1\"", "<Rung Number=\"2\"")
            .replace("<Rung Number=\"0\"", inserted)
            .replace("CDATA[7]", "CDATA[8]")
            .replace("Read Only", "Read/Write")
            .replace("DataType=\"REAL\"", "DataType=\"LREAL\"")
            .replace("ExactMatch", "Disabled");
        check(
            &L5X,
            BEFORE,
            &after,
            &[
                "data type Axis, member Speed: DataType=REAL > DataType=LREAL",
                "module In1: EKey State=ExactMatch > EKey State=Disabled \
                 (the keying of a module changed)",
                "program Main, routine Pump: - > XIC(Hidden)OTE(Valve); \
                 (the program changed: is there an order for it?)",
                "tag Count: ExternalAccess=Read Only > ExternalAccess=Read/Write \
                 (others may write the tag)",
                "value of tag Count: 7 > 8",
            ],
        );
    }

    #[test]
    fn plcopen_xml_is_compared_by_unit_and_variable() {
        let before = r#"<project xmlns="http://www.plcopen.org/xml/tc6_0200">
<contentHeader name="x" modificationDateTime="2026-03-09T03:12:00"/><types><pous>
<pou name="Pump" pouType="program"><interface><localVars><variable name="n"><type><INT/></type>
<initialValue><simpleValue value="1"/></initialValue></variable></localVars></interface>
<body><ST><xhtml xmlns="http://www.w3.org/1999/xhtml">n := n + 1;
IF n > 10 THEN
  n := 0;
END_IF;</xhtml></ST></body></pou></pous></types></project>"#;
        let after = before
            .replace("2026-03-09", "2026-04-01")
            .replace("n > 10", "n > 99")
            .replace("value=\"1\"", "value=\"2\"");
        check(
            &PLCOPEN,
            before,
            &after,
            &[
                "unit Pump: IF n > 10 THEN > - (the program changed: is there an order for it?)",
                "unit Pump: - > IF n > 99 THEN (the program changed: is there an order for it?)",
                "value of unit Pump, variable n: simpleValue=1 > simpleValue=2",
            ],
        );
        let more = before.replace("</pous>", "<pou name=\"New\" pouType=\"program\"/></pous>");
        check(
            &PLCOPEN,
            before,
            &more,
            &["unit New: - > 2 lines (the program changed: is there an order for it?)"],
        );
    }

    #[test]
    fn a_node_that_others_may_write_from_now_on_is_told() {
        let before = r#"<UANodeSet><NamespaceUris><Uri>urn:x</Uri></NamespaceUris>
<UAVariable NodeId="ns=1;s=a" BrowseName="1:a"><References>
<Reference ReferenceType="i=40">i=63</Reference>
<Reference ReferenceType="i=47" IsForward="false">i=85</Reference></References>
<Value><Int32>1</Int32></Value></UAVariable></UANodeSet>"#;
        let after = before
            .replace("BrowseName=\"1:a\"", "BrowseName=\"1:a\" AccessLevel=\"3\"")
            .replace("<Int32>1", "<Int32>2");
        check(
            &NODESET,
            before,
            &after,
            &[
                "value of variable ns=1;s=a: Int32=1 > Int32=2",
                "variable ns=1;s=a: - > AccessLevel=3 (write access gained)",
            ],
        );
    }
}
