//! What survives a restart: consults, their participants, and who was there when. SQLite with a write-ahead
//! log, each commit on disk before it is answered.

use std::path::Path;
use std::str::FromStr;

use protocol::id::{ConsultId, ParticipantId};
use protocol::server_message::EndReason;
use protocol::track::Role;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row, SqlSafeStr};

use crate::consult::{Consult, Invitation};
use crate::limits::{STORE_CONNECTIONS, STORE_PATIENCE};
use crate::registry::SessionStep;
use crate::unix_time::UnixTime;

/// Every migration, in order. Released ones never change.
const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "consults", include_str!("../migrations/0001_consults.sql"))];

/// What survives a restart.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: SqlitePool,
}

/// The database cannot be used, or holds what this program never wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the database cannot be brought to this version")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("column {0} holds something else")]
    Column(&'static str),
}

/// An idempotency key, and the digest of what was asked with it.
#[derive(Debug, Clone)]
pub(crate) struct Idempotency {
    pub(crate) key: String,
    pub(crate) digest: String,
}

/// What became of a request to keep a new consult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Creation {
    Created,
    /// The key came before with the same request: this was its consult.
    Repeated(Consult),
    /// The key came before with another request.
    Conflict,
}

impl Store {
    /// Opens the database, makes it where it is missing, and closes the sessions that a crash left open.
    pub(crate) async fn open(path: &Path, now: UnixTime) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(STORE_PATIENCE)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(STORE_CONNECTIONS)
            .acquire_timeout(STORE_PATIENCE)
            .connect_with(options)
            .await?;
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        Migrator::with_migrations(migrations.into()).run(&pool).await?;
        sqlx::query("UPDATE sessions SET ended_at = ?, end_reason = 'crashed' WHERE ended_at IS NULL")
            .bind(seconds(now))
            .execute(&pool)
            .await?;
        Ok(Self { pool })
    }

    /// Keeps a new consult.
    pub(crate) async fn create_consult(
        &self,
        consult: &Consult,
        idempotency: Option<&Idempotency>,
    ) -> Result<Creation, StoreError> {
        // A write lock from the start, so that two requests with one key come one after the other.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(idempotency) = idempotency {
            let known = sqlx::query("SELECT id, request_digest FROM consults WHERE idempotency_key = ?")
                .bind(&idempotency.key)
                .fetch_optional(&mut *transaction)
                .await?;
            if let Some(known) = known {
                drop(transaction);
                if known.try_get::<String, _>("request_digest")? != idempotency.digest {
                    return Ok(Creation::Conflict);
                }
                let repeated = self.find_consult(parsed(&known, "id")?).await?;
                return Ok(repeated.map_or(Creation::Conflict, Creation::Repeated));
            }
        }
        sqlx::query(
            "INSERT INTO consults (id, subject, created_at, not_before, expires_at, idempotency_key, request_digest)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(consult.id.to_string())
        .bind(consult.subject.reveal())
        .bind(seconds(consult.created_at))
        .bind(seconds(consult.not_before))
        .bind(seconds(consult.expires_at))
        .bind(idempotency.map(|idempotency| &idempotency.key))
        .bind(idempotency.map(|idempotency| &idempotency.digest))
        .execute(&mut *transaction)
        .await?;
        for (position, invitation) in (0_i64..).zip(&consult.invitations) {
            sqlx::query(
                "INSERT INTO participants (id, consult, position, role, name) VALUES (?, ?, ?, ?, ?)",
            )
            .bind(invitation.participant.to_string())
            .bind(consult.id.to_string())
            .bind(position)
            .bind(invitation.role.as_str())
            .bind(invitation.name.as_ref().map(|name| name.reveal()))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Creation::Created)
    }

    /// Finds a consult, open or not.
    pub(crate) async fn find_consult(&self, id: ConsultId) -> Result<Option<Consult>, StoreError> {
        let text = id.to_string();
        let Some(row) =
            sqlx::query("SELECT * FROM consults WHERE id = ?").bind(&text).fetch_optional(&self.pool).await?
        else {
            return Ok(None);
        };
        let invitations =
            sqlx::query("SELECT id, role, name FROM participants WHERE consult = ? ORDER BY position")
                .bind(&text)
                .fetch_all(&self.pool)
                .await?;
        Ok(Some(Consult {
            id,
            subject: row.try_get::<String, _>("subject")?.into(),
            created_at: time(&row, "created_at")?.ok_or(StoreError::Column("created_at"))?,
            not_before: time(&row, "not_before")?.ok_or(StoreError::Column("not_before"))?,
            expires_at: time(&row, "expires_at")?.ok_or(StoreError::Column("expires_at"))?,
            ended_at: time(&row, "ended_at")?,
            invitations: invitations.iter().map(invitation).collect::<Result<_, _>>()?,
        }))
    }

    /// Ends a consult; one that has ended keeps its time.
    pub(crate) async fn end_consult(&self, id: ConsultId, now: UnixTime) -> Result<(), StoreError> {
        sqlx::query("UPDATE consults SET ended_at = ? WHERE id = ? AND ended_at IS NULL")
            .bind(seconds(now))
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps steps of sessions, all or none.
    pub(crate) async fn record(&self, steps: &[(SessionStep, UnixTime)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for (step, at) in steps {
            let query = match step {
                SessionStep::Started { session, consult, invitation } => sqlx::query(
                    "INSERT OR IGNORE INTO sessions (started_at, id, consult, participant) VALUES (?, ?, ?, ?)",
                )
                .bind(seconds(*at))
                .bind(session.to_string())
                .bind(consult.to_string())
                .bind(invitation.to_string()),
                SessionStep::Joined { session } => sqlx::query("UPDATE sessions SET joined_at = ? WHERE id = ?")
                    .bind(seconds(*at))
                    .bind(session.to_string()),
                SessionStep::Ended { session, reason } => {
                    sqlx::query("UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ?")
                        .bind(seconds(*at))
                        .bind(end_reason_word(*reason))
                        .bind(session.to_string())
                }
            };
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Waits for what is under way, and closes the files.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

fn invitation(row: &SqliteRow) -> Result<Invitation, StoreError> {
    let role: String = row.try_get("role")?;
    Ok(Invitation {
        participant: parsed::<ParticipantId>(row, "id")?,
        role: Role::ALL.into_iter().find(|known| known.as_str() == role).ok_or(StoreError::Column("role"))?,
        name: row.try_get::<Option<String>, _>("name")?.map(Into::into),
    })
}

fn parsed<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    row.try_get::<String, _>(column)?.parse().map_err(|_| StoreError::Column(column))
}

fn time(row: &SqliteRow, column: &'static str) -> Result<Option<UnixTime>, StoreError> {
    let seconds: Option<i64> = row.try_get(column)?;
    seconds
        .map(|seconds| {
            u64::try_from(seconds).map(UnixTime::from_secs).map_err(|_| StoreError::Column(column))
        })
        .transpose()
}

/// SQLite's integers are signed; a time beyond them is beyond every clock.
fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

const fn end_reason_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Left => "left",
        EndReason::ConsultClosed => "consult_closed",
        EndReason::Replaced => "replaced",
        EndReason::TimedOut => "timed_out",
        EndReason::TooSlow => "too_slow",
        EndReason::Shutdown => "shutdown",
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::SessionId;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    fn consult(id: u128) -> Consult {
        let invitation = |bits, role| Invitation {
            participant: ParticipantId::from_bits(id * 10 + bits),
            role,
            name: None,
        };
        Consult {
            id: ConsultId::from_bits(id),
            subject: "复诊".to_owned().into(),
            created_at: NOW,
            not_before: NOW,
            expires_at: UnixTime::from_secs(2_000),
            ended_at: None,
            invitations: vec![
                Invitation { name: Some("李医生".to_owned().into()), ..invitation(2, Role::Clinician) },
                invitation(1, Role::Patient),
            ],
        }
    }

    async fn open(dir: &tempfile::TempDir) -> Store {
        Store::open(&dir.path().join("signaling.db"), NOW).await.expect("the store opens")
    }

    #[tokio::test]
    async fn a_consult_survives_a_restart_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(&dir).await;
        assert_eq!(store.create_consult(&consult(1), None).await.expect("kept"), Creation::Created);
        store.close().await;
        let store = open(&dir).await;
        assert_eq!(store.find_consult(ConsultId::from_bits(1)).await.expect("found"), Some(consult(1)));
        assert_eq!(store.find_consult(ConsultId::from_bits(2)).await.expect("looked for"), None);
        for second in [50, 60] {
            store.end_consult(ConsultId::from_bits(1), UnixTime::from_secs(second)).await.expect("ended");
        }
        let ended = store.find_consult(ConsultId::from_bits(1)).await.expect("found").expect("there");
        assert_eq!(ended.ended_at, Some(UnixTime::from_secs(50)));
    }

    #[tokio::test]
    async fn a_key_makes_one_consult() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(&dir).await;
        let asked = |digest: &str| Some(Idempotency { key: "k".to_owned(), digest: digest.to_owned() });
        let (first, other) = (asked("a"), asked("b"));
        assert_eq!(store.create_consult(&consult(1), first.as_ref()).await.expect("kept"), Creation::Created);
        let repeated = store.create_consult(&consult(2), first.as_ref()).await.expect("answered");
        assert_eq!(repeated, Creation::Repeated(consult(1)));
        assert_eq!(
            store.create_consult(&consult(2), other.as_ref()).await.expect("answered"),
            Creation::Conflict
        );
        assert_eq!(store.find_consult(ConsultId::from_bits(2)).await.expect("looked for"), None);
    }

    #[tokio::test]
    async fn sessions_left_open_by_a_crash_are_closed_at_the_next_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(&dir).await;
        store.create_consult(&consult(1), None).await.expect("kept");
        let (consult, participant) = (ConsultId::from_bits(1), ParticipantId::from_bits(12));
        let session = SessionId::from_bits;
        let steps = [
            SessionStep::Started { session: session(1), consult, invitation: participant },
            SessionStep::Joined { session: session(1) },
            SessionStep::Ended { session: session(1), reason: EndReason::Left },
            SessionStep::Started { session: session(2), consult, invitation: participant },
        ];
        store.record(&steps.map(|step| (step, NOW))).await.expect("recorded");
        store.close().await;
        let store = open(&dir).await;
        let rows = sqlx::query("SELECT end_reason FROM sessions ORDER BY id").fetch_all(&store.pool).await;
        let reasons: Vec<String> =
            rows.expect("rows").iter().map(|row| row.try_get("end_reason").expect("a reason")).collect();
        assert_eq!(reasons, ["left", "crashed"]);
    }
}
