//! What every list understands: filter, sort, paging, fields, facets.
//!
//! Not here: the grammar of filters, which `store` owns. Invariant: a limit is never above
//! [`PAGE_ROWS_MAX`].

use serde::Deserialize;
use utoipa::IntoParams;

/// Rows of one page at most.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Rows of a page when nobody says how many.
pub const PAGE_ROWS: u32 = 100;

#[derive(Deserialize, IntoParams, Debug, Default, Clone)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// E.g. `class eq "plc" and purdue le 1 and vendor contains "siemens"`; `eq ne lt le gt ge
    /// contains in`, `and or not`, parentheses, strings, numbers, times, spans such as `-P7D`.
    pub filter: Option<String>,
    /// A field, `-` before it for descending.
    pub sort: Option<String>,
    /// 1 to 1000, 100 when absent.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Only these members of each row, separated by commas.
    pub fields: Option<String>,
    /// Count values, separated by commas. Assets: `class`, `vendor`, `purdue`, `role`, `zone`,
    /// `lifecycle`, `severity`. Findings: `detector`, `engine`, `severity`, `status`, `owner`.
    pub facets: Option<String>,
    /// Those of `facets` that are counted as if `filter` asked nothing of the field itself: what
    /// else there is to choose where some values are chosen already.
    pub apart: Option<String>,
}

/// Fields of one list whose values are counted at most.
const FACETS_MAX: usize = 7;

impl ListQuery {
    /// The fields whose values shall be counted.
    pub(crate) fn facets(&self) -> impl Iterator<Item = &str> {
        let names = self.facets.as_deref().unwrap_or_default().split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).take(FACETS_MAX)
    }

    pub(crate) fn is_apart(&self, field: &str) -> bool {
        self.apart.as_deref().unwrap_or_default().split(',').any(|name| name.trim() == field)
    }
}
