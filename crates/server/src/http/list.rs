//! Pages as JSON, NDJSON or CSV, by `Accept`, with `fields`.
//!
//! Not here: reading rows. Invariant: no cell of a CSV starts a formula in a spreadsheet: device
//! names come from the wire and can be hostile.

use super::{
    fault::{Answer, Fault},
    query::{ListQuery, PAGE_ROWS, PAGE_ROWS_MAX},
};
use crate::app::{Shared, now};
use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::BTreeMap};
use store::{Count, Field, Filter, ListRequest, Page, Store};
use utoipa::{
    PartialSchema,
    openapi::{RefOr, Schema},
};

/// Checks what was asked against the fields of the rows.
pub(crate) fn request(query: &ListQuery, fields: &'static [Field]) -> Answer<ListRequest> {
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        return Err(Fault::member("limit", "invalid", format!("it is 1 to {PAGE_ROWS_MAX}")));
    }
    Ok(ListRequest {
        filter: filter(query.filter.as_deref(), fields)?,
        sort: query.sort.clone().filter(|sort| !sort.is_empty()),
        cursor: query.cursor.clone().filter(|cursor| !cursor.is_empty()),
        limit,
    })
}

pub(crate) fn filter(text: Option<&str>, fields: &'static [Field]) -> Answer<Option<Filter>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(|text| Filter::parse(text, fields, now()))
        .transpose()
        .map_err(|error| Fault::member("filter", "syntax", error.to_string()))
}

/// A page in the form the caller accepts. `extra` goes beside `items` in JSON.
pub(crate) fn answer<T: Serialize + PartialSchema>(
    headers: &HeaderMap,
    query: &ListQuery,
    items: &[T],
    next_cursor: Option<&str>,
    extra: Map<String, Value>,
) -> Answer<Response> {
    let wanted = wanted::<T>(query)?;
    let rows = items.iter().map(|row| serde_json::to_value(row).map_err(Fault::internal));
    let mut rows = rows.collect::<Answer<Vec<Value>>>()?;
    if let Some(wanted) = &wanted {
        for row in &mut rows {
            if let Value::Object(members) = row {
                members.retain(|name, _| wanted.contains(&name.as_str()));
            }
        }
    }
    let mut response = match form(headers) {
        Form::Json => {
            let mut page = extra;
            page.insert("items".to_owned(), Value::Array(rows));
            page.insert("next_cursor".to_owned(), next_cursor.into());
            axum::Json(page).into_response()
        }
        Form::Lines => {
            let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
        }
        Form::Csv => {
            let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")];
            let columns = wanted.map(|wanted| wanted.join(",")).or_else(members::<T>);
            (kind, csv(&rows, columns.as_deref())).into_response()
        }
    };
    if let Some(cursor) = next_cursor
        && let Ok(value) = format!("<?cursor={cursor}>; rel=\"next\"").parse()
    {
        response.headers_mut().insert(header::LINK, value);
    }
    Ok(response)
}

/// The members that were asked for, each of which a row has; none where all are.
fn wanted<T: PartialSchema>(query: &ListQuery) -> Answer<Option<Vec<&str>>> {
    let asked = query.fields.as_deref().unwrap_or_default().split(',').map(str::trim);
    let asked: Vec<&str> = asked.filter(|name| !name.is_empty()).collect();
    let known = members::<T>().unwrap_or_default();
    let unknown = |name: &&&str| !known.is_empty() && !known.split(',').any(|one| one == **name);
    if let Some(name) = asked.iter().find(unknown) {
        let detail = format!("there is no member {name:?}; there are {}", known.replace(',', ", "));
        return Err(Fault::member("fields", "invalid", detail));
    }
    Ok((!asked.is_empty()).then_some(asked))
}

/// A kind of row that is listed with its revision and, where asked for, counted by its fields.
pub(super) trait Listed: Serialize + PartialSchema + From<Self::Stored> {
    type Stored;
    const FIELDS: &'static [Field];

    async fn page(store: &Store, request: &ListRequest) -> store::Result<Page<Self::Stored>>;
    async fn facet(store: &Store, field: &str, request: &ListRequest) -> store::Result<Vec<Count>>;
}

pub(super) async fn listed<R: Listed>(
    app: &Shared,
    headers: &HeaderMap,
    query: &ListQuery,
) -> Answer<Response> {
    let request = request(query, R::FIELDS)?;
    let page = R::page(&app.store, &request).await?;
    let mut extra = Map::new();
    extra.insert("revision".to_owned(), app.store.revision().await?.into());
    let mut counted = BTreeMap::new();
    for field in query.facets() {
        let mut asked = request.clone();
        if query.is_apart(field) {
            asked.filter = asked.filter.and_then(|filter| filter.without(field));
        }
        counted.insert(field.to_owned(), R::facet(&app.store, field, &asked).await?);
    }
    put_facets(&mut extra, counted);
    let items: Vec<R> = page.items.into_iter().map(Into::into).collect();
    answer(headers, query, &items, page.next_cursor.as_deref(), extra)
}

/// The counted values of each field beside the rows; nothing where none were asked for.
fn put_facets(extra: &mut Map<String, Value>, counted: BTreeMap<String, Vec<Count>>) {
    if counted.is_empty() {
        return;
    }
    let facets = counted.into_iter().map(|(field, counts)| {
        let counts = counts.into_iter().map(|c| json!({"value": c.value, "count": c.count}));
        (field, Value::Array(counts.collect()))
    });
    extra.insert("facets".to_owned(), Value::Object(facets.collect()));
}

enum Form {
    Json,
    Lines,
    Csv,
}

fn form(headers: &HeaderMap) -> Form {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let first = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    for kind in first {
        match kind {
            "application/x-ndjson" => return Form::Lines,
            "text/csv" => return Form::Csv,
            "application/json" | "*/*" => return Form::Json,
            _ => {}
        }
    }
    Form::Json
}

/// The members of a kind of row by name, whether or not there is one.
pub fn members<T: PartialSchema>() -> Option<String> {
    let RefOr::T(Schema::Object(object)) = T::schema() else { return None };
    let mut names: Vec<String> = object.properties.into_keys().collect();
    names.sort();
    Some(names.join(","))
}

/// RFC 4180, columns in the order of `fields` or by name.
pub fn csv(rows: &[Value], fields: Option<&str>) -> String {
    let columns: Vec<String> = match (fields, rows.first()) {
        (Some(fields), _) => fields.split(',').map(|f| f.trim().to_owned()).collect(),
        (None, Some(Value::Object(members))) => members.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let mut text = columns.iter().map(|name| cell(name)).collect::<Vec<_>>().join(",");
    text.push_str("\r\n");
    for row in rows {
        let cells = columns.iter().map(|name| match row.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(value)) => cell(value),
            Some(Value::Array(values)) => cell(&flat(values)),
            // A level of 1 is not `1.0`.
            Some(Value::Number(number)) => number.to_string().trim_end_matches(".0").to_owned(),
            Some(Value::Bool(value)) => value.to_string(),
            Some(value) => cell(&value.to_string()),
        });
        text.push_str(&cells.collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    text
}

/// Things by their names, where they have some.
fn flat(values: &[Value]) -> String {
    let texts = values.iter().map(|value| match value.get("name").unwrap_or(value) {
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// Quoted where it must be; a text that a spreadsheet would run gets an apostrophe before it. Half
/// of Europe's spreadsheets begin a cell at each semicolon, whatever is quoted.
fn cell(text: &str) -> String {
    let text: String = text.split_inclusive([';', '\t']).map(harmless).collect();
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn harmless(text: &str) -> Cow<'_, str> {
    let first = text.trim_start().chars().next().or_else(|| text.chars().next());
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '|' | '%') => format!("'{text}").into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_no_formulas() {
        for (name, safe) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("Filler;=1+1", "Filler;'=1+1"),
            ("Filler; =1;-2;ok", "Filler;' =1;'-2;ok"),
            ("  =1", "'  =1"),
            ("a,b", "\"a,b\""),
            ("=\"x\"", "\"'=\"\"x\"\"\""),
            ("Filler 2", "Filler 2"),
            ("", ""),
        ] {
            assert_eq!(cell(name), safe, "{name:?}");
        }
    }

    #[test]
    fn numbers_stay_numbers_and_lists_are_one_cell() {
        let rows = [serde_json::json!({"a": -1, "b": ["x", 2], "c": null, "d": "=x"})];
        assert_eq!(csv(&rows, None), "a,b,c,d\r\n-1,x; 2,,'=x\r\n");
        assert_eq!(csv(&rows, Some("d, a")), "d,a\r\n'=x,-1\r\n");
        let levels = [1.0, 3.5, 0.0, 10.0].map(|level| serde_json::json!({"level": level}));
        assert_eq!(csv(&levels, None), "level\r\n1\r\n3.5\r\n0\r\n10\r\n");
    }

    #[test]
    fn things_in_a_list_are_their_names() {
        let things = serde_json::json!([{"id": "ast_1", "name": "=PLC"}, {"id": "ast_2"}]);
        let rows = [serde_json::json!({"assets": things})];
        assert_eq!(csv(&rows, None), "assets\r\n\"'=PLC; {\"\"id\"\":\"\"ast_2\"\"}\"\r\n");
    }
}
