-- Views with plain names over a copy of the store, for notebooks (`cambench export --sql`). Not a migration: the store
-- itself has none of them. Times are UTC text, numbers end in their unit, + current charges, steps count from 1. What the
-- instrument marked as overloaded (2) or bad (32) is NULL.

CREATE VIEW runs AS
SELECT id AS run, station, recipe, recipe_hash, cell, material, who, phase AS state, one_C_A * 1e3 AS one_C_mA,
       cell_json ->> 'electrodes' AS electrodes, (cell_json ->> 'composite_mg') * (cell_json ->> 'cam_fraction') AS cam_mg,
       cell_json ->> 'reference_vs_li_V' AS reference_vs_li_V, time_scale, program,
       strftime('%Y-%m-%dT%H:%M:%fZ', started_wall_ns / 1e9, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', ended_wall_ns / 1e9, 'unixepoch') AS ended
FROM run;

CREATE VIEW samples AS
SELECT run, seq, strftime('%Y-%m-%dT%H:%M:%fZ', at_wall_ns / 1e9, 'unixepoch') AS time, test_time_s, cycle,
       step + 1 AS step, step_time_s,
       CASE WHEN status & 34 = 0 THEN cell_V END AS cell_V,
       CASE WHEN status & 34 = 0 THEN we_vs_re_V END AS we_vs_re_V,
       CASE WHEN status & 34 = 0 THEN we_vs_re_V - cell_V END AS ce_vs_re_V,
       CASE WHEN status & 34 = 0 THEN current_A * 1e3 END AS current_mA, status
FROM sample;

CREATE VIEW steps AS
SELECT run, step + 1 AS step, cycle, samples, duration_s, charge_Ah * 1e3 AS charge_mAh,
       discharge_Ah * 1e3 AS discharge_mAh, charge_we_vs_re_VAh / nullif(charge_Ah, 0) AS charge_mean_we_vs_re_V,
       discharge_we_vs_re_VAh / nullif(discharge_Ah, 0) AS discharge_mean_we_vs_re_V, last_we_vs_re_V, last_cell_V,
       (SELECT reason FROM event WHERE event.run = step.run AND event.step = step.step AND kind = 'step_ended'
        ORDER BY seq DESC LIMIT 1) AS ended_by
FROM step;

CREATE VIEW cycles AS
SELECT steps.run AS run, steps.cycle AS cycle, runs.cell AS cell, runs.material AS material,
       sum(charge_mAh) AS charge_mAh, sum(discharge_mAh) AS discharge_mAh,
       sum(charge_mAh) / nullif(cam_mg, 0) * 1e3 AS charge_mAh_g,
       sum(discharge_mAh) / nullif(cam_mg, 0) * 1e3 AS discharge_mAh_g,
       sum(discharge_mAh) / nullif(sum(charge_mAh), 0) AS efficiency
FROM steps JOIN runs ON runs.run = steps.run WHERE steps.cycle > 0 GROUP BY steps.run, steps.cycle;

CREATE VIEW pressures AS
SELECT run, station, strftime('%Y-%m-%dT%H:%M:%fZ', at_wall_ns / 1e9, 'unixepoch') AS time, test_time_s, pressure_MPa,
       target_MPa, trouble
FROM pressure;

CREATE VIEW events AS
SELECT seq, run, station, strftime('%Y-%m-%dT%H:%M:%fZ', at_wall_ns / 1e9, 'unixepoch') AS time, test_time_s, kind,
       step + 1 AS step, reason, cause, text, who
FROM event;

CREATE VIEW alarms AS
SELECT id, run, station, severity, cause, text,
       strftime('%Y-%m-%dT%H:%M:%fZ', raised_wall_ns / 1e9, 'unixepoch') AS raised,
       strftime('%Y-%m-%dT%H:%M:%fZ', cleared_wall_ns / 1e9, 'unixepoch') AS cleared, acknowledged_by
FROM alarm;

-- One line a study, version, material and axis.
CREATE VIEW scores AS
SELECT study, version, material.value ->> 'id' AS material, material.value ->> 'name' AS name, score.key AS axis,
       score.value ->> 'value' AS value, score.value ->> 'sd' AS sd, score.value ->> 'why_not' AS why_not,
       strftime('%Y-%m-%dT%H:%M:%fZ', at_wall_ns / 1e9, 'unixepoch') AS scored
FROM score, json_each(summary_json, '$.materials') AS material, json_each(material.value, '$.scores') AS score;
