-- The how-manieth run it was for its instant: more than 1 where those before failed and were tried again.
ALTER TABLE runs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
