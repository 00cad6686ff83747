//! Documentation of the routes, one function each.
//!
//! Invariant: every route of the server has one.

use super::{dto::*, openapi::Failures, query::ListQuery};

/// Sign in with a local user.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", operation_id = "session_sign_in",
    request_body = SignIn,
    responses((status = 200, description = "Done", body = Me), Failures),
)]
fn session_sign_in() {}

/// Set the first admin's password with the sign-in link's token, and sign in.
#[utoipa::path(
    post, path = "/api/v1/session:redeem", tag = "session", operation_id = "session_redeem",
    request_body = Redeem,
    responses((status = 200, description = "Done", body = Me), Failures),
)]
fn session_redeem() {}

/// Sign out.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session", operation_id = "session_sign_out",
    params(("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
fn session_sign_out() {}

/// Who is signed in.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "session", operation_id = "session_me",
    responses((status = 200, description = "Done", body = Me), Failures),
    security(("session" = []), ("token" = []))
)]
fn session_me() {}

/// Own API tokens; all of them for an admin.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens", operation_id = "tokens_list",
    responses((status = 200, description = "Done", body = TokenList), Failures),
    security(("session" = []), ("token" = []))
)]
fn tokens_list() {}

/// Make an API token of at most one's own role.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", operation_id = "tokens_create",
    params(("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`"), ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the first answer comes back")),
    request_body = NewToken,
    responses((status = 201, description = "Made", body = TokenCreated), Failures),
    security(("session" = []), ("token" = []))
)]
fn tokens_create() {}

/// Revoke an API token.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens", operation_id = "tokens_delete",
    params(("id" = String, Path, description = "Token"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
fn tokens_delete() {}

/// All users.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "users_list",
    responses((status = 200, description = "Done", body = UserList), Failures),
    security(("session" = []), ("token" = []))
)]
fn users_list() {}

/// Make a user.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "users_create",
    params(("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`"), ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the first answer comes back")),
    request_body = NewUser,
    responses((status = 201, description = "Made", body = User), Failures),
    security(("session" = []), ("token" = []))
)]
fn users_create() {}

/// Change a user's role, password or whether it may sign in.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}", tag = "users", operation_id = "users_change",
    params(("name" = String, Path, description = "User"), ("If-Match" = String, Header, description = "ETag of the row that was read"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    request_body = UserChange,
    responses((status = 200, description = "Done", body = User), Failures),
    security(("session" = []), ("token" = []))
)]
fn users_change() {}

/// Delete a user with sessions and tokens.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", tag = "users", operation_id = "users_delete",
    params(("name" = String, Path, description = "User"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
fn users_delete() {}

/// Assets, filtered, sorted, paged.
#[utoipa::path(
    get, path = "/api/v1/assets", tag = "assets", operation_id = "assets_list",
    params(ListQuery),
    responses((status = 200, description = "Done", body = AssetPage), Failures),
    security(("session" = []), ("token" = []))
)]
fn assets_list() {}

/// One asset with facts, modules, links, open findings and timeline.
#[utoipa::path(
    get, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "assets_show",
    params(("id" = String, Path, description = "Asset")),
    responses((status = 200, description = "Done", body = AssetDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn assets_show() {}

/// Say what the sensors cannot know, or know wrong.
#[utoipa::path(
    patch, path = "/api/v1/assets/{id}", tag = "assets", operation_id = "assets_change",
    params(("id" = String, Path, description = "Asset"), ("If-Match" = String, Header, description = "ETag of the row that was read"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    request_body = AssetChange,
    responses((status = 200, description = "Done", body = AssetDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn assets_change() {}

/// Links, filtered, sorted, paged.
#[utoipa::path(
    get, path = "/api/v1/links", tag = "links", operation_id = "links_list",
    params(ListQuery),
    responses((status = 200, description = "Done", body = LinkPage), Failures),
    security(("session" = []), ("token" = []))
)]
fn links_list() {}

/// Assets and what passes between them, as a graph.
#[utoipa::path(
    get, path = "/api/v1/map", tag = "links", operation_id = "links_map",
    params(("filter" = Option<String>, Query, description = "Assets to keep; the grammar of `/assets`")),
    responses((status = 200, description = "Done", body = MapGraph), Failures),
    security(("session" = []), ("token" = []))
)]
fn links_map() {}

/// Zones.
#[utoipa::path(
    get, path = "/api/v1/zones", tag = "zones", operation_id = "zones_list",
    responses((status = 200, description = "Done", body = ZoneList), Failures),
    security(("session" = []), ("token" = []))
)]
fn zones_list() {}

/// Make a zone.
#[utoipa::path(
    post, path = "/api/v1/zones", tag = "zones", operation_id = "zones_create",
    params(("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`"), ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the first answer comes back")),
    request_body = ZoneSpec,
    responses((status = 201, description = "Made", body = Zone), Failures),
    security(("session" = []), ("token" = []))
)]
fn zones_create() {}

/// One zone.
#[utoipa::path(
    get, path = "/api/v1/zones/{id}", tag = "zones", operation_id = "zones_show",
    params(("id" = String, Path, description = "Zone")),
    responses((status = 200, description = "Done", body = Zone), Failures),
    security(("session" = []), ("token" = []))
)]
fn zones_show() {}

/// Replace a zone.
#[utoipa::path(
    put, path = "/api/v1/zones/{id}", tag = "zones", operation_id = "zones_replace",
    params(("id" = String, Path, description = "Zone"), ("If-Match" = String, Header, description = "ETag of the row that was read"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    request_body = ZoneSpec,
    responses((status = 200, description = "Done", body = Zone), Failures),
    security(("session" = []), ("token" = []))
)]
fn zones_replace() {}

/// Delete a zone; its assets fall to others.
#[utoipa::path(
    delete, path = "/api/v1/zones/{id}", tag = "zones", operation_id = "zones_delete",
    params(("id" = String, Path, description = "Zone"), ("If-Match" = String, Header, description = "ETag of the row that was read"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
fn zones_delete() {}

/// Findings, filtered, sorted, paged.
#[utoipa::path(
    get, path = "/api/v1/findings", tag = "findings", operation_id = "findings_list",
    params(ListQuery),
    responses((status = 200, description = "Done", body = FindingPage), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_list() {}

/// One finding with evidence, runbook and history.
#[utoipa::path(
    get, path = "/api/v1/findings/{id}", tag = "findings", operation_id = "findings_show",
    params(("id" = String, Path, description = "Finding")),
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_show() {}

/// Triage: status, owner, note.
#[utoipa::path(
    patch, path = "/api/v1/findings/{id}", tag = "findings", operation_id = "findings_change",
    params(("id" = String, Path, description = "Finding"), ("If-Match" = String, Header, description = "ETag of the row that was read"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    request_body = FindingChange,
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_change() {}

/// Mute findings of this detector on these assets.
#[utoipa::path(
    post, path = "/api/v1/findings/{id}:mute", tag = "findings", operation_id = "findings_mute",
    params(("id" = String, Path, description = "Finding"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    request_body = MuteRequest,
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_mute() {}

/// Take the mute rule of this finding away.
#[utoipa::path(
    post, path = "/api/v1/findings/{id}:unmute", tag = "findings", operation_id = "findings_unmute",
    params(("id" = String, Path, description = "Finding"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 200, description = "Done", body = FindingDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_unmute() {}

/// Mute rules.
#[utoipa::path(
    get, path = "/api/v1/mutes", tag = "findings", operation_id = "findings_mutes",
    responses((status = 200, description = "Done", body = MuteList), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_mutes() {}

/// Take a mute rule away.
#[utoipa::path(
    delete, path = "/api/v1/mutes/{id}", tag = "findings", operation_id = "findings_delete_mute",
    params(("id" = String, Path, description = "Mute rule"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
fn findings_delete_mute() {}

/// Sensors and their state.
#[utoipa::path(
    get, path = "/api/v1/sensors", tag = "sensors", operation_id = "sensors_list",
    responses((status = 200, description = "Done", body = SensorList), Failures),
    security(("session" = []), ("token" = []))
)]
fn sensors_list() {}

/// What was seen so far is normal; findings of departures start.
#[utoipa::path(
    post, path = "/api/v1/sensors/{id}:end-learning", tag = "sensors", operation_id = "sensors_end_learning",
    params(("id" = String, Path, description = "Sensor"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 202, description = "Accepted", body = Sensor), Failures),
    security(("session" = []), ("token" = []))
)]
fn sensors_end_learning() {}

/// Uploaded captures.
#[utoipa::path(
    get, path = "/api/v1/captures", tag = "captures", operation_id = "captures_list",
    responses((status = 200, description = "Done", body = CaptureList), Failures),
    security(("session" = []), ("token" = []))
)]
fn captures_list() {}

/// Upload a capture: the raw bytes, or a form with one file.
#[utoipa::path(
    post, path = "/api/v1/captures", tag = "captures", operation_id = "captures_upload",
    params(("file" = Option<String>, Query, description = "Its name, for raw bytes"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`"), ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key, the first answer comes back")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, description = "Accepted", body = Capture), Failures),
    security(("session" = []), ("token" = []))
)]
fn captures_upload() {}

/// One capture with its report.
#[utoipa::path(
    get, path = "/api/v1/captures/{id}", tag = "captures", operation_id = "captures_show",
    params(("id" = String, Path, description = "Capture")),
    responses((status = 200, description = "Done", body = CaptureDetail), Failures),
    security(("session" = []), ("token" = []))
)]
fn captures_show() {}

/// Delete a capture and its report; what was imported stays.
#[utoipa::path(
    delete, path = "/api/v1/captures/{id}", tag = "captures", operation_id = "captures_delete",
    params(("id" = String, Path, description = "Capture"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 204, description = "Done"), Failures),
    security(("session" = []), ("token" = []))
)]
fn captures_delete() {}

/// Let the report's assets, links and findings join the site.
#[utoipa::path(
    post, path = "/api/v1/captures/{id}:import", tag = "captures", operation_id = "captures_import",
    params(("id" = String, Path, description = "Capture"), ("X-CSRF-Token" = Option<String>, Header, description = "For cookie sessions: `csrf` of `/me`")),
    responses((status = 200, description = "Done", body = Imported), Failures),
    security(("session" = []), ("token" = []))
)]
fn captures_import() {}

/// The site in numbers.
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "overview", operation_id = "overview_overview",
    responses((status = 200, description = "Done", body = Overview), Failures),
    security(("session" = []), ("token" = []))
)]
fn overview_overview() {}

/// Who changed what, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "audit_list",
    params(("limit" = Option<u32>, Query, description = "1 to 1000, 100 when absent"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"), ("actor" = Option<String>, Query, description = "Only this user")),
    responses((status = 200, description = "Done", body = AuditPage), Failures),
    security(("session" = []), ("token" = []))
)]
fn audit_list() {}

/// Is the server well?.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "system", operation_id = "system_health",
    responses((status = 200, description = "Done", body = ServerHealth), Failures),
)]
fn system_health() {}

/// Name and version.
#[utoipa::path(
    get, path = "/api/v1/version", tag = "system", operation_id = "system_version",
    responses((status = 200, description = "Done", body = Version), Failures),
)]
fn system_version() {}

/// Changes as server-sent events; see WatchEvent.
#[utoipa::path(
    get, path = "/api/v1/watch", tag = "watch", operation_id = "watch_watch",
    params(("since" = Option<i64>, Query, description = "Revision to go on from; `Last-Event-ID` wins"), ("kinds" = Option<String>, Query, description = "Only these, e.g. `finding,sensor`")),
    responses((status = 200, description = "A stream of events", body = WatchEvent, content_type = "text/event-stream"), (status = 410, description = "The revision is too old; read the lists again", body = Problem, content_type = "application/problem+json"), Failures),
    security(("session" = []), ("token" = []))
)]
fn watch_watch() {}
