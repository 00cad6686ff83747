//! Sign-in, users and API tokens.
//!
//! Not here: how a password or a token is checked. Invariant: no type that is written out holds a
//! password, a hash or a session; a token's secret is shown once, in [`TokenCreated`].

use super::UserRole;
use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name and password of a local user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    pub user: String,
    #[schema(format = Password)]
    pub password: String,
}

/// The first-run sign-in link's token and the password that `admin` shall have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeem {
    pub token: String,
    /// At least 12 characters.
    #[schema(format = Password)]
    pub password: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema, Debug)]
pub struct Me {
    pub user: String,
    #[schema(value_type = UserRole)]
    pub role: store::Role,
    /// Send it back as `X-CSRF-Token` with each change. Null for API tokens, which need none.
    pub csrf: Option<String>,
    /// `session` or `token`.
    pub method: &'static str,
    /// When the session or token ends even if it is used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// The session ends after so long without a request. Seconds.
    pub idle_s: Option<u64>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct User {
    pub name: String,
    #[schema(value_type = UserRole)]
    pub role: store::Role,
    pub disabled: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_sign_in: Option<Time>,
    pub generation: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 64 of `a-z 0-9 . _ -`.
    pub name: String,
    #[schema(value_type = UserRole)]
    pub role: store::Role,
    /// At least 12 characters.
    #[schema(format = Password)]
    pub password: String,
}

/// Absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[schema(value_type = Option<UserRole>)]
    pub role: Option<store::Role>,
    /// A disabled user's sessions end at once.
    pub disabled: Option<bool>,
    /// At least 12 characters; ends the user's sessions.
    #[schema(format = Password)]
    pub password: Option<String>,
}

/// A new password of whoever asks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The one that is to be replaced.
    #[schema(format = Password)]
    pub current: String,
    /// At least 12 characters.
    #[schema(format = Password)]
    pub password: String,
}

/// An API token without its secret.
#[derive(Serialize, ToSchema, Debug)]
pub struct Token {
    pub id: String,
    pub name: String,
    pub user: String,
    #[schema(value_type = UserRole)]
    pub role: store::Role,
    /// The token's first characters, to tell one from another.
    pub prefix: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used: Option<Time>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// At most the creator's own role.
    #[schema(value_type = UserRole)]
    pub role: store::Role,
    /// 1 to 366, 90 when absent.
    pub days: Option<u32>,
}

/// The only answer that holds a token's secret.
#[derive(Serialize, ToSchema)]
pub struct TokenCreated {
    #[serde(flatten)]
    pub token: Token,
    /// Send it as `Authorization: Bearer ...`. It cannot be shown again.
    pub secret: String,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct UserList {
    pub items: Vec<User>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct OwnerList {
    /// Names, sorted.
    pub items: Vec<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct TokenList {
    pub items: Vec<Token>,
}
