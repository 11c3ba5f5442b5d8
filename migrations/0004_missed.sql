-- Entries that make up for what they missed: since when each is known, and how far it is decided what becomes of it.
CREATE TABLE entries (
    job TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    -- Every instant up to this one was started, given up, or lies in `instants`.
    handled INTEGER NOT NULL,
    -- 0 from the start of a ratd until it has decided what becomes of what was missed before.
    current INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE instants (
    job TEXT NOT NULL REFERENCES entries (job) ON DELETE CASCADE,
    due INTEGER NOT NULL,
    -- 'owed': it is still to be made up for. 'done': it was started before that was decided.
    state TEXT NOT NULL CHECK (state IN ('owed', 'done')),
    PRIMARY KEY (job, due)
) STRICT, WITHOUT ROWID;
