-- Batch queues are claimed on their own; a job can have a deadline; a lost job is told of.

-- The queues b and A to Z wait for a low load once their jobs are due.
ALTER TABLE jobs ADD COLUMN batch INTEGER NOT NULL GENERATED ALWAYS AS (queue GLOB '[bA-Z]') VIRTUAL;
-- The last instant at which it may be started; NULL where only ratd's own default counts.
ALTER TABLE jobs ADD COLUMN deadline INTEGER;
-- Its owner was told that it is lost.
ALTER TABLE jobs ADD COLUMN told INTEGER NOT NULL DEFAULT 0;

DROP INDEX jobs_by_due;
CREATE INDEX timed_by_due ON jobs (due, number) WHERE state = 'queued' AND batch = 0;
CREATE INDEX batch_by_due ON jobs (due, number) WHERE state = 'queued' AND batch = 1;
CREATE INDEX jobs_lost ON jobs (number, told) WHERE state = 'lost';
