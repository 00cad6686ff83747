//! The OpenAPI document, generated from handlers and rows.
//!
//! Not here: the routes themselves. Invariant: the committed `openapi.json` is what this makes; the
//! test rewrites it with `UPDATE=1`.

use super::{dto::*, gen_doc};
use utoipa::{
    IntoResponses, Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// What every route may answer when it does not do what was asked.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its schema is used")]
pub enum Failures {
    /// 400 what was sent is wrong, 401 nobody is signed in, 403 the role may not, 404 there is no
    /// such row, 409 it exists, 412 it changed meanwhile, 413 too large, 422 a member is wrong,
    /// 428 `If-Match` is missing, 429 too often, 503 busy.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Refused(Problem),
    /// The server could not do it.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Failed(Problem),
}

struct Access;

impl Modify for Access {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let parts = api.components.get_or_insert_default();
        let cookie = ApiKey::Cookie(ApiKeyValue::new("spandrel"));
        parts.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        parts.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Spandrel",
        description = "Assets, links, findings and sensors of one site. See docs/api.md.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        gen_doc::session_sign_in,
        gen_doc::session_redeem,
        gen_doc::session_sign_out,
        gen_doc::session_me,
        gen_doc::tokens_list,
        gen_doc::tokens_create,
        gen_doc::tokens_delete,
        gen_doc::users_list,
        gen_doc::users_create,
        gen_doc::users_change,
        gen_doc::users_delete,
        gen_doc::assets_list,
        gen_doc::assets_show,
        gen_doc::assets_change,
        gen_doc::links_list,
        gen_doc::links_map,
        gen_doc::zones_list,
        gen_doc::zones_create,
        gen_doc::zones_show,
        gen_doc::zones_replace,
        gen_doc::zones_delete,
        gen_doc::findings_list,
        gen_doc::findings_show,
        gen_doc::findings_change,
        gen_doc::findings_mute,
        gen_doc::findings_unmute,
        gen_doc::findings_mutes,
        gen_doc::findings_delete_mute,
        gen_doc::sensors_list,
        gen_doc::sensors_end_learning,
        gen_doc::captures_list,
        gen_doc::captures_upload,
        gen_doc::captures_show,
        gen_doc::captures_delete,
        gen_doc::captures_import,
        gen_doc::overview_overview,
        gen_doc::audit_list,
        gen_doc::system_health,
        gen_doc::system_version,
        gen_doc::watch_watch,
    ),
    components(schemas(WatchEvent, Beat)),
    modifiers(&Access)
)]
struct Document;

/// The document as JSON, with a line break at its end.
pub fn openapi_json() -> String {
    let mut text = Document::openapi().to_pretty_json().expect("plain data");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, openapi_json()).expect("the crate's folder can be written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == openapi_json(), "openapi.json differs: UPDATE=1 cargo test -p server");
    }
}
