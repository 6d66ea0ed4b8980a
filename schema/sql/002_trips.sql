-- What was measured around each trip, and which alarms nobody is told of for a while.

-- The host's clock that nobody can set, sleep included, and the boot that it belongs to: how long ago something was does
-- not depend on the wall clock within one boot.
ALTER TABLE event ADD COLUMN at_boot_ns INTEGER;
ALTER TABLE event ADD COLUMN boot_id TEXT;

-- The first-out: the cause that came first. What followed from it is among its readings, as 'event'.
CREATE TABLE trip (
  run           TEXT NOT NULL,
  number        INTEGER NOT NULL,             -- the run's first trip, its second, ...
  station       TEXT NOT NULL,
  step          INTEGER NOT NULL,
  cause         TEXT NOT NULL,                -- a row of the interlock table
  text          TEXT NOT NULL,
  at_wall_ns    INTEGER NOT NULL,
  at_mono_ns    INTEGER NOT NULL,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- Ten seconds of wire time before a trip and ten after it, every reading as it was heard.
CREATE TABLE trip_reading (
  run           TEXT NOT NULL,
  number        INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  offset_s      REAL NOT NULL,                -- wire time since the trip; negative before it
  what          TEXT NOT NULL,                -- sample, pressure, event
  pressure_MPa  REAL,
  target_MPa    REAL,
  we_vs_re_V    REAL,
  cell_V        REAL,
  current_A     REAL,
  status        INTEGER,                      -- bits of schema/reading.h
  text          TEXT,                         -- what is wrong with the reading; what happened
  PRIMARY KEY (run, number, seq)
) STRICT, WITHOUT ROWID;

-- A person's act with an end: it silences people, never an interlock.
CREATE TABLE shelf (
  station       TEXT NOT NULL,                -- '' for the whole bench
  cause         TEXT NOT NULL,
  who           TEXT NOT NULL,
  reason        TEXT NOT NULL,
  from_wall_ns  INTEGER NOT NULL,
  until_wall_ns INTEGER NOT NULL,             -- moved forward when somebody takes it off the shelf
  PRIMARY KEY (station, cause)
) STRICT, WITHOUT ROWID;
