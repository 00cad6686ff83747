//! Local users, their sessions and API tokens, and sign-in links that work once.
//!
//! Not here: passwords and randomness; hashes come in, hashes go out. Invariant: no secret is
//! stored, and there is always an enabled admin once there was one.

use crate::{
    Error, Result, Role, SESSIONS_MAX, Store, TOKENS_MAX, USERS_MAX,
    text::{clean, new_id},
    writer::{Turn, now},
};
use model::Time;
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub role: Role,
    /// Argon2id in PHC form; `None` until the sign-in link is redeemed.
    pub password: Option<String>,
    pub disabled: bool,
    pub created_at: Time,
    pub last_sign_in: Option<Time>,
    pub generation: i64,
}

#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    pub role: Option<Role>,
    pub disabled: Option<bool>,
    pub password: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub hash: String,
    pub user: String,
    pub role: Role,
    pub csrf: String,
    pub created_at: Time,
    pub last_used: Time,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub id: String,
    pub prefix: String,
    pub name: String,
    pub user: String,
    pub role: Role,
    pub created_at: Time,
    pub expires_at: Time,
    pub last_used: Option<Time>,
}

/// A sign-in link that was redeemed.
#[derive(Clone, Debug)]
pub struct Once {
    pub user: String,
}

const USER: &str =
    "SELECT name, role, password, disabled, created_at, last_sign_in, generation FROM users";
const TOKEN: &str =
    "SELECT id, prefix, name, user_name, role, created_at, expires_at, last_used FROM tokens";

fn role(row: &SqliteRow) -> Result<Role> {
    Ok(Role::from_word(row.try_get("role")?).unwrap_or(Role::Viewer))
}

fn user(row: &SqliteRow) -> Result<User> {
    Ok(User {
        name: row.try_get("name")?,
        role: role(row)?,
        password: row.try_get("password")?,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        created_at: Time(row.try_get("created_at")?),
        last_sign_in: row.try_get::<Option<i64>, _>("last_sign_in")?.map(Time),
        generation: row.try_get("generation")?,
    })
}

fn token(row: &SqliteRow) -> Result<Token> {
    Ok(Token {
        id: row.try_get("id")?,
        prefix: row.try_get("prefix")?,
        name: row.try_get("name")?,
        user: row.try_get("user_name")?,
        role: role(row)?,
        created_at: Time(row.try_get("created_at")?),
        expires_at: Time(row.try_get("expires_at")?),
        last_used: row.try_get::<Option<i64>, _>("last_used")?.map(Time),
    })
}

impl Store {
    pub async fn users(&self) -> Result<Vec<User>> {
        let sql = format!("{USER} ORDER BY name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(user).collect()
    }

    pub async fn user(&self, name: &str) -> Result<User> {
        let sql = format!("{USER} WHERE name = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name).fetch_optional(self.readers()).await?;
        user(&row.ok_or_else(|| Error::missing("user", name))?)
    }

    pub async fn create_user(
        &self,
        name: &str,
        role: Role,
        password: Option<String>,
    ) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(Error::refused("name", "it is 1 to 64 of a-z 0-9 . _ -"));
        }
        let name = name.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let row = sqlx::query("SELECT COUNT(*) FROM users").fetch_one(&mut turn.db).await?;
                if row.try_get::<i64, _>(0)? >= USERS_MAX {
                    return Err(Error::refused("name", format!("there are {USERS_MAX} users")));
                }
                let made = sqlx::query(
                    "INSERT INTO users (name, role, password, disabled, created_at, generation) \
                     VALUES ($1, $2, $3, 0, $4, 1) ON CONFLICT DO NOTHING",
                )
                .bind(&name)
                .bind(role.word())
                .bind(password)
                .bind(now().nanos())
                .execute(&mut turn.db)
                .await?;
                if made.rows_affected() == 0 {
                    return Err(Error::Exists { kind: "user", id: name });
                }
                Ok(())
            })
        })
        .await
    }

    /// `generation` is the one that was read. A new password or being disabled ends sessions and
    /// sign-in links.
    pub async fn patch_user(&self, name: &str, generation: i64, patch: UserPatch) -> Result<()> {
        let name = name.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let before = read_user(turn, &name).await?;
                if before.generation != generation {
                    return Err(Error::Mismatch { current: before.generation });
                }
                let ends = patch.password.is_some() || patch.disabled == Some(true);
                sqlx::query(
                    "UPDATE users SET role = $1, disabled = $2, password = $3, \
                     generation = generation + 1 WHERE name = $4",
                )
                .bind(patch.role.unwrap_or(before.role).word())
                .bind(i64::from(patch.disabled.unwrap_or(before.disabled)))
                .bind(patch.password.or(before.password))
                .bind(&name)
                .execute(&mut turn.db)
                .await?;
                if ends {
                    end_sessions(turn, &name).await?;
                }
                keep_an_admin(turn).await
            })
        })
        .await
    }

    pub async fn delete_user(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                read_user(turn, &name).await?;
                end_sessions(turn, &name).await?;
                for sql in
                    ["DELETE FROM tokens WHERE user_name = $1", "DELETE FROM users WHERE name = $1"]
                {
                    sqlx::query(sql).bind(&name).execute(&mut turn.db).await?;
                }
                keep_an_admin(turn).await
            })
        })
        .await
    }

    /// Keeps a session that began and notes the sign-in. The oldest sessions of the user give way.
    ///
    /// Checking a password takes a while. `false`: the user is not as it was read before that, at
    /// that `generation`, so that what ended its sessions meanwhile ends this one as well.
    pub async fn create_session(
        &self,
        session: Session,
        generation: i64,
        ip: Option<String>,
    ) -> Result<bool> {
        self.write(move |turn| {
            Box::pin(async move {
                let Session { hash, user: name, csrf, created_at, last_used, .. } = session;
                match read_user(turn, &name).await {
                    Ok(user) if user.generation == generation && !user.disabled => {}
                    Ok(_) | Err(Error::NotFound { .. }) => return Ok(false),
                    Err(error) => return Err(error),
                }
                sqlx::query(
                    "INSERT INTO sessions (hash, user_name, csrf, ip, created_at, last_used) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(hash)
                .bind(&name)
                .bind(csrf)
                .bind(ip)
                .bind(created_at.nanos())
                .bind(last_used.nanos())
                .execute(&mut turn.db)
                .await?;
                sqlx::query("UPDATE users SET last_sign_in = $1 WHERE name = $2")
                    .bind(created_at.nanos())
                    .bind(&name)
                    .execute(&mut turn.db)
                    .await?;
                sqlx::query(
                    "DELETE FROM sessions WHERE user_name = $1 AND hash NOT IN (SELECT hash FROM \
                     sessions WHERE user_name = $1 ORDER BY created_at DESC, hash LIMIT $2)",
                )
                .bind(&name)
                .bind(SESSIONS_MAX)
                .execute(&mut turn.db)
                .await?;
                Ok(true)
            })
        })
        .await
    }

    /// A session of a user who may still sign in; whether it is too old the caller decides.
    pub async fn session(&self, hash: &str) -> Result<Option<Session>> {
        let row = sqlx::query(
            "SELECT s.hash, s.user_name, u.role, s.csrf, s.created_at, s.last_used FROM sessions s \
             JOIN users u ON u.name = s.user_name WHERE s.hash = $1 AND u.disabled = 0",
        )
        .bind(hash)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Session {
            hash: row.try_get("hash")?,
            user: row.try_get("user_name")?,
            role: role(&row)?,
            csrf: row.try_get("csrf")?,
            created_at: Time(row.try_get("created_at")?),
            last_used: Time(row.try_get("last_used")?),
        }))
    }

    pub async fn touch_session(&self, hash: &str) -> Result<()> {
        let hash = hash.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("UPDATE sessions SET last_used = $1 WHERE hash = $2")
                    .bind(now().nanos())
                    .bind(hash)
                    .execute(&mut turn.db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    pub async fn delete_session(&self, hash: &str) -> Result<()> {
        let hash = hash.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("DELETE FROM sessions WHERE hash = $1")
                    .bind(hash)
                    .execute(&mut turn.db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Tokens of a user; of everybody without one.
    pub async fn tokens(&self, of: Option<&str>) -> Result<Vec<Token>> {
        let sql = format!("{TOKEN} WHERE $1 IS NULL OR user_name = $1 ORDER BY created_at, id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(of).fetch_all(self.readers()).await?;
        rows.iter().map(token).collect()
    }

    /// The token with this hash, of a user who may still sign in, with the lesser of both roles.
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<Token>> {
        self.token_where("t.hash", hash).await
    }

    /// The token with this id, as by its hash.
    pub async fn token_by_id(&self, id: &str) -> Result<Option<Token>> {
        self.token_where("t.id", id).await
    }

    async fn token_where(&self, column: &'static str, value: &str) -> Result<Option<Token>> {
        let sql = format!(
            "SELECT t.id, t.prefix, t.name, t.user_name, t.role, t.created_at, t.expires_at, \
             t.last_used, u.role AS user_role FROM tokens t JOIN users u ON u.name = t.user_name \
             WHERE {column} = $1 AND u.disabled = 0",
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(value)
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut token = token(&row)?;
        let user_role = Role::from_word(row.try_get("user_role")?).unwrap_or(Role::Viewer);
        token.role = token.role.min(user_role);
        Ok(Some(token))
    }

    pub async fn create_token(
        &self,
        user: &str,
        name: &str,
        role: Role,
        (hash, prefix): (String, String),
        expires_at: Time,
    ) -> Result<String> {
        let (user, name) = (user.to_owned(), clean(name.trim()));
        if name.is_empty() || name.chars().count() > 100 {
            return Err(Error::refused("name", "it has 1 to 100 characters"));
        }
        self.write(move |turn| {
            Box::pin(async move {
                // Deleted meanwhile, it would leave a token to the next user of that name.
                read_user(turn, &user).await?;
                let row = sqlx::query("SELECT COUNT(*) FROM tokens WHERE user_name = $1")
                    .bind(&user)
                    .fetch_one(&mut turn.db)
                    .await?;
                if row.try_get::<i64, _>(0)? >= TOKENS_MAX {
                    let reason = format!("{user} has {TOKENS_MAX} tokens; revoke one first");
                    return Err(Error::refused("name", reason));
                }
                let id = new_id("tok", now());
                sqlx::query(
                    "INSERT INTO tokens (id, hash, prefix, name, user_name, role, created_at, \
                     expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(&id)
                .bind(hash)
                .bind(prefix)
                .bind(name)
                .bind(user)
                .bind(role.word())
                .bind(now().nanos())
                .bind(expires_at.nanos())
                .execute(&mut turn.db)
                .await?;
                Ok(id)
            })
        })
        .await
    }

    pub async fn touch_token(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("UPDATE tokens SET last_used = $1 WHERE id = $2")
                    .bind(now().nanos())
                    .bind(id)
                    .execute(&mut turn.db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    pub async fn delete_token(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM tokens WHERE id = $1")
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                if done.rows_affected() == 0 {
                    return Err(Error::missing("token", &id));
                }
                Ok(())
            })
        })
        .await
    }

    /// Makes a sign-in link for a user; older ones of the user end.
    pub async fn create_once(&self, user: &str, hash: String, expires_at: Time) -> Result<()> {
        self.create_once_at(now(), user, hash, expires_at).await
    }

    async fn create_once_at(
        &self,
        made_at: Time,
        user: &str,
        hash: String,
        expires_at: Time,
    ) -> Result<()> {
        let user = user.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("DELETE FROM links_once WHERE user_name = $1")
                    .bind(&user)
                    .execute(&mut turn.db)
                    .await?;
                sqlx::query(
                    "INSERT INTO links_once (hash, user_name, expires_at, made_at) \
                     VALUES ($1, $2, $3, $4)",
                )
                .bind(hash)
                .bind(user)
                .bind(expires_at.nanos())
                .bind(made_at.nanos())
                .execute(&mut turn.db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether a sign-in link could be used now.
    pub async fn has_once(&self, hash: &str) -> Result<bool> {
        let query = sqlx::query(ONCE).bind(hash).bind(now().nanos()).bind(made_until());
        Ok(query.fetch_optional(self.readers()).await?.is_some())
    }

    /// Uses a sign-in link up: its user has this password from here on. `None` when the link is
    /// unknown, used or too old.
    pub async fn redeem_once(&self, hash: String, password: String) -> Result<Option<Once>> {
        self.write(move |turn| {
            Box::pin(async move {
                let query = sqlx::query(ONCE).bind(&hash).bind(now().nanos()).bind(made_until());
                let row = query.fetch_optional(&mut turn.db).await?;
                let Some(row) = row else { return Ok(None) };
                let user: String = row.try_get("user_name")?;
                sqlx::query(
                    "UPDATE users SET password = $1, disabled = 0, generation = generation + 1 \
                     WHERE name = $2",
                )
                .bind(password)
                .bind(&user)
                .execute(&mut turn.db)
                .await?;
                end_sessions(turn, &user).await?;
                Ok(Some(Once { user }))
            })
        })
        .await
    }
}

/// A link that has not run out, and was not made by a clock that was ahead: it would not for long.
const ONCE: &str =
    "SELECT user_name FROM links_once WHERE hash = $1 AND expires_at > $2 AND made_at <= $3";
/// So much clocks are corrected by all the time.
const AHEAD_S: i64 = 600;

fn made_until() -> i64 {
    now().plus_secs(AHEAD_S).nanos()
}

async fn read_user(turn: &mut Turn, name: &str) -> Result<User> {
    let sql = format!("{USER} WHERE name = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name).fetch_optional(&mut turn.db).await?;
    user(&row.ok_or_else(|| Error::missing("user", name))?)
}

/// Ends what a user is, or could be, signed in by.
async fn end_sessions(turn: &mut Turn, name: &str) -> Result<()> {
    for sql in
        ["DELETE FROM sessions WHERE user_name = $1", "DELETE FROM links_once WHERE user_name = $1"]
    {
        sqlx::query(sql).bind(name).execute(&mut turn.db).await?;
    }
    Ok(())
}

/// Refuses a change that would lock everybody out.
async fn keep_an_admin(turn: &mut Turn) -> Result<()> {
    let row = sqlx::query("SELECT COUNT(*) FROM users WHERE role = 'admin' AND disabled = 0")
        .fetch_one(&mut turn.db)
        .await?;
    if row.try_get::<i64, _>(0)? == 0 {
        return Err(Error::refused("name", "the last admin has to stay an admin"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[tokio::test]
    async fn a_link_made_by_a_clock_that_was_ahead_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        store.create_user("admin", Role::Admin, None).await.expect("made");
        for (ahead, is_good) in [(AHEAD_S + 60, false), (AHEAD_S - 60, true)] {
            let (made, hash) = (now().plus_secs(ahead), format!("hash {ahead}"));
            let until = made.plus_secs(86_400);
            store.create_once_at(made, "admin", hash.clone(), until).await.expect("made");
            assert_eq!(store.has_once(&hash).await.expect("reads"), is_good);
            let redeemed = store.redeem_once(hash, "phc".to_owned()).await.expect("answers");
            assert_eq!(redeemed.is_some(), is_good);
        }
        store.close().await;
    }
}
