-- The first database of rat. Instants are microseconds since 1970 UTC, text that people wrote is BLOB.

-- What rat-at queued. Rows are small, so that a long queue is listed quickly; what is run lies in `recipes`.
-- AUTOINCREMENT: a number is never given twice, not even after the job with the highest one is removed.
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    uid INTEGER NOT NULL,
    owner TEXT NOT NULL,
    queue TEXT NOT NULL CHECK (queue GLOB '[a-zA-Z]'),
    due INTEGER NOT NULL,
    submitted INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'claimed', 'done', 'failed', 'lost')),
    -- The run that the job was claimed for.
    run INTEGER,
    -- When it was over: done, failed or lost.
    ended INTEGER,
    CHECK ((state = 'queued') = (run IS NULL)),
    CHECK ((state IN ('queued', 'claimed')) = (ended IS NULL))
) STRICT;

CREATE INDEX jobs_by_due ON jobs (due, number) WHERE state = 'queued';
CREATE INDEX jobs_listed ON jobs (due, number, uid, owner, queue, submitted, state, ended) WHERE ended IS NULL;
CREATE INDEX jobs_of_uid ON jobs (uid, due, number) WHERE ended IS NULL;
CREATE INDEX jobs_by_run ON jobs (run) WHERE run IS NOT NULL;
CREATE INDEX jobs_by_end ON jobs (ended) WHERE ended IS NOT NULL;

-- What a queued job runs, and in what surroundings. Environments hold secrets, so this row goes
-- as soon as the job is over; only that of a lost job stays for a while, to be queued again.
CREATE TABLE recipes (
    number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    umask INTEGER NOT NULL,
    -- 0: mail if there is output; 1: mail always; -1: never.
    mail INTEGER NOT NULL CHECK (mail IN (0, 1, -1)),
    mail_to TEXT,
    directory BLOB NOT NULL,
    -- NAME=VALUE, each followed by a zero byte, as execve(2) hands it over.
    environment BLOB NOT NULL,
    script BLOB NOT NULL
) STRICT;

-- Every run: of entries, periods and at-jobs.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    due INTEGER NOT NULL,
    cause TEXT NOT NULL,
    -- 1 for the newest run of a job that runs more than once. It tells how the job went last, and stays longest.
    newest INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    -- NULL while it runs, or was never heard of again.
    outcome TEXT CHECK (outcome IN ('exited', 'killed', 'not-started', 'lost')),
    -- Exit status, or number of the signal.
    status INTEGER,
    -- Why it was not started, or is lost.
    why TEXT,
    user_microseconds INTEGER NOT NULL DEFAULT 0,
    system_microseconds INTEGER NOT NULL DEFAULT 0,
    max_rss_kib INTEGER NOT NULL DEFAULT 0,
    output_bytes INTEGER NOT NULL DEFAULT 0,
    output BLOB NOT NULL DEFAULT x'',
    CHECK ((outcome IS NULL) = (ended IS NULL))
) STRICT;

CREATE INDEX runs_by_job ON runs (job, id);
CREATE INDEX runs_by_name ON runs (name, job);
CREATE INDEX runs_by_owner ON runs (owner, id);
CREATE INDEX runs_newest ON runs (job) WHERE newest = 1;
CREATE INDEX runs_unfinished ON runs (id) WHERE outcome IS NULL;
CREATE INDEX runs_by_end ON runs (newest, ended) WHERE ended IS NOT NULL;

-- The local date on which a period job was last done.
CREATE TABLE stamps (
    ident TEXT PRIMARY KEY,
    done TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What ratd knew of itself; always one row.
CREATE TABLE memory (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The boot that @reboot jobs last ran for.
    boot TEXT
) STRICT;
INSERT INTO memory (one) VALUES (1);
