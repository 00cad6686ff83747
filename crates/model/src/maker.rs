//! One name for a maker, whoever said it: a device, or the registry of its address.
//!
//! Not here: what was said, which facts keep. Invariant: a name that was made the common one stays
//! as it is.

/// How makers of what stands in plants are written down, without regard to case, and what people
/// call them. A longer beginning stands before one that it has in it.
const MAKERS: &[(&str, &str)] = &[
    ("abb", "ABB"),
    ("advantech", "Advantech"),
    ("allen-bradley", "Rockwell Automation"),
    ("b&r industrial automation", "B&R"),
    ("beckhoff", "Beckhoff"),
    ("bernecker + rainer", "B&R"),
    ("bosch rexroth", "Bosch Rexroth"),
    ("cisco systems", "Cisco"),
    ("danfoss", "Danfoss"),
    ("endress & hauser", "Endress+Hauser"),
    ("endress+hauser", "Endress+Hauser"),
    ("festo", "Festo"),
    ("hilscher", "Hilscher"),
    ("hirschmann automation", "Hirschmann"),
    ("honeywell", "Honeywell"),
    ("intel corporate", "Intel"),
    ("johnson controls", "Johnson Controls"),
    ("lenze", "Lenze"),
    ("mitsubishi electric", "Mitsubishi Electric"),
    ("moxa", "Moxa"),
    ("omron healthcare", "Omron Healthcare"),
    ("omron", "Omron"),
    ("phoenix contact", "Phoenix Contact"),
    ("rockwell automation", "Rockwell Automation"),
    ("schneider automation", "Schneider Electric"),
    ("schneider electric", "Schneider Electric"),
    ("schneider-electric", "Schneider Electric"),
    ("schweitzer engineering", "Schweitzer Engineering Laboratories"),
    ("sew-eurodrive", "SEW-Eurodrive"),
    ("sew eurodrive", "SEW-Eurodrive"),
    ("siemens energy", "Siemens Energy"),
    ("siemens healthcare", "Siemens Healthineers"),
    ("siemens healthineers", "Siemens Healthineers"),
    ("siemens", "Siemens"),
    // Schneider's own since 1988; Modicon controllers have addresses of its block.
    ("telemecanique", "Schneider Electric"),
    ("wago", "WAGO"),
    ("weidmueller", "Weidmüller"),
    ("weidmüller", "Weidmüller"),
    ("yokogawa", "Yokogawa"),
];

/// Words for what a company is by law, in small letters and without full stops.
const LEGAL_FORMS: &[&str] = &[
    "a/s",
    "ab",
    "ag",
    "aps",
    "as",
    "bv",
    "co",
    "corp",
    "corporation",
    "gmbh",
    "inc",
    "incorporated",
    "kg",
    "kgaa",
    "limited",
    "llc",
    "ltd",
    "mbh",
    "nv",
    "oy",
    "oyj",
    "pte",
    "pty",
    "sa",
    "sarl",
    "sas",
    "spa",
    "srl",
];

/// What people call the maker: `Siemens` for `Siemens AG` and for `SIEMENS AG, Digital Factory`.
pub fn maker(said: &str) -> &str {
    let said = said.trim();
    match MAKERS.iter().find(|(beginning, _)| begins(said, beginning)) {
        Some((_, name)) => name,
        None => without_legal_form(said),
    }
}

/// Whether it begins with these words, whole ones.
fn begins(said: &str, words: &str) -> bool {
    let Some((start, rest)) = said.split_at_checked(words.len()) else { return false };
    let same = start.chars().flat_map(char::to_lowercase).eq(words.chars());
    same && !rest.starts_with(char::is_alphanumeric)
}

fn without_legal_form(said: &str) -> &str {
    let mut left = said;
    loop {
        let end = left.trim_end_matches([' ', ',', '&']);
        let start = end.rfind([' ', ',']).map_or(0, |at| at + 1);
        let word: String = end[start..].chars().filter(|c| *c != '.').collect();
        // A name that is nothing else is one.
        if start == 0 || !LEGAL_FORMS.contains(&&*word.to_lowercase()) {
            return end;
        }
        left = &end[..start];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &[&str], name: &str) {
        for said in said {
            assert_eq!(maker(said), name, "{said}");
        }
    }

    #[test]
    fn one_maker_has_one_name_whoever_said_it() {
        let siemens = ["Siemens", "Siemens AG", "SIEMENS AG, Digital Factory, Motion Control"];
        check(&siemens, "Siemens");
        check(&["Siemens Industrial Automation Products Ltd., Chengdu"], "Siemens");
        check(&["Schneider Electric", "Schneider Electric Industries SAS"], "Schneider Electric");
        check(&["TELEMECANIQUE ELECTRIQUE", "Schneider-Electric(China)"], "Schneider Electric");
        check(&["Rockwell Automation/Allen-Bradley", "Allen-Bradley"], "Rockwell Automation");
        check(&["Phoenix Contact GmbH & Co. KG", "Phoenix Contact"], "Phoenix Contact");
        check(&["Weidmüller Interface GmbH & Co. KG", "WEIDMÜLLER"], "Weidmüller");
        check(&["Moxa.Inc", "MOXA TECHNOLOGIES CORP., LTD."], "Moxa");
    }

    #[test]
    fn others_lose_what_they_are_by_law_and_nothing_else() {
        check(&["VMware, Inc.", "VMware"], "VMware");
        check(&["ICP Electronics Co.,Ltd.", "ICP Electronics CO., LTD"], "ICP Electronics");
        check(&["Nokia Siemens Networks GmbH & Co. KG"], "Nokia Siemens Networks");
        check(&["Siemens Energy Global GmbH & Co. KG"], "Siemens Energy");
        check(&["Abbott Diagnostics"], "Abbott Diagnostics");
        check(&["AG"], "AG");
        check(&["Co., Ltd."], "Co.");
        check(&[""], "");
    }

    #[test]
    fn a_common_name_stays_as_it_is() {
        for (beginning, name) in MAKERS {
            check(&[name, beginning, &format!("{beginning}, Inc.")], name);
        }
    }
}
