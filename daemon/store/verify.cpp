#include "daemon/store/verify.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <array>
#include <chrono>

#include "daemon/store/database.h"
#include "daemon/store/migrations.h"
#include "schema/sha256.h"

namespace cambench::store {

namespace {

constexpr std::array tables{"run",      "event",           "sample", "step",         "rollup",
                            "pressure", "pressure_minute", "trip",   "trip_reading", "alarm",
                            "shelf",    "audit",           "region", "score",        "job"};

/// Each sample of a run beside the one before it.
constexpr auto pairs = R"(
  WITH pair AS (
    SELECT run, step, seq, step_time_s, test_time_s, at_wall_ns,
           lag(seq) OVER before AS last_seq, lag(step) OVER before AS last_step,
           lag(step_time_s) OVER before AS last_step_time_s, lag(test_time_s) OVER before AS last_test_time_s,
           lag(at_wall_ns) OVER before AS last_wall_ns
    FROM sample WINDOW before AS (PARTITION BY run ORDER BY seq)))";

/// Those between which no event tells why nothing was heard. A sample is stamped when it is heard; that there was a
/// gap is known once it is clear what the instrument does, which takes a driver up to three seconds of listening.
constexpr auto unexplained = R"(,
  unexplained AS (
    SELECT * FROM pair WHERE last_seq IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM event WHERE event.run = pair.run AND event.kind IN ('gap', 'tripped', 'held', 'resumed', 'reset')
        AND event.at_wall_ns BETWEEN last_wall_ns - 1000000000 AND pair.at_wall_ns + 5000000000)))";

/// What the tables promise: each row that is found here, "where" and "what", breaks it.
const std::array<std::string, 23> promises{
    R"(SELECT 'event', format('%d events, but the last is number %d', count(*), max(seq)) FROM event
       HAVING count(*) <> coalesce(max(seq), 0))",
    R"(SELECT 'audit', format('%d acts, but the last is number %d', count(*), max(id)) FROM audit
       HAVING count(*) <> coalesce(max(id), 0))",
    R"(SELECT 'job', format('%d jobs, but the last is number %d', count(*), max(id)) FROM job
       HAVING count(*) <> coalesce(max(id), 0))",

    R"(SELECT 'run ' || run, format('the samples begin with number %d', min(seq)) FROM sample
       GROUP BY run HAVING min(seq) <> 1)",
    R"(SELECT 'run ' || run, format('%d samples belong to no run of that name', count(*)) FROM sample
       WHERE run NOT IN (SELECT id FROM run) GROUP BY run)",
    std::string(pairs) + unexplained + R"(
       SELECT 'run ' || run,
              format('samples %d to %d are missing and no event tells why', last_seq + 1, seq - 1)
       FROM unexplained WHERE seq > last_seq + 1)",
    std::string(pairs) + unexplained + R"(
       SELECT 'run ' || run, format('step %d is silent from %.1f s to %.1f s and no event tells why', step + 1,
                                    last_step_time_s, step_time_s)
       FROM unexplained JOIN run ON run.id = run
       WHERE step = last_step AND step_time_s - last_step_time_s >
         1 + 2 * coalesce(iif(json_valid(recipe_text), json_extract(recipe_text, '$.record.time_s'), 1), 1))",
    std::string(pairs) + R"(
       SELECT 'run ' || run,
              format('sample %d of step %d is there twice or out of order: after %.3f s of the step comes %.3f s',
                     seq, step + 1, last_step_time_s, step_time_s) FROM pair
       WHERE test_time_s < last_test_time_s OR
         step = last_step AND (step_time_s = last_step_time_s AND test_time_s = last_test_time_s OR
           step_time_s < last_step_time_s AND NOT EXISTS (
             SELECT 1 FROM event WHERE event.run = pair.run AND event.kind = 'resumed'
               AND event.at_wall_ns BETWEEN last_wall_ns - 1000000000 AND pair.at_wall_ns)))",

    R"(SELECT 'run ' || s.run, format('step %d has %d samples and its summary counts %d', s.step + 1, s.n,
                                      coalesce(step.samples, 0))
       FROM (SELECT run, step, count(*) AS n FROM sample GROUP BY run, step) s
       LEFT JOIN step ON step.run = s.run AND step.step = s.step WHERE s.n IS NOT step.samples)",
    R"(SELECT 'run ' || step.run, format('step %d has a summary and no samples', step.step + 1) FROM step
       WHERE NOT EXISTS (SELECT 1 FROM sample WHERE sample.run = step.run AND sample.step = step.step))",
    // Blocks are written 16 at a time (daemon/store/rollup.h); older programs wrote each as soon as it was complete.
    R"(SELECT 'run ' || s.run, format('%d blocks of samples and a chart of %d', s.n, coalesce(r.n, 0))
       FROM (SELECT run, count(DISTINCT (seq - 1) / 32) AS n FROM sample AS s
             WHERE seq <= (SELECT max(seq) / 512 * 512 FROM sample WHERE run = s.run) GROUP BY run) s
       LEFT JOIN (SELECT run, count(*) AS n FROM rollup WHERE level = 1 GROUP BY run) r ON r.run = s.run
       WHERE coalesce(r.n, 0) < s.n)",
    // What was overloaded or bad is no extreme; older programs counted it.
    R"(SELECT 'run ' || r.run, format('its chart shows samples %d to %d otherwise than they are', r.first_seq, r.last_seq)
       FROM rollup AS r JOIN (
         SELECT run, (seq - 1) / 32 AS block, min(seq) AS first_seq, max(seq) AS last_seq, min(test_time_s) AS first_s,
                max(test_time_s) AS last_s, min(at_wall_ns) AS wall_ns,
                min(we_vs_re_V) FILTER (WHERE status & 34 = 0) AS we_min, max(we_vs_re_V) FILTER (WHERE status & 34 = 0) AS we_max,
                min(cell_V) FILTER (WHERE status & 34 = 0) AS cell_min, max(cell_V) FILTER (WHERE status & 34 = 0) AS cell_max,
                min(current_A) FILTER (WHERE status & 34 = 0) AS i_min, max(current_A) FILTER (WHERE status & 34 = 0) AS i_max,
                min(we_vs_re_V) AS all_we_min, max(we_vs_re_V) AS all_we_max, min(cell_V) AS all_cell_min,
                max(cell_V) AS all_cell_max, min(current_A) AS all_i_min, max(current_A) AS all_i_max
         FROM sample GROUP BY run, (seq - 1) / 32) AS s ON s.run = r.run AND s.block = r.block
       WHERE level = 1 AND
         ((r.first_seq, r.last_seq, first_test_time_s, last_test_time_s, first_wall_ns)
            IS NOT (s.first_seq, s.last_seq, first_s, last_s, wall_ns) OR
          (we_vs_re_min_V, we_vs_re_max_V, cell_min_V, cell_max_V, current_min_A, current_max_A)
            IS NOT (we_min, we_max, cell_min, cell_max, i_min, i_max) AND
          (we_vs_re_min_V, we_vs_re_max_V, cell_min_V, cell_max_V, current_min_A, current_max_A)
            IS NOT (all_we_min, all_we_max, all_cell_min, all_cell_max, all_i_min, all_i_max)))",
    R"(SELECT 'run ' || r.run, format('its chart shows samples %d to %d otherwise than in parts of them', r.first_seq, r.last_seq)
       FROM rollup AS r JOIN (
         SELECT run, level + 1 AS level, block / 4 AS block, min(first_seq) AS first_seq, max(last_seq) AS last_seq,
                min(first_test_time_s) AS first_s, max(last_test_time_s) AS last_s, min(first_wall_ns) AS wall_ns,
                min(we_vs_re_min_V) AS we_min, max(we_vs_re_max_V) AS we_max, min(cell_min_V) AS cell_min,
                max(cell_max_V) AS cell_max, min(current_min_A) AS i_min, max(current_max_A) AS i_max
         FROM rollup GROUP BY run, level, block / 4) AS s ON s.run = r.run AND s.level = r.level AND s.block = r.block
       WHERE
         (r.first_seq, r.last_seq, first_test_time_s, last_test_time_s, first_wall_ns, we_vs_re_min_V, we_vs_re_max_V,
          cell_min_V, cell_max_V, current_min_A, current_max_A)
         IS NOT (s.first_seq, s.last_seq, first_s, last_s, wall_ns, we_min, we_max, cell_min, cell_max, i_min, i_max))",

    R"(SELECT 'run ' || id, 'its phase is ' || phase || ' and no event says so' FROM run
       WHERE phase IN ('held', 'tripped', 'finished', 'aborted')
         AND NOT EXISTS (SELECT 1 FROM event WHERE run = id AND kind = phase))",
    R"(SELECT 'run ' || id, 'it is ' || phase || ' and has no end' FROM run
       WHERE phase IN ('finished', 'aborted') AND ended_wall_ns IS NULL)",

    // The first trips of a run may be older than the table.
    R"(SELECT 'run ' || run, format('%d trips, numbered %d to %d', count(*), min(number), max(number)) FROM trip
       GROUP BY run HAVING count(*) <> max(number) - min(number) + 1)",
    R"(SELECT 'run ' || run, format('trip %d by %s and no event tells of it', number, cause) FROM trip
       WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.run = trip.run AND event.kind = 'tripped'
                           AND event.cause = trip.cause AND event.step = trip.step))",
    R"(SELECT 'run ' || run, format('%d readings around trip %d, numbered %d to %d', count(*), number, min(seq), max(seq))
       FROM trip_reading GROUP BY run, number HAVING min(seq) <> 1 OR count(*) <> max(seq))",
    R"(SELECT 'run ' || run, format('a reading %.1f s away from trip %d, which is not there or further away',
                                    offset_s, number)
       FROM trip_reading AS r WHERE abs(offset_s) > 10.001
         OR NOT EXISTS (SELECT 1 FROM trip WHERE trip.run = r.run AND trip.number = r.number))",
    R"(SELECT 'shelf ' || cause, 'nobody put it there, or for no reason' FROM shelf WHERE who = '' OR reason = '')",

    R"(SELECT 'study ' || study, format('%d scores, but the last is version %d', count(*), max(version)) FROM score
       GROUP BY study HAVING count(*) <> max(version))",
    R"(SELECT 'study ' || study,
              format('version %d: the run %s of "%s" is not here', version, value ->> 'name', value ->> 'what')
       FROM score, json_each(result_json, '$.inputs')
       WHERE json_valid(result_json) AND value ->> 'what' LIKE 'rate test of %'
         AND value ->> 'name' NOT IN (SELECT id FROM run))",
    R"(WITH kept AS MATERIALIZED (
         SELECT DISTINCT value ->> 'sha256' AS sha256 FROM region, json_each(values_json, '$.files'))
       SELECT 'study ' || study,
              format('version %d: no region was read from %s (%s)', version, value ->> 'name', value ->> 'sha256')
       FROM score, json_each(result_json, '$.inputs')
       WHERE json_valid(result_json) AND value ->> 'what' NOT LIKE 'rate test of %'
         AND value ->> 'sha256' NOT IN (SELECT sha256 FROM kept))"};

constexpr int breaches_told = 20;  // of one kind: the first say enough

void check_file(Database& database, std::vector<Breach>& breaches) try {
  Statement integrity(database, fmt::format("PRAGMA integrity_check({})", breaches_told));
  while (integrity.step())
    if (integrity.text(0) != "ok") breaches.push_back({"file", integrity.text(0)});
} catch (const StoreError& error) {  // where the damage is deep, SQLite ends its check with an error
  if (error.code != SQLITE_CORRUPT) throw;
  breaches.push_back({"file", error.what()});
}

void check_references(Database& database, std::vector<Breach>& breaches) {
  Statement references(database, "PRAGMA foreign_key_check");
  while (references.step())
    breaches.push_back({references.text(0), fmt::format("row {} names a {} that is not there",
                                                        references.integer(1), references.text(2))});
}

void check_promise(Database& database, const std::string& sql, std::vector<Breach>& breaches) {
  Statement broken(database, fmt::format("{} LIMIT {}", sql, breaches_told));
  while (broken.step()) breaches.push_back({broken.text(0), broken.text(1)});
}

void check_results(Database& database, std::vector<Breach>& breaches) {
  Statement scores(database, "SELECT study, version, inputs_hash, result_json FROM score");
  while (scores.step())
    if (sha256_hex(scores.text(3)) != scores.text(2))
      breaches.push_back(
          {"study " + scores.text(0),
           fmt::format("version {} is not what was written: its SHA-256 is another", scores.integer(1))});
}

}  // namespace

Verified verify(const std::filesystem::path& file) {
  const auto began = std::chrono::steady_clock::now();
  Database database(file, Database::Mode::read_only);
  require_current(database);
  Transaction one_view(database, Transaction::Kind::read);
  Verified seen;
  seen.version = database.number("PRAGMA user_version");
  check_file(database, seen.breaches);
  if (seen.breaches.empty()) {  // rows of a damaged file say nothing
    for (const char* table : tables)
      seen.rows.emplace_back(table, database.number(fmt::format("SELECT count(*) FROM {}", table)));
    seen.gaps = database.number("SELECT count(*) FROM event WHERE kind = 'gap'");
    seen.missing_samples = database.number(
        "SELECT coalesce(sum(last - n), 0) FROM (SELECT max(seq) AS last, count(*) AS n FROM sample GROUP BY "
        "run)");
    check_references(database, seen.breaches);
    for (const std::string& promise : promises) check_promise(database, promise, seen.breaches);
    check_results(database, seen.breaches);
  }
  seen.took = std::chrono::steady_clock::now() - began;
  return seen;
}

}  // namespace cambench::store
