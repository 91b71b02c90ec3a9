-- Times are whole seconds since 1970 in UTC; ids are their text form.
CREATE TABLE consults (
    id TEXT PRIMARY KEY NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    idempotency_key TEXT UNIQUE,
    -- SHA-256 of the request that the key came with.
    request_digest TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE participants (
    id TEXT PRIMARY KEY NOT NULL,
    consult TEXT NOT NULL REFERENCES consults (id),
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    name TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX participants_by_consult ON participants (consult, position);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    consult TEXT NOT NULL REFERENCES consults (id),
    participant TEXT NOT NULL REFERENCES participants (id),
    started_at INTEGER NOT NULL,
    joined_at INTEGER,
    ended_at INTEGER,
    -- `left`, `consult_closed`, `replaced`, `timed_out`, `too_slow`, `shutdown`, or `crashed`.
    end_reason TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_consult ON sessions (consult);
CREATE INDEX open_sessions ON sessions (id) WHERE ended_at IS NULL;
