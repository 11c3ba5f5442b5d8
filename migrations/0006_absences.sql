-- When nothing was handled, and why: `rat why` tells it.
CREATE TABLE absences (
    -- Instants, as everywhere; both are the clock's readings, so that one that was set back may show them again.
    began INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('stopped', 'off', 'asleep', 'set', 'held_up'))
) STRICT;

-- When ratd last handled anything.
ALTER TABLE memory ADD COLUMN seen INTEGER;
