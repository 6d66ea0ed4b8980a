-- The first schema of a bench. Times: *_wall_ns is the system clock since 1970 (UTC), *_mono_ns the steady clock of the
-- host (comparable within one boot only), test_time_s the experiment's own time since the run began.
-- Columns end in their unit. Positive current charges.

CREATE TABLE run (
  id            TEXT PRIMARY KEY,             -- "r000001"
  station       TEXT NOT NULL,
  recipe        TEXT NOT NULL,                -- its name
  recipe_hash   TEXT NOT NULL,                -- SHA-256 of the canonical protocol: equal hash, equal protocol
  recipe_text   TEXT NOT NULL,                -- the recipe as it was started, in our JSON
  cell          TEXT,                         -- NULL for a run that only presses
  cell_json     TEXT,                         -- the cell as it was configured at the start
  material      TEXT,
  who           TEXT NOT NULL,
  one_C_A       REAL NOT NULL,
  phase         TEXT NOT NULL,                -- name of the sequencer's phase after the last transition
  time_scale    REAL NOT NULL,                -- 1 for real instruments
  program       TEXT NOT NULL,                -- version of the program that planned it
  started_wall_ns INTEGER NOT NULL,
  ended_wall_ns   INTEGER
) STRICT;
CREATE INDEX run_by_station ON run (station, id);
CREATE INDEX run_by_cell ON run (cell, id);

-- Append-only: a run's state is the fold of its transitions.
CREATE TABLE event (
  seq           INTEGER PRIMARY KEY,          -- the cursor of /api/v1/events
  run           TEXT REFERENCES run (id),
  station       TEXT,
  kind          TEXT NOT NULL,                -- name of the transition, or "note", "audit"
  step          INTEGER,
  reason        TEXT,
  cause         TEXT,
  text          TEXT,
  who           TEXT,
  elapsed_s     REAL,
  test_time_s   REAL,
  at_wall_ns    INTEGER NOT NULL,
  at_mono_ns    INTEGER NOT NULL
) STRICT;
CREATE INDEX event_by_run ON event (run, seq);
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TABLE sample (
  run           TEXT NOT NULL,
  seq           INTEGER NOT NULL,             -- from 1, in the order they were heard
  test_time_s   REAL NOT NULL,
  step          INTEGER NOT NULL,
  cycle         INTEGER NOT NULL,
  step_time_s   REAL NOT NULL,                -- the instrument's clock
  we_vs_re_V    REAL,
  cell_V        REAL,
  current_A     REAL,                         -- measured
  current_set_A REAL,
  status        INTEGER NOT NULL,             -- bits of schema/reading.h
  at_wall_ns    INTEGER NOT NULL,
  at_mono_ns    INTEGER NOT NULL,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- What each step has moved so far, kept by the writer with the samples, in the same transaction. Charge by the
-- trapezoid rule over step_time_s; VAh is the integral of the potential over the charge, so that a mean is one division.
CREATE TABLE step (
  run           TEXT NOT NULL,
  step          INTEGER NOT NULL,
  cycle         INTEGER NOT NULL,
  samples       INTEGER NOT NULL,
  first_test_time_s REAL NOT NULL,
  last_test_time_s  REAL NOT NULL,
  duration_s    REAL NOT NULL,
  charge_Ah     REAL NOT NULL,                -- by positive current
  charge_Wh     REAL,                         -- NULL when cell_V was not always there
  charge_we_vs_re_VAh REAL,                   -- NULL when we_vs_re_V was not always there
  discharge_Ah  REAL NOT NULL,                -- by negative current, counted positive
  discharge_Wh  REAL,
  discharge_we_vs_re_VAh REAL,
  last_we_vs_re_V REAL,
  last_cell_V   REAL,
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE pressure (
  station       TEXT NOT NULL,
  at_wall_ns    INTEGER NOT NULL,
  run           TEXT,
  test_time_s   REAL,
  pressure_MPa  REAL,                         -- NULL when the reading is bad
  target_MPa    REAL,
  trouble       TEXT,
  PRIMARY KEY (station, at_wall_ns)
) STRICT, WITHOUT ROWID;
CREATE INDEX pressure_by_run ON pressure (run, at_wall_ns) WHERE run IS NOT NULL;

-- The extremes of each minute, for charts.
CREATE TABLE pressure_minute (
  station       TEXT NOT NULL,
  minute        INTEGER NOT NULL,             -- at_wall_ns / 60e9
  run           TEXT NOT NULL,                -- '' when none was on the station
  first_wall_ns INTEGER NOT NULL,
  first_test_time_s REAL,
  pressure_MPa  REAL,                         -- the last good one
  pressure_min_MPa REAL, pressure_max_MPa REAL,
  target_MPa    REAL,                         -- the last one
  trouble       TEXT,                         -- the last one
  readings      INTEGER NOT NULL,
  bad           INTEGER NOT NULL,             -- readings with a trouble
  PRIMARY KEY (station, minute, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX pressure_minute_by_run ON pressure_minute (run, minute) WHERE run <> '';

-- Minimum and maximum over blocks of samples, so that a week draws as fast as an hour. Level 1 spans 32 samples, each
-- further level 4 blocks of the one below; the writer keeps them with the samples, in the same transaction.
CREATE TABLE rollup (
  run           TEXT NOT NULL,
  level         INTEGER NOT NULL,
  block         INTEGER NOT NULL,
  first_seq     INTEGER NOT NULL,
  last_seq      INTEGER NOT NULL,
  first_test_time_s REAL NOT NULL,
  last_test_time_s  REAL NOT NULL,
  first_wall_ns INTEGER NOT NULL,
  we_vs_re_min_V REAL, we_vs_re_max_V REAL,
  cell_min_V    REAL, cell_max_V REAL,
  current_min_A REAL, current_max_A REAL,
  PRIMARY KEY (run, level, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
  id            INTEGER PRIMARY KEY,
  station       TEXT,
  run           TEXT,
  severity      TEXT NOT NULL,                -- info, warning, alarm
  cause         TEXT NOT NULL,
  text          TEXT NOT NULL,
  raised_wall_ns INTEGER NOT NULL,
  cleared_wall_ns INTEGER,                    -- the cause is gone; it stays until somebody acknowledged it
  acknowledged_by TEXT,
  acknowledged_wall_ns INTEGER
) STRICT;

-- Every act of a person, granted or refused.
CREATE TABLE audit (
  id            INTEGER PRIMARY KEY,
  at_wall_ns    INTEGER NOT NULL,
  who           TEXT NOT NULL,
  act           TEXT NOT NULL,
  target        TEXT,
  reason        TEXT,
  outcome       TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- A region of ToF-SIMS data, normalised: named by the content of its files, and not read again while they look the same.
CREATE TABLE region (
  hash          TEXT NOT NULL,                -- SHA-256 over the files' hashes, in order
  settings      TEXT NOT NULL,                -- SHA-256 of what it was normalised with
  study         TEXT NOT NULL,
  material      TEXT NOT NULL,
  state         TEXT NOT NULL,                -- uncycled, cycled
  name          TEXT NOT NULL,
  values_json   TEXT NOT NULL,
  files_json    TEXT NOT NULL,                -- how they looked: path, size, times
  at_wall_ns    INTEGER NOT NULL,
  PRIMARY KEY (hash, settings, study, material, state, name)
) STRICT, WITHOUT ROWID;

-- Scores are versioned rows: never changed, only followed by a newer version.
CREATE TABLE score (
  study         TEXT NOT NULL,
  version       INTEGER NOT NULL,
  inputs_hash   TEXT NOT NULL,                -- SHA-256 over all inputs and settings: equal hash, no new version
  settings      TEXT NOT NULL,
  program       TEXT NOT NULL,
  result_json   TEXT NOT NULL,
  summary_json  TEXT NOT NULL,                -- what the status shows of it
  at_wall_ns    INTEGER NOT NULL,
  PRIMARY KEY (study, version)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER score_is_never_changed BEFORE UPDATE ON score BEGIN SELECT RAISE(ABORT, 'scores are never changed'); END;
CREATE TRIGGER score_is_never_deleted BEFORE DELETE ON score BEGIN SELECT RAISE(ABORT, 'scores are never changed'); END;

-- What the daemon computed beside the runs, and what became of it: a refused input is a recorded refusal.
CREATE TABLE job (
  id            INTEGER PRIMARY KEY,
  study         TEXT NOT NULL,
  what          TEXT NOT NULL,                -- "score"
  state         TEXT NOT NULL,                -- done, failed
  text          TEXT NOT NULL,                -- what came out, or why it failed
  started_wall_ns INTEGER NOT NULL,
  finished_wall_ns INTEGER NOT NULL
) STRICT;
