//! The little XML that answers of object stores are.
//!
//! Not a parser of XML: it finds elements by name, as these services write them (no attributes
//! that matter, no comments, no CDATA). Invariant: what is no such answer gives nothing.

/// What is inside each element with this name, in order; elements of one name do not nest.
pub fn each<'x>(text: &'x str, name: &'x str) -> impl Iterator<Item = &'x str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once(&format!("<{name}") as &str)?;
            rest = after;
            let (head, inside) = after.split_once('>')?;
            // `<Version>`, not `<VersionId>`.
            if !head.is_empty() && !head.starts_with([' ', '/']) {
                continue;
            }
            if head.ends_with('/') {
                rest = inside;
                return Some("");
            }
            let (inside, after) = inside.split_once(&format!("</{name}>") as &str)?;
            rest = after;
            return Some(inside);
        }
    })
}

/// Text of the first element with this name.
pub fn first(text: &str, name: &str) -> Option<String> {
    each(text, name).next().map(unescaped)
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_their_whole_name() {
        let text = "<?xml version=\"1.0\"?><R xmlns=\"x\"><Version><VersionId>a&amp;b</VersionId>\
                    <ETag>&quot;e&quot;</ETag></Version><Empty/><Version a=\"1\">2</Version></R>";
        let found: Vec<_> = each(text, "Version").collect();
        assert_eq!(found.len(), 2);
        assert_eq!(first(found[0], "VersionId").as_deref(), Some("a&b"));
        assert_eq!(first(found[0], "ETag").as_deref(), Some("\"e\""));
        assert_eq!((found[1], first(text, "Empty").as_deref()), ("2", Some("")));
        assert_eq!(first(text, "Vers"), None);
        assert_eq!(first("<Version>cut off", "Version"), None);
    }
}
