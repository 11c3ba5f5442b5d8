-- The jobs of another at's queue that were taken over, so that none is taken twice, not even after it has run.
CREATE TABLE imported (
    -- The name of its file there, and a digest of what the file held.
    source TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
