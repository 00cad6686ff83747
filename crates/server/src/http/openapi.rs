//! The OpenAPI document, generated from handlers and rows.
//!
//! Not here: the routes themselves. Invariant: the committed `openapi.json` is what this makes; the
//! test rewrites it with `UPDATE=1`.

use super::dto::{Beat, Problem, WatchEvent};
use serde_json::Value;
use utoipa::{
    IntoParams, IntoResponses, Modify, OpenApi,
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

/// Header of every change made with a cookie session.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Csrf {
    /// For cookie sessions: `csrf` of `/me`.
    #[param(rename = "X-CSRF-Token")]
    csrf: Option<String>,
}

/// Header of every change to a row that was read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Precondition {
    /// ETag of the row that was read.
    #[param(rename = "If-Match")]
    etag: String,
}

/// Header that makes a call safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Idempotency {
    /// Sent again with the same key, the first answer comes back.
    #[param(rename = "Idempotency-Key")]
    key: Option<String>,
}

struct Access;

impl Modify for Access {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let parts = api.components.get_or_insert_default();
        let cookie = ApiKey::Cookie(ApiKeyValue::new(super::caller::COOKIE));
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
        super::session::sign_in,
        super::session::redeem,
        super::session::sign_out,
        super::session::me,
        super::session::change_password,
        super::accounts::tokens,
        super::accounts::create_token,
        super::accounts::delete_token,
        super::accounts::users,
        super::accounts::owners,
        super::accounts::create_user,
        super::accounts::change_user,
        super::accounts::delete_user,
        super::assets::list,
        super::assets::show,
        super::assets::change,
        super::network::links,
        super::network::map,
        super::network::zones,
        super::network::create_zone,
        super::network::zone,
        super::network::replace_zone,
        super::network::delete_zone,
        super::findings::list,
        super::findings::show,
        super::findings::change,
        super::findings::mute,
        super::findings::unmute,
        super::findings::mutes,
        super::findings::delete_mute,
        super::system::sensors,
        super::system::end_learning,
        super::agents::list,
        super::agents::invite,
        super::agents::revoke,
        super::captures::list,
        super::captures::upload,
        super::captures::show,
        super::captures::delete,
        super::captures::import,
        super::protection::overview,
        super::protection::coverage_list,
        super::protection::plans,
        super::protection::create_plan,
        super::protection::plan,
        super::protection::replace_plan,
        super::protection::delete_plan,
        super::protection::run_plan,
        super::protection::drill_plan,
        super::agents::restore,
        super::protection::runs,
        super::protection::run,
        super::protection::cancel,
        super::copies::list,
        super::copies::create,
        super::copies::show,
        super::copies::replace,
        super::copies::remove,
        super::copies::run,
        super::vault::kit,
        super::recovery::report,
        super::recovery::confirm,
        super::recovery::approve,
        super::recovery::plans,
        super::recovery::create,
        super::recovery::plan,
        super::recovery::replace,
        super::recovery::remove,
        super::recovery::check,
        super::recovery::drill,
        super::vault::show,
        super::vault::make,
        super::vault::set_rules,
        super::vault::forget_plan,
        super::vault::forget,
        super::vault::verify,
        super::vault::snapshots,
        super::vault::tree,
        super::vault::file,
        super::vault::diff,
        super::vault::restore,
        super::vault::make_kit,
        super::vault::verify_snapshot,
        super::vault::hold,
        super::vault::release,
        super::vault::approve,
        super::vault::undelete,
        super::vault::withdraw,
        super::system::overview,
        super::system::audit,
        super::system::health,
        super::system::version,
        super::watch::watch,
    ),
    components(schemas(WatchEvent, Beat)),
    modifiers(&Access)
)]
struct Document;

/// What callers send: there absent members mean something. In answers none is absent.
const SENT: [&str; 23] = [
    "AgentInvitation",
    "SignIn",
    "Redeem",
    "NewUser",
    "UserChange",
    "NewToken",
    "AssetChange",
    "FindingChange",
    "MuteRequest",
    "ZoneSpec",
    "PlanSpec",
    "CopySpec",
    "CopyRequest",
    "QuietHours",
    "NewVault",
    "RestoreRequest",
    "HostRestoreRequest",
    "VerifyRequest",
    "ReasonRequest",
    "RunRequest",
    "RecoveryPlanSpec",
    "DrillRequest",
    "ConfirmRequest",
];

/// The document as JSON, with a line break at its end.
pub fn openapi_json() -> String {
    let mut document = serde_json::to_value(Document::openapi()).expect("plain data");
    let schemas = document["components"]["schemas"].as_object_mut().expect("there are schemas");
    for (name, schema) in schemas {
        if !SENT.contains(&name.as_str()) {
            require_all(schema);
        }
    }
    let mut text = serde_json::to_string_pretty(&document).expect("plain data");
    text.push('\n');
    text
}

/// Absent is `null` in every answer, so each member is required, those that may be null too.
fn require_all(schema: &mut Value) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(require_all);
    }
    if let Some(cases) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        cases.iter_mut().for_each(require_all);
    }
    let Some(members) = schema.get("properties").and_then(Value::as_object) else { return };
    // Facets are there when they were asked for.
    let names: Vec<Value> =
        members.keys().filter(|name| *name != "facets").map(|n| n.clone().into()).collect();
    schema["required"] = names.into();
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
